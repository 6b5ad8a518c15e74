"""Says which calls a rollback needs and in which order, so that no family ever rests on a third image. Pure.

A family resolves to its newest image that is READY and not deprecated. The images of newer releases are marked
DEPRECATED oldest first and the head of the family last, so the family goes over to the target's image by one call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.turn.leading import DEAD, Refused, age, can_lead, family_of, wrong

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from replicator.commands.lifecycle.releases import ReplicaSet
    from replicator.commands.lifecycle.turn.leading import Family
    from replicator.core.images import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One line, and the release that its families are to resolve to."""

    target: ReplicaSet
    newer: tuple[ReplicaSet, ...]
    """The sets of the line that are newer than the target."""
    only: frozenset[str] = frozenset()
    """The locations whose families are turned; empty for all."""
    named: bool = False
    """Whether somebody named the target: then its images that are deprecated are made ACTIVE in any family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is to become of one family."""

    family: Family
    line: str
    before: Image | None
    """What it resolves to now."""
    wanted: Image | None
    """What it is to resolve to; the same where nothing is to be done, or can be."""
    withdrawn: tuple[Image, ...] = ()
    """The images to mark DEPRECATED one after the other, the family's head last."""

    @property
    def moves(self) -> bool:
        """Whether the family goes over to another image."""
        return self.wanted is not None and (self.before is None or self.before.id != self.wanted.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turning:
    """All that a rollback does, in this order: `cleared`, `sources`, then the turns side by side."""

    turns: tuple[Turn, ...]
    cleared: tuple[Image, ...] = ()
    """Images of the target that are made ACTIVE again, before anything is withdrawn."""
    sources: tuple[tuple[Image, Image], ...] = ()
    """Sources without a family, and what replaces them: a deprecated source is never promoted again by a rerun."""
    refused: tuple[Refused, ...] = ()

    @property
    def changes(self) -> int:
        """How many images change."""
        return len(self.cleared) + len(self.sources) + sum(len(turn.withdrawn) for turn in self.turns)

    @property
    def withdrawn(self) -> tuple[Image, ...]:
        """Every image that is marked DEPRECATED."""
        return (*(source for source, _ in self.sources), *(image for turn in self.turns for image in turn.withdrawn))

    def without(self, done: Collection[str]) -> Turning:
        """What is left of it where the images with these ids are to be left alone."""
        turns = [
            replace(turn, withdrawn=tuple(image for image in turn.withdrawn if image.id not in done))
            for turn in self.turns
        ]
        return Turning(
            turns=tuple(turn for turn in turns if turn.withdrawn),
            cleared=tuple(image for image in self.cleared if image.id not in done),
            sources=tuple((source, instead) for source, instead in self.sources if source.id not in done),
        )


def plan(goals: Iterable[Goal], images: Iterable[Image], heads: Mapping[Family, Image | None]) -> Turning:
    """Say what brings the families to the goals. `images` are all in scope."""
    carrying: dict[Family, list[Image]] = {}
    for image in images:
        if image.family and can_lead(image):
            carrying.setdefault(family_of(image), []).append(image)
    turns: list[Turn] = []
    refused: list[Refused] = []
    cleared: list[Image] = []
    sources: list[tuple[Image, Image]] = []
    for goal in goals:
        for family in _families(goal):
            turn, problem = _turn(goal, family, carrying.get(family, ()), heads.get(family))
            turns.append(turn)
            refused += [problem] if problem else []
            cleared += _cleared(goal, turn)
        sources += _sources(goal)
        root = goal.target.root
        if root.deprecated and not root.family and not goal.only and goal.named:
            cleared.append(root)
    return Turning(turns=tuple(turns), cleared=tuple(cleared), sources=tuple(sources), refused=tuple(refused))


def _chosen(goal: Goal, each: ReplicaSet) -> Iterator[Image]:
    """The members whose families are asked for."""
    for image in each.members:
        if image.family and (not goal.only or goal.only.intersection(image.storage_locations)):
            yield image


def _families(goal: Goal) -> list[Family]:
    """The families that the target carries, or that something newer leads or may lead."""
    carried = {family_of(image) for image in _chosen(goal, goal.target)}
    carried |= {family_of(image) for each in goal.newer for image in _chosen(goal, each) if can_lead(image)}
    return sorted(carried)


def _newer(goal: Goal, family: Family) -> list[Image]:
    """The images of newer releases that lead the family, or may."""
    members = (image for each in goal.newer for image in each.members)
    return sorted((image for image in members if family_of(image) == family and can_lead(image)), key=age)


def _turn(goal: Goal, family: Family, carrying: Sequence[Image], before: Image | None) -> tuple[Turn, Refused | None]:
    """What is to become of one family, and why it can't be."""
    line = goal.target.line
    newer = _newer(goal, family)
    own = sorted((image for image in goal.target.members if family_of(image) == family), key=age, reverse=True)
    still = Turn(family=family, line=line, before=before, wanted=before)
    if not newer and not (goal.named and any(image.deprecated for image in own)):
        # Nothing newer of the line leads it, so it has nothing to go back from: what does lead it is not ours to judge.
        return still, None
    lead = next((image for image in own if image.status not in DEAD), None)
    if problem := _unfit(goal, lead, own):
        if before is None and not own:
            # It resolves to nothing, but a newer image that is not READY yet would lead it.
            return Turn(family=family, line=line, before=None, wanted=None, withdrawn=tuple(newer)), None
        return replace(still, wanted=None), Refused("no_fallback", family, line, problem)
    known = {image.id for image in [*newer, *own]}
    others = [image for image in carrying if image.id not in known and (lead is None or image.created >= lead.created)]
    if others:
        said = f"{max(others, key=age).ref} is newer than its image there, {lead and lead.ref}, and of no newer release"
        return replace(still, wanted=lead), Refused("head_is_other", family, line, said)
    last = before.id if before else ""
    order = sorted(newer, key=lambda image: (image.id == last, age(image)))
    return Turn(family=family, line=line, before=before, wanted=lead, withdrawn=tuple(order)), None


def _unfit(goal: Goal, lead: Image | None, own: Sequence[Image]) -> str:
    """Why the target's image can't lead the family, for people; empty if it can. Labels and access don't matter."""
    target = goal.target
    if lead is None:
        failed = f" ({own[0].ref} is {own[0].status})" if own else ""
        return f"{target.root.ref.name} has no image that carries it{failed}"
    if problem := wrong(target.root, lead):
        return problem
    places = {image.storage_locations for image in own if image.status not in DEAD}
    if len(places) > 1 and lead.storage_locations != target.root.storage_locations:
        return f"{lead.ref} would lead it, which is stored in {lead.home or 'several locations'}"
    return ""


def _cleared(goal: Goal, turn: Turn) -> list[Image]:
    """The target's deprecated images in a family that it is to lead, the lead first."""
    if turn.wanted is None or turn.wanted.id not in {image.id for image in goal.target.members}:
        return []
    if not goal.named and not turn.withdrawn:
        # Nothing newer leads it: it stays at the image that it has, which an image that is cleared might take it from.
        return []
    own = (image for image in goal.target.members if family_of(image) == turn.family and image.status == "READY")
    return sorted((image for image in own if image.deprecated), key=age, reverse=True)


def _sources(goal: Goal) -> Iterator[tuple[Image, Image]]:
    """The sources without a family of newer sets whose copies carry one."""
    if goal.only:
        return
    for each in goal.newer:
        promoted = any(image.family for image in each.copies)
        if promoted and not each.root.family and can_lead(each.root):
            yield each.root, goal.target.root
