"""A swarm for copies of copies: any limits, times, failures and lost parents; every location comes to an outcome, no
image is copied more often than allowed, nothing spins, and a rerun completes what can be completed.

It runs on one clock with the emulator, so that hours pass in no time.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from emulator.testing import Running, running
from replicator.commands.replicate.schedule import Schedule
from replicator.compute import client
from replicator.replicas.copy_tree import forecast
from testkit.action import Action
from testkit.conformance.spoil import EVENTS
from testkit.faults import operation_error, refuse
from testkit.swarm import Swarm
from testkit.virtual import JointLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from testkit.action import Finished

SWARM = Swarm(12)

LOCATIONS = (
    *("us", "eu", "asia", "us-west1", "us-west2", "us-east1", "europe-west1", "europe-west2", "europe-north1"),
    *("asia-east1", "asia-south1", "me-west1", "me-central1", "africa-south1", "southamerica-east1"),
)
PREFIX = "projects/p1/global/images/web-1"
HOUR = 3600.0
RATE = "RESOURCE_OPERATION_RATE_EXCEEDED"
#: Seconds until the emulator has answered even those who ask no more.
LONGEST_POLL = 121.0
#: Of one location in one moment; what comes to an end wakes all that wait.
MOST_DEALS = 20

#: What goes wrong with one location's copy. `{}` is the location.
FAILURES: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "operation fails": lambda at: operation_error(f'"web-1-{at}"', "SOME_ERROR"),
    "operation leaves a failed image": lambda at: operation_error(f'"web-1-{at}"', "SOME_ERROR", leaves="failed"),
    "others copied the source": lambda at: operation_error(f'"web-1-{at}"', RATE),
    "busy": lambda at: operation_error(f'"web-1-{at}"', "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"),
    "stuck": lambda at: {
        "method": "compute.images.insert",
        "match": f'"web-1-{at}"',
        "action": {"kind": "operation", "state": "stuck"},
    },
    "forbidden": lambda at: refuse(f'"web-1-{at}"'),
    "unavailable": lambda at: refuse(f'"web-1-{at}"', code=503, reason="backendError", times=7),
    "too fast": lambda at: refuse(f'"web-1-{at}"', reason="rateLimitExceeded", times=2),
    "answer lost": lambda at: refuse(f'"web-1-{at}"', code=503, reason="backendError", times=1, when="after"),
    "not to be opened": lambda at: refuse(f"web-1-{at}$", method="setIamPolicy"),
    "no parent": lambda at: refuse(f'"sourceImage":"{PREFIX}-{at}"'),
    "a parent gone": lambda at: refuse(f'"sourceImage":"{PREFIX}-{at}"', code=404, reason="notFound"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is asked for, what the service allows and how long it takes, and what goes wrong."""

    inputs: Mapping[str, str]
    limit: int
    seconds: Mapping[str, float]
    failures: tuple[tuple[str, str], ...] = ()
    """What, where."""
    event: tuple[str, int] | None = None
    """What becomes of a verified replica, just before which copy."""
    again_after: float
    """Seconds between the runs."""

    @property
    def locations(self) -> list[str]:
        return self.inputs["locations"].split()

    @property
    def most(self) -> int:
        """So often one image may be copied, as far as the run can know."""
        return int(self.inputs["copies_per_source"] or 6)

    @property
    def plain(self) -> bool:
        """Whether nothing goes wrong, and the limit is known."""
        return not self.failures and not self.event and self.inputs["copies_per_source"] == str(self.limit)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    limit = draw(st.sampled_from([1, 1, 2, 3, 6]))
    locations = draw(st.lists(st.sampled_from(LOCATIONS), min_size=1, unique=True))
    everywhere = st.sampled_from(locations)
    return World(
        inputs={
            "locations": " ".join(locations),
            "required_locations": draw(st.sampled_from(["", "", "all"])),
            "family_template": draw(st.sampled_from(["", "{family}"])),
            "home_copy": draw(st.sampled_from(["auto", "true"])),
            "copies_per_source": draw(st.sampled_from(["", str(limit), str(limit), "1"])),
            "replace_failed": "true",
            "timeout_minutes": draw(st.sampled_from(["5", "30", "61", "90", "240"])),
        },
        limit=limit,
        seconds={at: draw(st.sampled_from([20.0, 60.0, 61.0, 400.0, 1500.0])) for at in LOCATIONS},
        failures=tuple(draw(st.lists(st.tuples(st.sampled_from(sorted(FAILURES)), everywhere), max_size=5))),
        event=draw(st.none() | st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(2, 9))),
        again_after=draw(st.sampled_from([LONGEST_POLL, 600.0, 2 * HOUR])),
    )


@dataclass
class Deals:
    """How often copies were dealt in one moment at most."""

    loop: JointLoop | None = None
    counts: Counter[float] = field(default_factory=Counter)

    @contextmanager
    def counted(self, act: Action) -> Iterator[None]:
        deal = Schedule._deal

        def counting(schedule: Schedule) -> None:
            assert act.loop is not None
            self.counts[act.loop.now] += 1
            if self.counts[act.loop.now] < 10_000:
                deal(schedule)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Schedule, "_deal", counting)
            yield


@contextmanager
def happening(emulator: Running, world: World) -> Iterator[None]:
    """The event, to the replica that was verified last, just before the copy whose number it has."""
    original, inserts = client.Compute.insert, 0

    def insert(self: client.Compute, *args: Any, **named: Any) -> Any:
        nonlocal inserts
        inserts += 1
        if world.event and inserts == world.event[1]:
            open_to_all = [
                image["name"]
                for image in emulator.state()["images"]
                if image["name"] != "web-1" and image["status"] == "READY" and image["policy"].get("bindings")
            ]
            if open_to_all:
                EVENTS[world.event[0]](emulator, open_to_all[-1])
        return original(self, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client.Compute, "insert", insert)
        yield


@SWARM
@given(world=worlds())
def test_every_location_comes_to_its_end_and_a_rerun_completes(world: World) -> None:
    SWARM.note()
    scenario = {
        "copy_seconds": dict(world.seconds),
        "quotas": {"copies_per_source": {"count": world.limit, "minutes": 60}},
    }
    with running(driven=True, scenario=scenario) as emulator, tempfile.TemporaryDirectory() as folder:
        emulator.add_image(project="p1", name="web-1", family="web", location="us", disk_size_gb=20, public=True)
        act = Action(emulator, Path(folder), make_loop=lambda: JointLoop(emulator))
        emulator.faults([FAILURES[what](at) for what, at in dict.fromkeys(world.failures)])
        deals = Deals()
        with deals.counted(act), happening(emulator, world):
            first = act(**world.inputs)
        note(f"first: {first.exit_code} {first.outputs['reason']}\n{first.log}")
        rules_hold(world, emulator, first, deals)
        heal(emulator)
        emulator.advance(world.again_after)
        with deals.counted(act):
            second = act(**{**world.inputs, "timeout_minutes": "600"})
        note(f"second: {second.exit_code} {second.outputs['reason']}\n{second.log}")
        rules_hold(world, emulator, second, deals, limits=False)
        completed(world, second)


def heal(emulator: Running) -> None:
    """No more faults; copies that got stuck come to their end."""
    emulator.faults([])
    for image in emulator.state()["images"]:
        if image["status"] == "PENDING":
            emulator.settle_image(image["project"], image["name"])


def rules_hold(world: World, emulator: Running, done: Finished, deals: Deals, *, limits: bool = True) -> None:
    assert set(world.locations) <= set(done.replicas)
    assert done.exit_code in {0, 1, 3}, (done.exit_code, done.log)
    assert "internal" not in done.column("reason").values()
    assert "planned" not in done.column("outcome").values()
    assert max(deals.counts.values(), default=0) <= MOST_DEALS * (len(done.replicas) + 1)
    if limits:
        assert done.seconds <= 60 * float(world.inputs["timeout_minutes"]) + 61
        never_too_often(world, emulator)
    head = emulator.run(lambda: emulator.compute.state.head("p1", "web", emulator.app.clock.now()))
    assert head is not None
    assert head.fields["storageLocations"] == ["us"], "the head of the source's own family stays at home"
    if world.plain and limits and longest(world, done) < 60 * float(world.inputs["timeout_minutes"]):
        assert done.result == "complete", done.log
        assert set(done.column("promoted").values()) == {True}


def longest(world: World, done: Finished) -> float:
    """Seconds that suffice: wave by wave, the head of a shared family alone at the end, and a little for each call."""
    copied = [location for location, row in done.replicas.items() if row["outcome"] != "source"]
    waves = max((branch.wave for branch in forecast("us", [], copied, world.limit)), default=0)
    return (waves + 1) * max((world.seconds[location] for location in copied), default=0.0) + 60


def never_too_often(world: World, emulator: Running) -> None:
    """Copies of one image that were begun within an hour; those that the service refused were none."""
    if not world.inputs["copies_per_source"]:
        return
    operations = emulator.run(lambda: list(emulator.compute.state.operations(None)))
    refused = [each for each in operations if each.failure and each.failure.code == RATE]
    begun: dict[str, list[float]] = {}
    for each in operations:
        if each.source_id and each not in refused:
            begun.setdefault(each.source_id, []).append(each.inserted)
    for moments in map(sorted, begun.values()):
        assert all(later - earlier >= HOUR for earlier, later in zip(moments, moments[world.most :], strict=False))
    if world.most <= world.limit and not any(what == "others copied the source" for what, _ in world.failures):
        assert not refused


def completed(world: World, done: Finished) -> None:
    """Everything is as wanted, save what the event spoilt for good."""
    left = {at: row["reason"] for at, row in done.replicas.items() if row["outcome"] in {"failed", "interrupted"}}
    if world.event is None:
        assert not left
    assert set(left.values()) <= {"unproven", "conflict", "drift"}
