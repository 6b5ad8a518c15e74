"""A rollback's calls: at each moment each family resolves to the newer release or to the target, never to nothing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from replicator.commands.lifecycle import releases
from replicator.commands.lifecycle.lines import Scope
from replicator.commands.lifecycle.rollback import target, turning
from replicator.commands.lifecycle.rollback.turning import Goal
from replicator.commands.lifecycle.turn.choice import Unclear, Wanted
from replicator.replicas.settings import Settings
from testkit import make

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.commands.lifecycle.rollback.turning import Turn, Turning
    from replicator.commands.lifecycle.turn.leading import Family
    from replicator.core.images import Image

LINES = ("web", "web-arm64")
PLACES = ("us", "eu", "asia")
SEPARATE = Scope.of("p1", LINES, Settings())
MARKS = st.sampled_from(["", "", "", "DEPRECATED", "OBSOLETE"])
STATES = st.sampled_from(["READY"] * 5 + ["PENDING", "FAILED"])
SHARED = Scope.of("p1", LINES, Settings(family_template="{family}"))


def head(images: list[Image], family: Family) -> Image | None:
    """What a family resolves to, as Compute Engine documents it."""
    there = [image for image in images if (image.ref.project, image.family) == family]
    usable = [image for image in there if image.status == "READY" and not image.deprecated]
    return max(usable, key=lambda image: image.created, default=None)


def heads(images: list[Image]) -> dict[Family, Image | None]:
    carried = {(image.ref.project, image.family) for image in images if image.family}
    return {family: head(images, family) for family in carried}


@dataclass
class World:
    scope: Scope
    images: list[Image]
    goals: list[Goal]

    @property
    def plan(self) -> Turning:
        return turning.plan(self.goals, self.images, heads(self.images))


class Builder:
    """Makes images one after the other, each younger than those before."""

    def __init__(self, draw: st.DrawFn, scope: Scope) -> None:
        self.draw, self.shared = draw, scope is SHARED
        self.images: list[Image] = []

    def add(self, name: str, **fields: Any) -> Image:
        image = make.image(name, id=name, age=10 + len(self.images), **fields)
        self.images.append(image)
        return image

    def release(self, line: str, number: int, *, late: list[Callable[[], Image]]) -> None:
        """A source and its copies, mostly as they should be."""
        flawed = self.draw(st.integers(0, 2)) == 0
        own = line if self.shared or not self.draw(st.integers(0, 2)) else ""
        mark = self.draw(MARKS) if flawed else ""
        root = self.add(f"{line}-v{number}", family=own, labels={"release": f"v{number}"}, deprecated=mark)
        for place in PLACES[::-1]:
            family = line if self.shared else f"{line}-{place}"
            fields: dict[str, Any] = {"source_image": root.ref, "source_image_id": root.id}
            fields |= {"storage_locations": (place,), "family": family, "labels": root.labels}
            if flawed:
                fate = self.draw(st.integers(0, 7))
                if fate == 0:
                    continue
                fields |= {"status": self.draw(STATES), "deprecated": self.draw(MARKS)}
                fields |= {"family": ""} if fate == 1 else {}
                if fate == 2:
                    late.append(partial(self.add, f"{root.ref.name}-{place}", **fields))
                    continue
            self.add(f"{root.ref.name}-{place}", **fields)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Releases of two lines, with what happens to them: marks, states, repairs after later ones, strangers."""
    builder = Builder(draw, draw(st.sampled_from([SEPARATE, SHARED])))
    count = draw(st.integers(2, 3))
    late: list[Callable[[], Image]] = []
    for number in range(count):
        for line in LINES:
            builder.release(line, number, late=late)
    if draw(st.integers(0, 5)) == 0:
        builder.add("my-test", family=draw(st.sampled_from(["web-eu", "web"])))
    for act in late:
        act()
    scope, images = SHARED if builder.shared else SEPARATE, builder.images
    world = releases.grouped(scope, images)
    wanted = Wanted(lines=LINES, label="release", word=f"v{draw(st.integers(0, count - 2))}", input="to")
    only = draw(st.sampled_from([frozenset(), frozenset(), frozenset({"eu"}), frozenset({"us", "asia"})]))
    goals: list[Goal] = []
    with contextlib.suppress(Unclear):
        goals = target.named(world, wanted, only)
    if draw(st.booleans()):
        ids = {family: each.id if each else None for family, each in heads(images).items()}
        with contextlib.suppress(Unclear, target.NothingBefore):
            goals = target.before_the_default(world, ids, replace(wanted, word=""), only)
    assume(goals)
    return World(scope, images, goals)


def members(goals: list[Goal]) -> tuple[set[str], set[str]]:
    """The ids of the newer releases' images, and of the targets'."""
    newer = {image.id for goal in goals for each in goal.newer for image in each.members}
    return newer, {image.id for goal in goals for image in goal.target.members}


class Moments:
    """The images while they change, and what is true of each family at each moment."""

    def __init__(self, world: World) -> None:
        self.images = list(world.images)
        self.before = heads(self.images)
        self.turned = {turn.family for turn in world.plan.turns}
        self.either = set.union(*members(world.goals))
        self.reached: set[Family] = set()

    def change(self, number: str, **fields: Any) -> None:
        self.images = [replace(image, **fields) if image.id == number else image for image in self.images]
        for family, was in self.before.items():
            now = head(self.images, family)
            assert now is not None or was is None, f"{family} resolves to nothing"
            if now is None:
                continue
            if now.id in self.either:
                self.reached.add(family)
            assert now == was or now.id in self.either, f"{family} went over to {now.ref}"
            assert family not in self.reached or now.id in self.either, f"{family} went back to {now.ref}"


@settings(max_examples=50)
@given(worlds(), st.data())
def test_no_family_ever_rests_on_a_third_image_or_on_none(world: World, data: st.DataObject) -> None:
    """I12, whatever order the calls of different families arrive in, and whenever a PENDING image becomes READY."""
    plan, moments = world.plan, Moments(world)
    assume(not plan.refused)
    newer, _ = members(world.goals)
    waiting = [image.id for image in world.images if image.status == "PENDING" and image.id in newer]
    for image in plan.cleared:
        moments.change(image.id, deprecated="")
    for source, _ in plan.sources:
        moments.change(source.id, deprecated="DEPRECATED")
    chains = [list(turn.withdrawn) for turn in plan.turns if turn.withdrawn]
    while chains:
        if waiting and data.draw(st.integers(0, 3)) == 0:
            moments.change(waiting.pop(), status="READY")
        moments.change(data.draw(st.sampled_from(chains)).pop(0).id, deprecated="DEPRECATED")
        chains = [each for each in chains if each]
    for number in waiting:
        moments.change(number, status="READY")
    for turn in plan.turns:
        now = head(moments.images, turn.family)
        assert (now and now.id) == (turn.wanted and turn.wanted.id), turn.family


@settings(max_examples=40)
@given(worlds())
def test_what_a_plan_is(world: World) -> None:
    """Nobody's images but the two releases'; one call moves a family; a shared one stays at home; then nothing is left."""
    plan = world.plan
    backwards = World(world.scope, world.images[::-1], world.goals)
    assert backwards.plan.refused == plan.refused
    assume(not plan.refused)
    gone, cleared = {image.id for image in plan.withdrawn}, {image.id for image in plan.cleared}
    newer, own = members(world.goals)
    assert (len(gone), gone - newer, cleared - own) == (len(plan.withdrawn), set(), set())
    for turn in plan.turns:
        if not any(image.status == "PENDING" for image in turn.withdrawn):
            one_call(turn, [replace(image, deprecated="") if image.id in cleared else image for image in world.images])
        if world.scope is SHARED and turn.wanted and turn.withdrawn:
            usable = [image for image in world.images if image.id in own and image.family == turn.line]
            away = {image.home for image in usable if image.status in {"READY", "PENDING"}} - {"us"}
            assert turn.wanted.home == "us" or not away
    after = [
        replace(image, deprecated="DEPRECATED" if image.id in gone else "" if image.id in cleared else image.deprecated)
        for image in world.images
    ]
    again = turning.plan(target.same(releases.grouped(world.scope, after), world.goals), after, heads(after))
    assert (again.changes, again.refused) == (0, ())


def one_call(turn: Turn, images: list[Image]) -> None:
    """The family resolves to the same image until the last call."""
    first = head(images, turn.family)
    for image in turn.withdrawn:
        assert head(images, turn.family) == first
        images = [replace(each, deprecated="DEPRECATED") if each.id == image.id else each for each in images]


def test_a_family_that_stays_where_it_is_keeps_its_marks() -> None:
    """A line is at the release before already: its copy that somebody marked would lead the family, were it cleared."""
    root = make.image("web-v1", id="1", family="web", age=10)
    copy: dict[str, Any] = {
        "source_image": root.ref,
        "source_image_id": "1",
        "family": "web",
        "deprecated": "DEPRECATED",
    }
    marked = make.image("web-v1-us", id="2", age=11, **copy)
    each = releases.ReplicaSet(line="web", root=root, copies=(marked,))
    unnamed = Goal(target=each, newer=())
    found = turning.plan([unnamed], [root, marked], heads([root, marked]))
    assert (found.changes, found.turns[0].wanted) == (0, root)
    named = turning.plan([replace(unnamed, named=True)], [root, marked], heads([root, marked]))
    assert (named.cleared, named.turns[0].wanted) == ((marked,), marked)
