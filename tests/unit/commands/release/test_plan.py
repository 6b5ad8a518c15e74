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
    is_right,
    next_step,
)

COMMIT = "a" * 40
ONE = Wanted(name="boot.iso", size=3, sha256="1" * 64)
TWO = Wanted(name="SHA256SUMS", size=5, sha256="2" * 64)
GOAL = Goal(tag="boot-v7", commit=COMMIT, assets=[ONE, TWO], replace=Replace.DRAFT, publish=True, trust_size=False)
OURS = Release(
    id=7, tag="boot-v7", draft=True, notes=f"x\n{MARKER}\n", title="", immutable=False, url="", upload_url=""
)
FOREIGN = replace(OURS, id=3, notes="by hand")
PUBLISHED = replace(OURS, draft=False)
PART = names.part("boot.iso", ONE.sha256)


def asset(number: int, name: str, size: int = 9, sha256: str = "9" * 64, *, whole: bool = True) -> Asset:
    return Asset(id=number, name=name, size=size, sha256=sha256, whole=whole, url="", uuid="")


def right(item: Wanted, number: int, name: str = "") -> Asset:
    return asset(number, name or item.name, item.size, item.sha256)


def seen(*releases: Release, assets: dict[int, list[Asset]] | None = None, **more: object) -> Seen:
    return Seen(commit=COMMIT, releases=releases, assets=assets or {}, **more)  # type: ignore[arg-type]


def on(release: Release, *assets: Asset, present: object = None, **goal: object) -> Step:
    """The next step on a release that holds these; all were there before this run, but for what is said."""
    before = frozenset(item.id for item in assets) if present is None else present
    return next_step(seen(release, assets={release.id: [*assets]}, present=before), replace(GOAL, **goal))  # type: ignore[arg-type]


def test_the_tag_comes_before_the_draft() -> None:
    assert next_step(replace(seen(), commit=""), GOAL).do is Do.CREATE_TAG
    assert next_step(seen(), GOAL).do is Do.CREATE_DRAFT


class TestTheRelease:
    """Which of a tag's releases is worked on."""

    def test_a_tag_elsewhere_stops_everything(self) -> None:
        step = next_step(replace(seen(OURS), commit="b" * 40), GOAL)
        assert (step.do, step.reason) == (Do.REFUSE, "tag_elsewhere")
        assert step.what == f"The tag boot-v7 is at commit {'b' * 40}, not at {COMMIT}"

    def test_a_published_release_without_its_tag_is_left_alone(self) -> None:
        step = next_step(replace(seen(PUBLISHED), commit=""), GOAL)
        assert (step.do, step.reason) == (Do.REFUSE, "tag_elsewhere")
        assert step.what == "A release of boot-v7 is published, but there is no such tag"
        assert next_step(replace(seen(OURS), commit=""), GOAL).do is Do.CREATE_TAG

    def test_the_draft_that_is_ours_is_taken_before_an_older_one(self) -> None:
        assert choose(seen(FOREIGN, OURS)).release == OURS
        assert choose(seen(FOREIGN, replace(FOREIGN, id=2))).release == replace(FOREIGN, id=2)

    def test_a_published_one_is_taken_before_any_draft_and_stays(self) -> None:
        later = replace(PUBLISHED, id=9)
        choice = choose(seen(OURS, later, replace(PUBLISHED, id=8), made=frozenset({8, 9})))
        assert choice.release == replace(PUBLISHED, id=8)
        assert choice.redundant is None

    def test_several_foreign_drafts_with_assets_are_ambiguous(self) -> None:
        other = replace(FOREIGN, id=4)
        step = next_step(seen(FOREIGN, other, assets={3: [right(ONE, 1)], 4: [right(ONE, 2)]}), GOAL)
        assert (step.do, step.reason) == (Do.REFUSE, "ambiguous")
        assert step.what == "Several drafts of the tag boot-v7 hold assets, and none of them is ours: 3, 4"

    def test_only_our_own_empty_draft_is_deleted(self) -> None:
        newer = replace(OURS, id=9)
        assert next_step(seen(OURS, newer, made=frozenset({9})), GOAL) == Step(do=Do.DELETE_DRAFT, release=newer)
        assert next_step(seen(OURS, newer), GOAL).do is Do.UPLOAD
        assert next_step(seen(OURS, made=frozenset({7})), GOAL).do is Do.UPLOAD
        filled = seen(OURS, newer, assets={9: [right(ONE, 1)], 7: [right(ONE, 2)]}, made=frozenset({9}))
        assert next_step(filled, GOAL).do is Do.UPLOAD


class TestOneAsset:
    """What is done about an asset that isn't there as wanted; the first of a name is what forges serve."""

    def test_it_is_missing(self) -> None:
        assert on(OURS) == Step(do=Do.UPLOAD, release=OURS, wanted=ONE, name="boot.iso")
        assert on(OURS, right(ONE, 1)) == Step(do=Do.UPLOAD, release=OURS, wanted=TWO, name="SHA256SUMS")

    def test_an_old_asset_goes_only_when_the_new_one_is_there(self) -> None:
        old, spare, newer = asset(1, "boot.iso"), right(ONE, 2, PART), right(ONE, 3, PART)
        assert on(OURS, old) == Step(do=Do.UPLOAD, release=OURS, wanted=ONE, name=PART)
        delete = Step(do=Do.DELETE, release=OURS, asset=old, wanted=ONE)
        assert on(OURS, old, spare) == delete
        assert on(OURS, old, asset(4, "boot.iso"), spare) == delete
        assert on(OURS, old, right(ONE, 5)) == delete
        rename = Step(do=Do.RENAME, release=OURS, asset=spare, wanted=ONE, name="boot.iso")
        assert on(OURS, newer, spare) == rename

    def test_a_spare_that_is_wrong_goes_before_the_next_upload(self) -> None:
        old, spoiled = asset(1, "boot.iso"), asset(2, PART)
        assert on(OURS, old, asset(3, PART), spoiled) == Step(do=Do.DELETE, release=OURS, asset=spoiled)

    @pytest.mark.parametrize("name", ["boot.iso", PART])
    def test_what_is_left_of_a_failed_upload_goes_first(self, name: str) -> None:
        starter = asset(1, name, ONE.size, ONE.sha256, whole=False)
        assert on(OURS, starter) == Step(do=Do.DELETE, release=OURS, asset=starter)

    @pytest.mark.parametrize("name", ["boot.iso", PART])
    def test_digests_are_read_where_the_forge_tells_none(self, name: str) -> None:
        unknown = asset(1, name, ONE.size, "")
        for release in (OURS, PUBLISHED, replace(PUBLISHED, immutable=True)):
            assert on(release, unknown) == Step(do=Do.DIGEST, release=release, asset=unknown)

    def test_no_digest_is_read_where_it_decides_nothing(self) -> None:
        assert on(OURS, asset(1, "boot.iso", ONE.size + 1, "")).name == PART
        assert on(OURS, asset(1, "boot.iso", ONE.size, ""), trust_size=True).wanted == TWO
        # The size alone is believed where there is no digest, and never against one.
        assert on(OURS, asset(1, "boot.iso", ONE.size), trust_size=True).name == PART
        assert on(OURS, asset(1, "boot.iso", ONE.size + 1, ONE.sha256)).name == PART

    def test_what_counts_as_right(self) -> None:
        """Also in the table of results, which is made of whatever was read last."""
        unknown = asset(1, "boot.iso", ONE.size, "")
        assert is_right(right(ONE, 1), ONE, GOAL)
        assert not is_right(replace(right(ONE, 1), whole=False), ONE, GOAL)
        assert not is_right(unknown, ONE, GOAL)
        assert is_right(unknown, ONE, replace(GOAL, trust_size=True))

    def test_all_is_right(self) -> None:
        whole = [right(ONE, 1), right(TWO, 2), asset(3, "foreign.txt")]
        assert on(OURS, *whole) == Step(do=Do.PUBLISH, release=OURS)
        assert on(OURS, *whole, publish=False) == Step(do=Do.DONE, release=OURS)
        assert on(PUBLISHED, *whole) == Step(do=Do.DONE, release=PUBLISHED)

    @pytest.mark.parametrize("kept", [998, 999])
    def test_githubs_limit(self, kept: int) -> None:
        many = [asset(number, f"x{number}") for number in range(kept)]
        for more in ([], [right(ONE, 5000), right(TWO, 5001)]):
            step = on(OURS, *many, *more)
            if kept == 998:
                assert step.do is not Do.REFUSE
            else:
                assert (step.do, step.reason) == (Do.REFUSE, "too_large")
                assert step.what == "The release would hold 1001 assets, of 1000 at most"


class TestLeftovers:
    """What shares the name of a right asset, or was uploaded to replace it: Gitea keeps each that it was sent."""

    TWICE = (right(ONE, 1), right(ONE, 3))
    OTHER = asset(3, "boot.iso")
    STALE = asset(3, names.part("boot.iso", "8" * 64))

    @pytest.mark.parametrize("left", [TWICE[1], OTHER, STALE])
    @pytest.mark.parametrize("release", [OURS, PUBLISHED])
    def test_they_go_from_what_may_be_changed(self, release: Release, left: Asset) -> None:
        step = Step(do=Do.DELETE, release=release, asset=left)
        assert on(release, self.TWICE[0], left, replace=Replace.ALWAYS) == step
        # Readers are served the right one: a published release isn't changed, and isn't wrong either.
        calm = on(PUBLISHED, self.TWICE[0], left, right(TWO, 9), present=frozenset({1}))
        assert calm == Step(do=Do.DONE, release=PUBLISHED)
        fixed = replace(PUBLISHED, immutable=True)
        assert on(fixed, self.TWICE[0], left, right(TWO, 9), replace=Replace.ALWAYS).do is Do.DONE

    def test_never_means_not_what_a_person_put_there(self) -> None:
        """But what this run uploaded twice, and what was to replace something, goes."""
        for left, before, goes in (
            (self.OTHER, {1, 3}, False),
            (self.OTHER, {1}, True),
            (self.TWICE[1], {1, 3}, True),
            (self.STALE, {1, 3}, True),
        ):
            step = on(OURS, self.TWICE[0], left, present=frozenset(before), replace=Replace.NEVER)
            assert (step.asset == left, step.wanted == TWO) == (goes, not goes)

    def test_another_assets_are_its_own(self) -> None:
        foreign = asset(3, names.part("other.iso", "8" * 64))
        assert on(OURS, right(ONE, 1), right(TWO, 2), foreign).do is Do.PUBLISH


LACKING, DIFFERENT = (), (asset(1, "boot.iso"),)
READY, HALF = (asset(1, "boot.iso"), right(ONE, 2, PART)), (right(ONE, 2, PART),)


@pytest.mark.parametrize(
    ("release", "policy", "assets", "told"),
    [
        (PUBLISHED, "draft", DIFFERENT, "published release of boot-v7 holds another file than ours as boot.iso, and replace is draft"),
        (PUBLISHED, "never", READY, "published release of boot-v7 holds another file than ours as boot.iso, and replace is never"),
        (PUBLISHED, "draft", LACKING, "published release of boot-v7 lacks boot.iso, and replace is draft"),
        (PUBLISHED, "draft", HALF, "published release of boot-v7 lacks boot.iso, and replace is draft"),
        (OURS, "never", DIFFERENT, "draft of boot-v7 holds another file than ours as boot.iso, and replace is never"),
        (replace(PUBLISHED, immutable=True), "always", DIFFERENT, "published release of boot-v7 holds another file than ours as boot.iso, and is immutable"),
        (replace(PUBLISHED, immutable=True), "draft", LACKING, "published release of boot-v7 lacks boot.iso, and is immutable"),
        (PUBLISHED, "always", DIFFERENT, ""),
        (PUBLISHED, "always", LACKING, ""),
        (OURS, "draft", DIFFERENT, ""),
        (OURS, "never", LACKING, ""),
    ],
)  # fmt: skip
def test_where_a_difference_is_replaced(release: Release, policy: str, assets: tuple[Asset, ...], told: str) -> None:
    step = on(release, *assets, replace=Replace(policy))
    assert (step.do is Do.REFUSE) == bool(told)
    assert step.what == (f"The {told}" if told else "")
    reason = "release_immutable" if release.immutable else "release_differs"
    assert step.reason == (reason if told else "")


def test_the_steps_in_words() -> None:
    """As dry runs and logs say them, each after "to"."""
    steps = [
        next_step(replace(seen(), commit=""), GOAL),
        next_step(seen(), GOAL),
        next_step(seen(OURS, replace(OURS, id=9), made=frozenset({9})), GOAL),
        on(OURS, asset(1, "boot.iso", ONE.size, "")),
        on(OURS),
        on(OURS, *READY),
        on(OURS, *HALF),
        on(OURS, right(ONE, 1), right(TWO, 2)),
    ]
    assert [f"{step.do} {step.name}".rstrip() for step in steps] == [
        "create the tag",
        "create the draft",
        "delete our own empty draft",
        "read an asset back",
        "upload boot.iso",
        "delete",
        "rename boot.iso",
        "publish",
    ]


def test_only_the_same_step_counts_as_tried_before() -> None:
    first, second = asset(1, "boot.iso", 0, "", whole=False), asset(2, "boot.iso", 0, "", whole=False)
    other = [
        on(OURS, first),
        on(OURS, second),
        on(OURS),
        on(OURS, right(ONE, 1)),
        on(OURS, asset(1, "boot.iso", 3, "")),
    ]
    assert len({step.key for step in other}) == len(other)
    assert on(OURS, first).key == on(OURS, first, right(TWO, 5)).key
    # A forge may tell more of an asset the next time.
    spare = Step(do=Do.DELETE, release=OURS, asset=asset(4, PART, sha256=""))
    assert spare.key == replace(spare, asset=asset(4, PART)).key


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
        asset(number, name, SIZES[content] if whole else 0, content, whole=whole)
        for number, (name, content, whole) in enumerate(kept, 1)
    ]
    foreign = [item for item in assets if item.name == "foreign.txt"]
    release = replace(OURS if ours else FOREIGN, id=7)
    present = frozenset(item.id for item in assets)
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
    assert sorted(item.name for item in assets) == sorted(["boot.iso", "SHA256SUMS", *["foreign.txt"] * len(foreign)])
    assert all(item in assets for item in foreign)
    assert {item.sha256 for item in assets if item.name == "boot.iso"} == {ONE.sha256}


def played(step: Step, assets: list[Asset]) -> list[Asset]:
    number = max((item.id for item in assets), default=0) + 1
    if step.do is Do.UPLOAD and step.wanted:
        return [*assets, right(step.wanted, number, step.name)]
    if step.do is Do.DELETE:
        return [item for item in assets if item != step.asset]
    if step.do is Do.RENAME:
        return [replace(item, name=step.name) if item == step.asset else item for item in assets]
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
