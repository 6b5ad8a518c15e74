"""A swarm: sweeps and turns in any world, with faults at any call, then without. `make soak` draws them at length."""

from __future__ import annotations

import json
import re
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from emulator.testing import Running, running
from replicator.commands.lifecycle.promote import run as turn
from testkit.action import Action, Finished
from testkit.lifecycle import trouble
from testkit.lifecycle.releases import heads
from testkit.lifecycle.sweeping import Swept
from testkit.lifecycle.worlds import World, draw
from testkit.swarm import Swarm

if TYPE_CHECKING:
    from collections.abc import Iterator

SWARM = Swarm(2)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """One for all: each world begins with nothing."""
    with running(copy_seconds=0.005, wait_seconds=0.05) as emulator:
        yield emulator


@SWARM
@given(seed=st.integers(0, 10**9))
def test_a_sweep_with_faults_then_without(emulator: Running, seed: int) -> None:
    """I1, I4, I9, I10: what is protected stays, and reruns end as a sweep that nothing disturbed."""
    SWARM.note()
    note(f"Random({seed})")
    random = Random(seed)
    world = drawn(random)
    given = {**world.given, "keep": "1", "routine_days": random.choice(["0", "90"]), "apply": "true"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world.put(emulator)
        settled(emulator, folder, given)
        wanted = trouble.stands(emulator)
        world.put(emulator)
        guarded = trouble.Guarded(emulator)
        emulator.faults(trouble.faults(random))
        first = Swept(emulator, folder, given)
        emulator.faults([])
        assert first.exit_code in {0, 1, 3}, first.log
        assert first.exit_code != 3 or not first.changed
        guarded.check()
        settled(emulator, folder, given)
        guarded.check()
        assert trouble.stands(emulator) == wanted, first.log


def drawn(random: Random) -> World:
    """Any world whose images were all made by now; mostly a calm one, in which more can be done."""
    now = time.time()
    world = draw(random, now)
    for number, image in enumerate(world.images):
        if image["created"] > now:
            image["created"] = now - 60 + number
    if random.random() < 0.7:
        calm(world, random)
    return world


def calm(world: World, random: Random) -> None:
    """Let every release be whole; the oldest two of each line may be retired long ago, and the newest staged."""
    retired = {"deprecated": {"state": "DEPRECATED", "deleted": "2020-02-01T00:00:00Z"}}
    gone = random.choice([(), ("-v0", "-v1")])
    staged = random.choice(["", "-v2", "-v3"])
    for image in world.images:
        root = re.match("(web-arm64|web|db)(-v[0-9])", image["name"])
        if root and "location" in image:
            for key in ("status", "deprecated", "labels"):
                image.pop(key, None)
            image["family"] = world.family_of(root[1], image["location"]) if "source" in image else root[1]
            image |= retired if root[2] in gone else {}
            if "source" in image and staged and root[2] >= staged:
                del image["family"]


def settled(emulator: Running, folder: Path, given: dict[str, str]) -> None:
    """Sweep until nothing is left to be done; what takes a moment, like a deletion under way, may need another one."""
    for _ in range(6):
        done = Swept(emulator, folder, given)
        assert done.exit_code == 0, done.log
        if not done.changed:
            return
    raise AssertionError(done.log)


@SWARM
@given(seed=st.integers(0, 10**9))
def test_a_turn_with_faults_then_without(emulator: Running, seed: int) -> None:
    """I12: each family resolves to what it did or to what is wanted; a rerun gets there, and changes nothing more."""
    SWARM.note()
    note(f"Random({seed})")
    random = Random(seed)
    world = drawn(random)
    world.put(emulator)
    with tempfile.TemporaryDirectory() as name:
        action = Action(emulator, Path(name))
        asked = turning(random, world)
        plan = action.carry_out(turn.run, {**asked, "dry_run": "true"})
        assert plan.exit_code in {0, 1, 2}, plan.log
        assert not action.mutations()
        if plan.exit_code:
            return
        named = json.loads(Path(plan.outputs["plan_path"]).read_bytes())["release"]
        asked["to" if asked["verb"] == "rollback" else "release"] = named
        before, rows = heads(emulator), json.loads(plan.outputs["families"])
        wanted = {row["family"]: row["wanted"].rpartition("/")[2] for row in rows if row["wanted"]}
        emulator.faults(trouble.faults(random))
        first = action.carry_out(turn.run, dict(asked))
        emulator.faults([])
        assert first.exit_code in {0, 1, 3}, first.log
        between(emulator, before, wanted, first)
        again = action.carry_out(turn.run, dict(asked))
        assert (again.exit_code, {**before, **wanted}) == (0, heads(emulator)), again.log
        count = len(action.mutations())
        assert action.carry_out(turn.run, dict(asked)).exit_code == 0
        assert len(action.mutations()) == count
        assert not action.calls("delete")


def turning(random: Random, world: World) -> dict[str, str]:
    """A rollback of one line, to a release or to the one before, or a promotion of any release."""
    line = random.choice(world.given["families"].split(", "))
    asked = {**world.given, "families": line}
    releases = [each["name"] for each in world.images if re.fullmatch(f"{line}-v[0-9]", each["name"])]
    release = random.choice(releases)
    if random.random() < 0.4:
        release = random.choice([release, releases[-1]])
        there = [
            each["location"] for each in world.images if "location" in each and each["name"].startswith(f"{release}-")
        ]
        asked["locations"] = ", ".join(dict.fromkeys(there)) or asked["locations"]
        return {**asked, "verb": "promote", "release": release, "reactivate": random.choice(["true", "false"])}
    return {**asked, "verb": "rollback", **({"to": release} if random.random() < 0.6 else {})}


def between(emulator: Running, before: dict[str, str], wanted: dict[str, str], done: Finished) -> None:
    """No family is at a third image, and none that had a head is without."""
    found = heads(emulator)
    for family, head in before.items():
        assert found.get(family) in {head, wanted.get(family, head)}, done.log
