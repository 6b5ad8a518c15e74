"""How images become sets, and what their status is; dates as anybody writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.commands.lifecycle import dates, releases
from replicator.commands.lifecycle.lines import Scope, Shared
from replicator.commands.lifecycle.releases import ReplicaSet, Status
from replicator.core import names
from replicator.replicas.settings import Settings
from testkit.lifecycle import retention

if TYPE_CHECKING:
    from replicator.core.images import Image

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SCOPE = Scope.of("p1", ["web", "web-arm64"], Settings())
PLACES = ("us", "eu", "asia", "us-west1", "europe-west1")


def image(name: str, *, day: float = 0, **more: Any) -> Image:
    """An image made on a day, of which NOW is the hundredth."""
    return retention.image(name, created=NOW - timedelta(days=100 - day), **more)


@st.composite
def worlds(draw: st.DrawFn) -> list[Image]:
    """Releases of two lines with copies of copies, and beside them strangers, orphans and images of others."""
    found: list[Image] = []
    for number in range(draw(st.integers(1, 5))):
        line = draw(st.sampled_from(SCOPE.families))
        state = draw(st.sampled_from(["", "DEPRECATED", "OBSOLETE"]))
        root = image(f"{line}-v{number}", day=number, family=draw(st.sampled_from([line, ""])), deprecated=state)
        family = [root]
        for place in draw(st.lists(st.sampled_from(PLACES), unique=True)):
            own = draw(st.sampled_from(["", f"{line}-{place}"]))
            parent = draw(st.sampled_from(family))
            status = draw(st.sampled_from(["READY", "READY", "PENDING", "FAILED"]))
            day = number + draw(st.floats(0, 3))
            name = f"{root.ref.name}-{place}"
            wanted = {"storage_locations": (place,), "family": own, "status": status, "day": day}
            family.append(image(name, parent=parent, **wanted))  # type: ignore[arg-type]
        if draw(st.booleans()):
            family.append(image(f"test-{number}", parent=draw(st.sampled_from(family)), family=f"{line}-eu"))
        found += family
    others = [image("db-v1", family="db"), image("web-v9", project="p9", family="web", day=50)]
    return [*found, *others]


def heads(found: list[Image]) -> dict[tuple[str, str], str | None]:
    """What each family resolves to, as Compute Engine documents it."""
    usable = [each for each in found if each.status == "READY" and not each.deprecated and each.family]
    return {(each.ref.project, each.family): each.id for each in sorted(usable, key=lambda each: each.created)}


@settings(max_examples=60)
@given(worlds(), st.randoms())
def test_every_image_is_in_one_place_at_most(found: list[Image], random: object) -> None:
    """A set holds its source, and copies by lineage, name and place; the order of the lists is irrelevant."""
    world = releases.grouped(SCOPE, found)
    placed = [member.id for each in world.sets for member in each.members]
    placed += [stranger.id for _, stranger in world.strangers]
    assert len(placed) == len(set(placed))
    by_id = {each.id: each for each in found}
    for each in world.sets:
        assert each.line in SCOPE.families
        assert each.root.ref.project == "p1"
        for copy in each.copies:
            assert copy.ref.name == names.make("{name}-{location}", each.root.ref.name, location=copy.home)
            parent = by_id[copy.source_image_id]
            assert parent.id == each.root.id or parent in each.copies
    assert not {"p1.db-v1", "p9.web-v9"} & set(placed)
    assert not [name for name in placed if name.startswith("p1.test-") and name in _members(world.sets)]
    random.shuffle(found)  # type: ignore[attr-defined]
    assert releases.grouped(SCOPE, found) == world


def _members(sets: tuple[ReplicaSet, ...]) -> set[str]:
    return {member.id for each in sets for member in each.members}


@settings(max_examples=60)
@given(worlds())
def test_statuses_say_what_families_resolve_to(found: list[Image]) -> None:
    """What leads no family is never called the default; what is called withdrawn or retired is deprecated, whole."""
    resolved = heads(found)
    world = releases.grouped(SCOPE, found)
    for line in SCOPE.families:
        sets = world.of_line(line)
        assert list(sets) == sorted(sets, key=lambda each: each.age, reverse=True)
        statuses = releases.statuses(sets, resolved, NOW)
        for each in sets:
            status, members = statuses[each.root.id], {member.id for member in each.members}
            leads = members & set(resolved.values())
            if status in {Status.DEFAULT, Status.PARTLY_DEFAULT}:
                assert leads
            if status in {Status.WITHDRAWN, Status.RETIRED, Status.DEPRECATED}:
                assert all(member.deprecated for member in each.members)
                assert not leads
            if status is Status.WITHDRAWN:
                assert {Status.DEFAULT, Status.PARTLY_DEFAULT} & set(statuses.values())
            if any(copy.id in leads for copy in each.copies):
                assert status in {Status.DEFAULT, Status.PARTLY_DEFAULT}


def test_only_the_whole_set_has_a_date() -> None:
    root = image("web-v1", family="web", deprecated="DEPRECATED", deleted="2026-12-05")
    copy = image("web-v1-eu", parent=root, storage_locations=("eu",), deprecated="DEPRECATED", deleted="2027-01-01Z")
    dated = image("web-v1-eu", parent=root, storage_locations=("eu",), deprecated="DEPRECATED", deleted="2027-01-01")
    assert releases.until(ReplicaSet(line="web", root=root, copies=(copy,))) is None
    assert releases.until(ReplicaSet(line="web", root=root, copies=(dated,))) == datetime(2027, 1, 2, 12, tzinfo=UTC)


def test_a_name_that_was_cut_and_a_home_copy() -> None:
    root = image("w" * 63, family="web")
    long = names.make("{name}-{location}", root.ref.name, location="us")
    (each,) = releases.grouped(SCOPE, [root, image(long, parent=root)]).sets
    assert [copy.ref.name for copy in each.copies] == [long]


def test_a_source_without_family_is_known_by_its_copies() -> None:
    root = image("golden-v1")
    copy = image("golden-v1-eu", parent=root, storage_locations=("eu",), family="web-arm64-eu")
    other = image("golden-v2", family="golden")
    world = releases.grouped(SCOPE, [root, copy, other, image("golden-v2-eu", parent=other, family="web-eu")])
    assert [(each.line, each.root.ref.name) for each in world.sets] == [("web-arm64", "golden-v1")]


def test_lines_that_share_a_family_are_refused() -> None:
    with pytest.raises(Shared, match="give their replicas the same family"):
        Scope.of("p1", ["web", "web-arm64"], Settings(family_template="all-{location}"))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-12-05T19:28:07", "2026-12-06T07:28:07+00:00"),
        ("2026-12-05", "2026-12-06T12:00:00+00:00"),
        ("2026-12-05T00:00:00.000-00:00", "2026-12-05T00:00:00+00:00"),
        ("2026-12-05T00:00:00Z", "2026-12-05T00:00:00+00:00"),
        ("2026-12-05T00:00:00+02:00", "2026-12-04T22:00:00+00:00"),
        ("soon", None),
        ("", None),
        ("9999-12-31", None),
        ("05.12.2026", None),
    ],
)
def test_dates(text: str, read: str | None) -> None:
    found = dates.latest(text)
    assert (found and found.isoformat()) == read


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = dates.latest(text)
    assert found is None or found.tzinfo is UTC
