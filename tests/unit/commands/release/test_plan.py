"""The plan of a release, played against a model of a forge: it converges from any state and touches nothing foreign."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.commands.release import names
from replicator.commands.release.notes import notes, sums
from replicator.commands.release.plan import (
    MARKER,
    Asset,
    Do,
    Goal,
    Release,
    Replace,
    Seen,
    Step,
    Wanted,
    choose,
    next_step,
)

COMMIT = "a" * 40
ONE = Wanted(name="boot.iso", size=3, sha256="1" * 64)
TWO = Wanted(name="SHA256SUMS", size=5, sha256="2" * 64)
GOAL = Goal(tag="boot-v7", commit=COMMIT, assets=[ONE, TWO])
OURS = Release(id=7, tag="boot-v7", draft=True, notes=f"x\n{MARKER}\n")
FOREIGN = replace(OURS, id=3, notes="by hand")


def right(item: Wanted, number: int, name: str = "") -> Asset:
    return Asset(id=number, name=name or item.name, size=item.size, sha256=item.sha256)


def seen(*releases: Release, assets: dict[int, list[Asset]] | None = None, **more: object) -> Seen:
    return Seen(commit=COMMIT, releases=releases, assets=assets or {}, **more)  # type: ignore[arg-type]


def test_the_tag_comes_before_the_draft() -> None:
    assert next_step(replace(seen(), commit=""), GOAL).do is Do.CREATE_TAG
    assert next_step(seen(), GOAL).do is Do.CREATE_DRAFT


def test_a_tag_elsewhere_stops_everything() -> None:
    assert next_step(replace(seen(OURS), commit="b" * 40), GOAL).reason == "tag_elsewhere"


def test_the_draft_that_is_ours_is_taken_before_an_older_one() -> None:
    assert choose(seen(FOREIGN, OURS)).release == OURS
    assert choose(seen(FOREIGN, replace(FOREIGN, id=2))).release == replace(FOREIGN, id=2)


def test_several_foreign_drafts_with_assets_are_ambiguous() -> None:
    other = replace(FOREIGN, id=4)
    step = next_step(seen(FOREIGN, other, assets={3: [right(ONE, 1)], 4: [right(ONE, 2)]}), GOAL)
    assert (step.reason, "3, 4" in step.what) == ("ambiguous", True)


def test_only_our_own_empty_draft_is_deleted() -> None:
    newer = replace(OURS, id=9)
    assert next_step(seen(OURS, newer, made=frozenset({9})), GOAL) == Step(do=Do.DELETE_DRAFT, release=newer)
    assert next_step(seen(OURS, newer), GOAL).do is Do.UPLOAD
    filled = seen(OURS, newer, assets={9: [right(ONE, 1)], 7: [right(ONE, 2)]}, made=frozenset({9}))
    assert next_step(filled, GOAL).do is Do.UPLOAD


def test_an_old_asset_goes_only_when_the_new_one_is_there() -> None:
    old = Asset(id=1, name="boot.iso", size=9, sha256="9" * 64)
    part = names.part("boot.iso", ONE.sha256)
    steps = [
        next_step(seen(OURS, assets={7: there}), GOAL)
        for there in ([old], [old, right(ONE, 2, part)], [right(ONE, 2, part)])
    ]
    assert [(step.do, step.name) for step in steps] == [(Do.UPLOAD, part), (Do.DELETE, ""), (Do.RENAME, "boot.iso")]


def test_what_is_left_of_a_failed_upload_goes_first() -> None:
    starter = Asset(id=1, name="boot.iso", size=0, whole=False)
    assert next_step(seen(OURS, assets={7: [starter]}), GOAL).do is Do.DELETE


@pytest.mark.parametrize(
    ("policy", "draft", "immutable", "reason"),
    [
        ("draft", False, False, "release_differs"),
        ("never", False, False, "release_differs"),
        ("never", True, False, "release_differs"),
        ("always", False, True, "release_immutable"),
        ("draft", False, True, "release_immutable"),
        ("always", False, False, ""),
        ("draft", True, False, ""),
    ],
)
def test_where_a_difference_is_replaced(policy: str, draft: bool, immutable: bool, reason: str) -> None:
    release = replace(OURS, draft=draft, immutable=immutable)
    old = Asset(id=1, name="boot.iso", size=9, sha256="9" * 64)
    state = seen(release, assets={7: [old, right(TWO, 2)]}, present=frozenset({1, 2}))
    step = next_step(state, replace(GOAL, replace=Replace(policy)))
    assert step.reason == reason


def test_too_many_assets() -> None:
    many = [Asset(id=number, name=f"x{number}", size=1) for number in range(999)]
    assert next_step(seen(OURS, assets={7: many}), GOAL).reason == "too_large"


def test_digests_are_read_where_the_forge_tells_none() -> None:
    unknown = replace(right(ONE, 1), sha256="")
    assert next_step(seen(OURS, assets={7: [unknown]}), GOAL).do is Do.DIGEST
    trusting = replace(GOAL, trust_size=True)
    assert next_step(seen(OURS, assets={7: [unknown]}), trusting).wanted == TWO


CONTENTS = ["1" * 64, "2" * 64, "8" * 64]
NAMES = ["boot.iso", "SHA256SUMS", "foreign.txt", names.part("boot.iso", "1" * 64), names.part("boot.iso", "8" * 64)]
SIZES = {"1" * 64: 3, "2" * 64: 5, "8" * 64: 3}
ASSETS = st.builds(
    lambda name, content, whole: (name, content, whole),
    st.sampled_from(NAMES),
    st.sampled_from(CONTENTS),
    st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ASSETS, max_size=6), st.booleans(), st.booleans())
def test_it_converges_from_any_draft(found: list[tuple[str, str, bool]], ours: bool, unique: bool) -> None:
    """Played against a forge with names that are unique, or not, as on Gitea."""
    kept = {item[0]: item for item in found}.values() if unique else found
    assets = [
        Asset(id=number, name=name, size=SIZES[content] if whole else 0, sha256=content, whole=whole)
        for number, (name, content, whole) in enumerate(kept, 1)
    ]
    foreign = [asset for asset in assets if asset.name == "foreign.txt"]
    release = replace(OURS if ours else FOREIGN, id=7)
    present = frozenset(asset.id for asset in assets)
    lost = False
    for _ in range(40):
        step = next_step(seen(release, assets={7: assets}, present=present), GOAL)
        if step.do in {Do.PUBLISH, Do.DONE}:
            break
        if step.do is Do.DELETE and step.asset and step.wanted and step.asset.whole:
            others = [item for item in assets if item != step.asset]
            named = any(
                item.name in {step.wanted.name, names.part(step.wanted.name, step.wanted.sha256)} for item in others
            )
            lost = lost or (step.asset.name == step.wanted.name and not named)
        assets = played(step, assets)
    else:
        raise AssertionError("it doesn't settle")
    assert not lost
    assert sorted(asset.name for asset in assets) == sorted(["boot.iso", "SHA256SUMS", *["foreign.txt"] * len(foreign)])
    assert all(asset in assets for asset in foreign)
    assert {asset.sha256 for asset in assets if asset.name == "boot.iso"} == {ONE.sha256}


def played(step: Step, assets: list[Asset]) -> list[Asset]:
    number = max((asset.id for asset in assets), default=0) + 1
    if step.do is Do.UPLOAD and step.wanted:
        return [*assets, right(step.wanted, number, step.name)]
    if step.do is Do.DELETE:
        return [asset for asset in assets if asset != step.asset]
    if step.do is Do.RENAME:
        return [replace(asset, name=step.name) if asset == step.asset else asset for asset in assets]
    raise AssertionError(step)


def test_the_marker_cannot_be_forged() -> None:
    evil = f"x\n{MARKER}\n"
    index = {"images": [{"architecture": evil, "locations": {evil: {"uri": evil}}}]}
    text = notes([ONE], commit=evil, index=index)
    assert text.splitlines().count(MARKER) == 1
    assert text.endswith(f"{MARKER}\n")
    assert notes([ONE], commit=COMMIT, own=evil).count(MARKER) == 1


def test_sums_are_ordered_by_bytes() -> None:
    made = sums([Wanted(name=name, size=1, sha256="0" * 64) for name in ("b", "A", "a", "_")])
    assert [line[66:] for line in made.decode().splitlines()] == ["A", "_", "a", "b"]
