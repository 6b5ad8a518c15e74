"""What holds of every decision, whatever the world: I1 to I9 of the lifecycle's design."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.commands.lifecycle import dates, releases
from replicator.commands.lifecycle.retain.decision import Decision, Plan, Reason
from replicator.commands.lifecycle.retain.limits import Approved
from replicator.commands.lifecycle.retain.policy import Rules
from testkit.lifecycle.retention import SCOPE, Seen, heads, image, worlds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.core.images import Image

EXAMPLES = settings(max_examples=40, deadline=None)


def due(plan: Plan) -> set[str]:
    return {image.id for decided in (*plan.retire, *plan.purge) for image in decided.due}


def purged(plan: Plan) -> set[str]:
    return {image.id for decided in plan.purge for image in decided.due}


def uncapped(seen: Seen) -> Seen:
    return replace(seen, policy=replace(seen.policy, max_deletions=10**6))


@EXAMPLES
@given(worlds(), st.data())
def test_no_head_is_touched(seen: Seen, data: st.DataObject) -> None:
    """I1, I2: neither by what was asked, which may differ from the list, nor by computation; no family is emptied."""
    asked = data.draw(st.sampled_from(seen.images))
    seen = replace(seen, more_heads={("p1", data.draw(st.sampled_from(["web", "web-eu", "other"]))): asked})
    plan = seen.plan()
    resolved = heads(seen.images)
    assert not due(plan) & ({head.id for head in resolved.values() if head} | {asked.id})
    left = heads(seen.after(plan).images)
    assert {family: left.get(family) for family, head in resolved.items() if head} == {
        family: head for family, head in resolved.items() if head
    }


def standing(images: Iterable[Image]) -> dict[tuple[str, str], int]:
    """How many sets each line and each family has."""
    counted: dict[tuple[str, str], int] = defaultdict(int)
    for each in releases.grouped(SCOPE, images).sets:
        for family in (("", each.line), *releases.families_of(each)):
            counted[family] += 1
    return counted


@EXAMPLES
@given(worlds())
def test_the_keep_count_stands_after_any_number_of_sweeps(seen: Seen) -> None:
    """I3, of every line and of every family."""
    before = standing(seen.images)
    for days in (10, 100, 1000):
        seen = seen.after(seen.plan(), days=days)
    after = standing(seen.images)
    for (project, family), count in before.items():
        line = max((line for line in SCOPE.families if family.startswith(line)), key=len, default="")
        keeps = [seen.policy.lines[line].keep] if line else [rules.keep for rules in seen.policy.lines.values()]
        assert after[project, family] >= min(count, *keeps)


@EXAMPLES
@given(worlds())
def test_what_is_held_or_foreign_is_in_no_action(seen: Seen) -> None:
    """I4, I9: hold, strangers, sourceless, other families and projects."""
    plan, world = seen.plan(), releases.grouped(SCOPE, seen.images)
    members = {image.id: each for each in world.sets for image in each.members}
    assert due(plan) <= set(members)
    for identity in due(plan):
        assert not members[identity].is_marked("hold")
    assert not due(plan) & {stranger.id for _, stranger in world.strangers}
    assert not {name for name in due(plan) if "db-v1" in name or "test-" in name or "orphan" in name or "p9." in name}


@EXAMPLES
@given(worlds())
def test_only_what_is_retired_is_deleted_whole_and_in_order(seen: Seen) -> None:
    """I5, I6: every member deprecated, with a date that has passed; children before parents, the source last."""
    plan = seen.plan()
    by_id = {each.id: each for each in seen.images}
    for decided in plan.purge:
        each = decided.each
        assert not decided.retirements
        assert {image.id for image in decided.purges} == {image.id for image in each.members}
        assert len(decided.purges) == len(each.members)
        assert decided.purges[-1] == each.root
        for member in decided.purges:
            date = dates.latest(member.deleted)
            assert member.deprecated
            assert date is not None
            assert date <= seen.now
        gone: set[str] = set()
        for member in decided.purges:
            parent = by_id.get(member.source_image_id)
            while parent:
                assert parent.id not in gone
                parent = by_id.get(parent.source_image_id)
            gone.add(member.id)
    for decided in plan.retire:
        assert not decided.purges
        for retirement in decided.retirements:
            date = dates.latest(retirement.deleted)
            assert date is not None
            assert date >= seen.now + seen.policy.grace
        assert decided.until is not None
        assert decided.until >= seen.now + seen.policy.grace


@EXAMPLES
@given(worlds(), st.data())
def test_more_protection_never_deletes_more(seen: Seen, data: st.DataObject) -> None:
    """I7: hold and critical labels, later dates, more heads, more templates, a larger keep, more days."""
    seen = uncapped(seen)
    chosen = data.draw(st.sampled_from(seen.images))
    way = data.draw(st.sampled_from(["hold", "critical", "date", "head", "template", "keep", "days", "grace"]))
    more = seen
    if way in {"hold", "critical"}:
        changed = replace(chosen, labels={**chosen.labels, way: "true"})
        more = replace(seen, images=tuple(changed if each is chosen else each for each in seen.images))
    elif way == "date":
        changed = replace(chosen, deleted="2027-06-01T00:00:00Z")
        more = replace(seen, images=tuple(changed if each is chosen else each for each in seen.images))
    elif way == "head":
        more = replace(seen, more_heads={("p1", "another"): chosen})
    elif way == "template":
        more = replace(seen, uses={**(seen.uses or {}), chosen.id: "template u"})
    else:
        field = {"keep": "keep", "days": "routine_days", "grace": ""}[way]
        lines = {
            line: replace(rules, **{field: getattr(rules, field) + 1}) if field else rules
            for line, rules in seen.policy.lines.items()
        }
        more = replace(seen, policy=replace(seen.policy, lines=lines, grace_days=seen.policy.grace_days + (not field)))
    assert purged(more.plan()) <= purged(seen.plan())


@EXAMPLES
@given(worlds(), st.integers(1, 30))
def test_a_smaller_cap_does_a_part(seen: Seen, most: int) -> None:
    """The cap counts images, cuts no set in two, and what it leaves is the oldest first."""
    everything = uncapped(seen).plan()
    capped = replace(seen, policy=replace(seen.policy, max_deletions=most)).plan()
    assert capped.purge == everything.purge[: len(capped.purge)]
    assert capped.retire == everything.retire[: len(capped.retire)]
    for done in (capped.purge, capped.retire):
        assert sum(len(decided.due) for decided in done) <= most


@EXAMPLES
@given(worlds(), st.randoms())
def test_sweeping_again_at_once_does_nothing_more(seen: Seen, random: object) -> None:
    """I8, and the order of what was read is irrelevant."""
    plan = seen.plan()
    shuffled = list(seen.images)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert replace(seen, images=tuple(shuffled)).plan() == plan
    again = uncapped(seen)
    assert due(again.after(again.plan()).plan()) == set()


@EXAMPLES
@given(worlds(), worlds())
def test_only_what_was_approved_is_done(planned: Seen, later: Seen) -> None:
    """A12, pure: what is done is in the plan, for the same fate, and due."""
    plan = planned.plan()
    approved = Approved(
        retire=frozenset(("p1", image.id) for decided in plan.retire for image in decided.due),
        purge=frozenset(("p1", image.id) for decided in plan.purge for image in decided.due),
    )
    for seen in (planned, later):
        free, bound = seen.plan(), seen.plan(approved)
        assert purged(bound) <= purged(free) & {identity for _, identity in approved.purge}
        assert due(bound) - purged(bound) <= (due(free) - purged(free)) & {identity for _, identity in approved.retire}
        for before, after in zip(free.sets, bound.sets, strict=True):
            if before != after:
                assert after.reason is Reason.NOT_APPROVED
                assert after.decision is Decision.KEEP
    assert planned.plan(approved) == plan


def test_the_chain_of_a_member_may_lead_through_a_stranger() -> None:
    """The stranger stays, so what was copied from it must go before what it was copied from, or belong to nobody."""
    old: dict[str, Any] = {"age": 300, "deprecated": "DEPRECATED", "deleted": "2026-11-01T00:00:00Z"}
    root = image("web-v1", family="web", **old)
    first = image("web-v1-asia", parent=root, storage_locations=("asia",), family="web-asia", **old)
    stranger = image("somebodys", parent=first, age=290)
    last = image("web-v1-eu", parent=stranger, storage_locations=("eu",), family="web-eu", **old)
    newer = [image(f"web-v{number}", family="web", age=100 - number) for number in (2, 3, 4)]
    others = [
        image(f"web-v{number}-{place}", parent=each, family=f"web-{place}", age=50 - number, storage_locations=(place,))
        for number, each in enumerate(newer, 2)
        for place in ("eu", "asia")
    ]
    seen = Seen(images=(root, first, stranger, last, *newer, *others))
    (decided,) = seen.plan().purge
    assert [each.ref.name for each in decided.purges] == ["web-v1-eu", "web-v1-asia", "web-v1"]


def test_rules_of_one_line_do_not_touch_another() -> None:
    seen = Seen(
        images=tuple(image(f"web-arm64-v{number}", family="web-arm64", age=200 - number) for number in range(4))
    )
    lines = {"web": Rules(routine_days=0, keep=1), "web-arm64": Rules(routine_days=500)}
    assert due(replace(seen, policy=replace(seen.policy, lines=lines)).plan()) == set()
    assert due(seen.plan()) == {"p1.web-arm64-v0", "p1.web-arm64-v1"}
