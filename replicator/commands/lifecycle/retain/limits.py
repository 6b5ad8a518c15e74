"""Holds back what single sets would allow: groups of one release, the cap of a sweep, an approved plan. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.retain.decision import Decided, Decision, Plan, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Approved:
    """The images that a plan names, by (project, id)."""

    retire: frozenset[tuple[str, str]]
    purge: frozenset[tuple[str, str]]

    def covers(self, decided: Decided) -> bool:
        """Whether all that is to be done to a set is approved, each image by its id and for the same fate."""
        allowed = self.purge if decided.decision is Decision.PURGE else self.retire
        return all((image.ref.project, image.id) in allowed for image in decided.due)


class _Way(IntEnum):
    """How far a set has come on its way out; a set of a release waits for those that are behind."""

    STAYS = 0
    TO_RETIRE = 1
    RETIRED = 2
    TO_PURGE = 3


def _way(decided: Decided) -> _Way:
    if decided.decision is Decision.KEEP:
        retired = decided.reason is Reason.GRACE or (decided.reason is Reason.IN_USE and decided.until is not None)
        return _Way.RETIRED if retired else _Way.STAYS
    return _Way.TO_RETIRE if decided.decision is Decision.RETIRE else _Way.TO_PURGE


def grouped(judged: Iterable[Decided], label: str) -> tuple[Decided, ...]:
    """Keep each set of a release as long as another set of it is kept. Sets are of one release by the label's value."""
    decided = tuple(judged)
    groups: dict[str, list[Decided]] = defaultdict(list)
    for each in decided:
        for value in each.each.label(label) - {""}:
            groups[value].append(each)
    behind = {value: min(group, key=_way) for value, group in groups.items()}

    def held(each: Decided) -> Decided:
        if not each.due:
            return each
        others = [behind[value] for value in sorted(each.each.label(label) - {""})]
        last = min(others, key=_way, default=each)
        if _way(last) >= _way(each):
            return each
        return _kept(
            each, Reason.GROUP, f"{label} is that of {last.each.root.ref.name}, {last.reason or last.decision}"
        )

    return tuple(map(held, decided))


def limited(decided: Sequence[Decided], most: int, approved: Approved | None) -> Plan:
    """Cut what is due to the cap, oldest set first and each whole, then to what was approved."""
    final = {each.each.root.id: each for each in decided}
    oversized = []
    for kind in (Decision.RETIRE, Decision.PURGE):
        left = most
        due = sorted((each for each in decided if each.decision is kind), key=lambda each: each.each.age)
        for each in due:
            if len(each.due) > left:
                if len(each.due) > most:
                    oversized.append(each)
                # Nothing that comes later goes either, so that a smaller cap does a part of what a larger one does.
                left = 0
                final[each.each.root.id] = _kept(each, Reason.CAP, f"{len(each.due)} images, cap {most}")
            else:
                left -= len(each.due)
                if approved and not approved.covers(each):
                    final[each.each.root.id] = _kept(each, Reason.NOT_APPROVED, f"would be {kind}d")
    sets = tuple(final[each.each.root.id] for each in decided)
    oldest = sorted(sets, key=lambda each: each.each.age)
    return Plan(
        sets=sets,
        retire=tuple(each for each in oldest if each.decision is Decision.RETIRE),
        purge=tuple(each for each in oldest if each.decision is Decision.PURGE),
        oversized=tuple(oversized),
    )


def _kept(each: Decided, reason: Reason, detail: str) -> Decided:
    until = each.until if each.decision is Decision.PURGE else None
    return replace(each, decision=Decision.KEEP, reason=reason, detail=detail, until=until, retirements=(), purges=())
