"""Finds the release that a rollback goes back to: the one that was named, or the one before the default. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.rollback import turning
from replicator.commands.lifecycle.rollback.turning import Goal
from replicator.commands.lifecycle.turn import choice, versions
from replicator.commands.lifecycle.turn.choice import Unclear, Wanted
from replicator.commands.lifecycle.turn.leading import family_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.commands.lifecycle.releases import Heads, ReplicaSet, World
    from replicator.commands.lifecycle.rollback.turning import Turning
    from replicator.commands.lifecycle.world import Reading


class NothingBefore(ValueError):
    """No older release was promoted and is still ACTIVE."""


class Ahead(ValueError):
    """The release is newer than all that the families resolve to, so nothing would go back."""


def ensure_back(world: World, heads: Heads, goals: Sequence[Goal], wanted: Wanted) -> None:
    """Raise Ahead if every family that a release leads would go forward. Where some go back, the others go along."""
    led = [(goal, each) for goal in goals for each in world.of_line(goal.target.line) if _leads(each, heads, goal.only)]
    if led and all(each.age < goal.target.age for goal, each in led):
        goal, newest = max(led, key=lambda pair: pair[1].age)
        names = [versions.of(each, wanted.label, wanted.refs) for each in (goal.target, newest)]
        raise Ahead(f"{names[0]} is newer than {names[1]}, which {newest.line} resolves to")


def named(world: World, wanted: Wanted, only: frozenset[str]) -> list[Goal]:
    """The goals for a release that somebody named. Raises Unclear."""
    return [_goal(world, each, only, named=True) for each in choice.chosen(world, wanted).values()]


def before_the_default(world: World, heads: Heads, wanted: Wanted, only: frozenset[str]) -> list[Goal]:
    """The goals for the release before the newest one that leads a family. Raises Unclear, NothingBefore.

    A run that was interrupted left some families, or lines, at the older release already; so the newest release that
    leads anything counts in every line that has it.
    """
    led = [each for line in wanted.lines for each in world.of_line(line) if _leads(each, heads, only)]
    if not led:
        raise _needed(world, wanted, f"no release of {', '.join(wanted.lines)} leads a family")
    newest = max(led, key=lambda each: each.age)
    version = versions.of(newest, wanted.label)
    found = {newest.line: before(world.of_line(newest.line), newest)}
    for line in wanted.lines:
        sets = world.of_line(line)
        for each in versions.meant(sets, version, wanted.label)[:1]:
            found.setdefault(line, before(sets, each))
    if not any(found.values()):
        raise NothingBefore(f"no release before {version} was promoted and is still ACTIVE: {_there(world, wanted)}")
    agreed = {versions.of(each, wanted.label) for each in found.values() if each}
    if len(agreed) != 1 or None in found.values():
        raise _needed(world, wanted, f"the lines don't agree on the release before {version}")
    (goal,) = agreed
    for line in wanted.lines:
        if line not in found:
            there = versions.meant(world.of_line(line), goal, wanted.label)
            if len(there) != 1:
                raise _needed(world, wanted, f"{line} has no single release {goal}, as the other lines have")
            found[line] = there[0]
    return [_goal(world, each, only) for each in found.values() if each]


def before(sets: Sequence[ReplicaSet], each: ReplicaSet) -> ReplicaSet | None:
    """The newest older set of the line that was promoted and is ACTIVE, however incomplete it is."""
    by_copies = any(image.family for older in sets for image in older.copies)
    for older in sets:
        carrying = [image for image in (older.copies if by_copies else older.members) if image.family]
        if older.age < each.age and any(not image.deprecated for image in carrying):
            return older
    return None


def _goal(world: World, target: ReplicaSet, only: frozenset[str], *, named: bool = False) -> Goal:
    newer = tuple(each for each in world.of_line(target.line) if each.age > target.age)
    return Goal(target=target, newer=newer, only=only, named=named)


def _leads(each: ReplicaSet, heads: Heads, only: frozenset[str]) -> bool:
    there = {image.id for image in each.members if not only or only.intersection(image.storage_locations)}
    return bool(there.intersection(head for head in heads.values() if head))


def _needed(world: World, wanted: Wanted, why: str) -> Unclear:
    return Unclear([("to", f"is needed: {why}; {_there(world, wanted)}")])


def _there(world: World, wanted: Wanted) -> str:
    return "; ".join(f"{line} has {versions.named(world.of_line(line), wanted.label)}" for line in wanted.lines)


def same(world: World, goals: Sequence[Goal]) -> list[Goal]:
    """The same goals in a later reading; without those whose target is gone."""
    by_root = {each.root.id: each for each in world.sets}
    found = [(goal, by_root.get(goal.target.root.id)) for goal in goals]
    return [_goal(world, each, goal.only, named=goal.named) for goal, each in found if each]


def locations_left(goals: Sequence[Goal], plan: Turning) -> list[str]:
    """The locations none of whose families was refused."""
    refused = {problem.family for problem in plan.refused}
    by_location: dict[str, bool] = {}
    for goal in goals:
        for image in (image for each in (goal.target, *goal.newer) for image in each.members if image.family):
            right = family_of(image) not in refused
            for location in image.storage_locations:
                if not goal.only or location in goal.only:
                    by_location[location] = by_location.get(location, True) and right
    return sorted(location for location, right in by_location.items() if right)


def newest_whole(reading: Reading, wanted: Wanted, goals: Sequence[Goal]) -> str:
    """The version of the newest release, older than the goals', that every family can go back to; empty if none."""
    first = goals[0]
    for older in reading.world.of_line(first.target.line):
        if older.age >= first.target.age or older.root.deprecated:
            continue
        version = versions.of(older, wanted.label)
        try:
            instead = named(reading.world, replace(wanted, word=version, refs=None), first.only)
        except Unclear:
            continue
        if not turning.plan(instead, reading.images, reading.heads).refused:
            return version
    return ""
