"""Tests the copy queue without an event loop: a table of moments, then whole simulated runs."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.replicas.copy_queue import HOUR, CopyQueue, Reason, Wait
from replicator.replicas.copy_tree import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NOW = 1000.0
LATER = NOW + HOUR


class Queue(CopyQueue):
    """Notices when dealing comes to no end."""

    rounds = 0

    def deal(self, now: float) -> list[tuple[str, str]]:
        self.rounds = 0
        return super().deal(now)

    def waits(self, now: float) -> list[Wait]:
        self.rounds += 1
        assert self.rounds < 100, "it spins"
        return super().waits(now)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A queue whose source is in `us`, and what happened to it at NOW."""

    asks: Sequence[str]
    of_source: Sequence[str] = ()
    """Those of them that only the source can serve."""
    busy: Sequence[str] = ()
    """Locations under way that will ask later."""
    checked: Sequence[str] = ()
    """Locations under way that need no copy."""
    ready: Sequence[str] = ()
    """Replicas that were verified."""
    lead: str = ""
    """The lead of the family that all share, if they share one."""
    most: float = 1
    deadline: float = math.inf

    def queue(self) -> CopyQueue:
        order = [*self.asks, *self.busy, *self.checked, *self.ready]
        expected = [*self.asks, *self.busy]
        leads = dict.fromkeys(order, self.lead)
        queue = Queue("us", leads, expected=expected, most=self.most, deadline=self.deadline)
        for location in self.ready:
            queue.ended(location, is_origin=True)
        for location in self.asks:
            queue.ask(location, of_source=location in self.of_source)
        return queue


MOMENTS: Mapping[str, tuple[Moment, list[tuple[str, str]], list[Wait]]] = {
    "while no limit is known the source serves all": (
        Moment(asks=["eu", "asia"], ready=["us-west1"], most=math.inf),
        [("eu", SOURCE), ("asia", SOURCE)],
        [],
    ),
    "the source serves as many as it may": (
        Moment(asks=["asia", "eu"]),
        [("asia", SOURCE)],
        [Wait("eu", Reason.REPLICA, LATER)],
    ),
    "the source serves first where it is not itself": (
        Moment(asks=["us-west1", "eu"]),
        [("eu", SOURCE)],
        [Wait("us-west1", Reason.REPLICA, LATER)],
    ),
    "a replica serves its neighbour": (
        Moment(asks=["asia-east1", "europe-west1"], ready=["eu"]),
        [("asia-east1", SOURCE), ("europe-west1", "eu")],
        [],
    ),
    "a location that needs the source comes first": (
        Moment(asks=["asia", "eu"], of_source=["eu"]),
        [("eu", SOURCE)],
        [Wait("asia", Reason.REPLICA, LATER)],
    ),
    "a replica is no source": (
        Moment(asks=["asia", "eu"], of_source=["asia", "eu"], ready=["us-west1"]),
        [("asia", SOURCE)],
        [Wait("eu", Reason.LIMIT, LATER)],
    ),
    "what is checked may become an origin": (
        Moment(asks=["asia", "eu"], checked=["us-west1"]),
        [("asia", SOURCE)],
        [Wait("eu", Reason.REPLICA, LATER)],
    ),
    "a lead comes after members that asked with it": (
        Moment(asks=["us", "eu"], lead="us"),
        [("eu", SOURCE)],
        [Wait("us", Reason.FAMILY, math.inf)],
    ),
    "a lead waits for members that have not asked yet": (
        Moment(asks=["us"], busy=["eu"], lead="us"),
        [],
        [Wait("us", Reason.FAMILY, math.inf)],
    ),
    "a lead does not wait for members that need no copy": (
        Moment(asks=["us"], checked=["eu"], ready=["asia"], lead="us"),
        [("us", SOURCE)],
        [],
    ),
    "a location waits for nobody if its family is its own": (
        Moment(asks=["us"], busy=["eu"], lead=""),
        [("us", SOURCE)],
        [],
    ),
    "a deadline that an origin keeps": (
        Moment(asks=["asia", "eu"], of_source=["asia", "eu"], deadline=LATER),
        [("asia", SOURCE)],
        [Wait("eu", Reason.LIMIT, LATER)],
    ),
    "a deadline that no origin keeps": (
        Moment(asks=["asia", "eu"], of_source=["asia", "eu"], deadline=LATER - 1),
        [("asia", SOURCE)],
        [Wait("eu", Reason.TOO_LATE, LATER)],
    ),
    "a deadline that a replica may keep": (
        Moment(asks=["asia", "eu"], deadline=LATER - 1),
        [("asia", SOURCE)],
        [Wait("eu", Reason.REPLICA, LATER)],
    ),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_a_moment(name: str) -> None:
    moment, deals, waits = MOMENTS[name]
    queue = moment.queue()
    assert queue.deal(NOW) == deals
    assert queue.waits(NOW) == waits
    assert queue.deal(NOW) == [], "nothing is dealt twice"


def asking(*asks: str, **fields: Any) -> CopyQueue:
    """A queue after its first deal."""
    queue = Moment(asks=asks, **fields).queue()
    queue.deal(NOW)
    return queue


class TestTheHour:
    def test_ends_when_it_ends(self) -> None:
        queue = asking("asia", "eu")
        assert queue.deal(LATER - 1) == []
        assert queue.deal(LATER) == [("eu", SOURCE)]

    def test_begins_when_the_insert_is_accepted(self) -> None:
        queue = asking("asia", "eu")
        queue.begun("asia", NOW + 500)
        assert queue.waits(NOW + 500) == [Wait("eu", Reason.REPLICA, LATER + 500)]

    def test_does_not_count_what_was_not_made(self) -> None:
        queue = asking("asia", "eu")
        queue.give_back("asia")
        assert queue.deal(NOW + 1) == [("eu", SOURCE)]

    def test_counts_what_was_made_in_vain(self) -> None:
        queue = asking("asia", "eu")
        queue.begun("asia", NOW)
        queue.ask("asia")
        assert queue.deal(NOW + 60) == []

    def test_is_each_origin_s_own(self) -> None:
        queue = asking("asia", "eu", "me-west1")
        queue.ended("asia", is_origin=True)
        assert queue.deal(NOW + 60) == [("me-west1", "asia")]
        assert [wait.location for wait in queue.waits(NOW + 60)] == ["eu"]

    def test_ends_for_the_first_origin_that_is_free_again(self) -> None:
        queue = asking("us-west1", "eu", "asia", ready=["us-east1"])
        queue.begun("us-west1", NOW + 10)
        assert queue.waits(NOW + 10) == [Wait("asia", Reason.REPLICA, LATER)]

    def test_is_given_back_once(self) -> None:
        queue = asking("asia", "eu", "us-west1", most=2)
        for _ in range(2):
            queue.give_back("asia")
        assert queue.deal(NOW) == [("us-west1", SOURCE)]
        queue.ask("asia")
        assert queue.deal(NOW) == []


class TestARefusal:
    def test_makes_replicas_origins_and_closes_the_source(self) -> None:
        queue = asking("asia", "eu", ready=["us-west1"], most=math.inf)
        queue.give_back("asia")
        queue.exhausted(SOURCE, NOW, 600)
        queue.ask("asia", of_source=True)
        assert (queue.deal(NOW), queue.most) == ([], 6)
        assert queue.waits(NOW) == [Wait("asia", Reason.LIMIT, NOW + 600)]
        queue.ask("asia")
        assert queue.deal(NOW) == [("asia", "us-west1")]

    def test_limits_the_source_from_then_on(self) -> None:
        queue = asking(*(f"us-west{number}" for number in range(9)), most=math.inf)
        queue.give_back("us-west8")
        queue.exhausted(SOURCE, NOW, 600)
        queue.ask("us-west8")
        assert queue.waits(NOW) == [Wait("us-west8", Reason.REPLICA, LATER)]

    def test_does_not_raise_a_limit(self) -> None:
        queue = asking("asia", most=2)
        queue.exhausted(SOURCE, NOW, 600)
        assert queue.most == 2

    def test_of_what_is_lost_already(self) -> None:
        queue = asking("asia-east1", "europe-west1", ready=["eu"])
        queue.lost("eu")
        queue.exhausted("eu", NOW, 600)
        queue.give_back("europe-west1")
        queue.ask("europe-west1")
        assert queue.waits(NOW) == [Wait("europe-west1", Reason.REPLICA, LATER)]
        assert queue.deal(LATER) == [("europe-west1", SOURCE)]


class TestLost:
    def test_a_replica_is_dealt_to_nobody_else(self) -> None:
        queue = asking("asia", "europe-west1", "europe-west2", ready=["eu"])
        queue.lost("eu")
        assert queue.deal(LATER) == [("europe-west2", SOURCE)]

    def test_the_source_is_not(self) -> None:
        queue = asking("asia", "eu")
        queue.lost(SOURCE)
        assert queue.deal(LATER) == [("eu", SOURCE)]

    def test_a_copy_of_it_is_begun_all_the_same(self) -> None:
        queue = asking("asia", "europe-west1", ready=["eu"])
        queue.lost("eu")
        queue.begun("europe-west1", NOW + 1)


#: What may become of the copy that `eu` was dealt, and whether the lead of its family is dealt its own then.
EVENTS: Mapping[str, tuple[Callable[[CopyQueue], None], bool]] = {
    "accepted": (lambda queue: queue.begun("eu", NOW), True),
    "waits for long": (lambda queue: queue.place("eu"), True),
    "failed": (lambda queue: queue.ended("eu", is_origin=False), True),
    "verified": (lambda queue: queue.ended("eu", is_origin=True), True),
    "refused": (lambda queue: queue.give_back("eu"), False),
    "asks again": (lambda queue: queue.ask("eu"), False),
}


class TestALead:
    """Of a family, in `us`: it is dealt its copy after all other members are placed."""

    @pytest.mark.parametrize("name", EVENTS)
    def test_goes_when_the_others_are_placed(self, name: str) -> None:
        event, goes = EVENTS[name]
        queue = asking("us", "eu", lead="us", most=math.inf)
        event(queue)
        assert ("us" in dict(queue.deal(NOW))) is goes

    def test_goes_when_the_others_wait_for_the_hour(self) -> None:
        queue = asking("us", "asia", "eu", lead="us", of_source=["asia", "eu"], ready=["us-west1"])
        assert [wait.location for wait in queue.waits(NOW)] == ["us", "eu"]
        queue.begun("asia", NOW)
        assert queue.deal(NOW) == [("us", "us-west1")]

    def test_goes_at_once_when_the_last_of_the_others_waits_for_the_hour(self) -> None:
        queue = asking("us", "eu", lead="us", of_source=["eu"], ready=["us-west1"], busy=["asia"])
        queue.begun("eu", NOW)
        queue.ask("asia", of_source=True)
        assert queue.deal(NOW) == [("us", "us-west1")]

    def test_waits_again_for_a_member_that_waited_and_is_dealt_a_copy(self) -> None:
        queue = asking("us", "asia", "eu", "us-west1", lead="us", most=2)
        for location in ("asia", "eu"):
            queue.begun(location, NOW)
            queue.ended(location, is_origin=False)
        assert queue.deal(NOW) == []
        assert [wait.reason for wait in queue.waits(NOW)] == [Reason.LIMIT, Reason.LIMIT], "both wait for the hour"
        assert queue.deal(LATER) == [("us-west1", SOURCE)]
        queue.begun("us-west1", LATER + 1)
        assert queue.deal(LATER + 1) == [("us", SOURCE)]

    def test_waits_for_a_member_that_asks_again_in_vain_until_that_ends(self) -> None:
        queue = asking("us", "eu", lead="us", ready=["us-west1"], deadline=LATER - 1)
        queue.begun("eu", NOW)
        queue.ask("eu", of_source=True)
        assert queue.deal(NOW) == []
        assert queue.waits(NOW) == [Wait("us", Reason.FAMILY, math.inf), Wait("eu", Reason.TOO_LATE, LATER)]
        queue.ended("eu", is_origin=False)
        assert queue.deal(NOW) == [("us", "us-west1")]

    def test_waits_for_a_member_that_needed_no_copy_and_asks_for_one(self) -> None:
        """Somebody else's copy of it came to nothing."""
        queue = asking("us", "asia", "us-west1", checked=["eu"], lead="us", most=2)
        for location in ("asia", "us-west1"):
            queue.begun(location, NOW)
        queue.ask("eu")
        queue.ended("asia", is_origin=True)
        assert queue.deal(NOW) == [("eu", "asia")]
        queue.begun("eu", NOW)
        assert queue.deal(NOW) == [("us", "asia")]


@pytest.mark.parametrize("end", [CopyQueue.withdraw, partial(CopyQueue.ended, is_origin=False)])
def test_what_is_wanted_no_more_is_not_dealt(end: Callable[[CopyQueue, str], None]) -> None:
    queue = asking("asia", "eu")
    end(queue, "eu")
    assert (queue.waits(NOW), queue.deal(LATER)) == ([], [])


def test_the_order_is_the_plan_s() -> None:
    queue = Queue("us", dict.fromkeys(["asia", "eu", "me-west1"], ""), expected=[], most=1)
    for location in ("me-west1", "eu", "asia"):
        queue.ask(location)
    assert queue.deal(NOW) == [("asia", SOURCE)]
    assert [wait.location for wait in queue.waits(NOW)] == ["eu", "me-west1"]


@dataclass(frozen=True, kw_only=True)
class Try:
    """What becomes of a copy that was dealt."""

    end: str
    """`made`, or what `Run` does with the others."""
    accepted_after: float = 0.0
    lasts: float = 60.0
    of_source: bool = False
    waits_long: bool = False


@dataclass(frozen=True, kw_only=True)
class Member:
    """A location of a simulated run: it asks at some time, or its existing replica is verified then."""

    lead: str
    copied: bool
    at: float
    tries: tuple[Try, ...]
    """The copies that it is dealt one after another; the ones after them are made."""


@dataclass(frozen=True, kw_only=True)
class World:
    members: Mapping[str, Member]
    most: float
    deadline: float


PLACES = ["us", "eu", "asia", "us-west1", "us-east1", "europe-west1", "asia-east1", "asia-south1", "me-west1"]
ENDS = ["made", "failed", "again", "refused", "rate", "lost"]
TIMES = [0.0, 1.0, 59.0, 60.0, 700.0, 3605.0]
TRIES = st.builds(
    Try,
    end=st.sampled_from(ENDS),
    accepted_after=st.sampled_from(TIMES),
    lasts=st.sampled_from(TIMES),
    of_source=st.booleans(),
    waits_long=st.booleans(),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    places = draw(st.lists(st.sampled_from(PLACES), min_size=1, unique=True))
    shared = draw(st.booleans())
    members = {
        place: Member(
            lead=places[0] if shared and draw(st.booleans()) else "",
            copied=draw(st.booleans()) or place == places[0],
            at=draw(st.sampled_from(TIMES)),
            tries=tuple(draw(st.lists(TRIES, max_size=3))),
        )
        for place in places
    }
    if shared:
        members[places[0]] = replace(members[places[0]], lead=places[0])
    return World(
        members=dict(draw(st.permutations(list(members.items())))),
        most=draw(st.sampled_from([1, 1, 2, 3, math.inf])),
        deadline=draw(st.sampled_from([math.inf, math.inf, 1800.0, 8000.0])),
    )


@dataclass
class Run:
    """A world as it goes by. It keeps a ledger of its own, and looks at every deal with it."""

    world: World
    queue: CopyQueue = field(init=False)
    now: float = 0.0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    tries: dict[str, Iterator[Try]] = field(default_factory=dict)
    most: float = field(init=False)
    origins: set[str] = field(default_factory=lambda: {SOURCE})
    counted: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    """Origin → number of the copy → since when it counts."""
    pending: dict[str, bool] = field(default_factory=dict)
    """Locations that asked → whether for the source only."""
    unplaced: set[str] = field(default_factory=set)
    outcomes: dict[str, str] = field(default_factory=dict)
    told: list[tuple[float, list[tuple[str, str]], list[Wait]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        members = self.world.members
        leads = {place: member.lead for place, member in members.items()}
        self.most = self.world.most
        self.unplaced = {place for place, member in members.items() if member.copied}
        self.queue = Queue("us", leads, expected=self.unplaced, most=self.most, deadline=self.world.deadline)
        for place, member in members.items():
            self.tries[place] = itertools.chain(member.tries, itertools.repeat(Try(end="made")))
            begin = partial(self.ask, place) if member.copied else partial(self.end, place, "kept")
            self.after(member.at, begin)

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.numbers), event))

    def go(self) -> Run:
        """Until nothing happens any more."""
        while self.events:
            self.now = self.events[0][0]
            while self.events and self.events[0][0] == self.now:
                heapq.heappop(self.events)[2]()
            self.look()
            assert len(self.told) < 1000, "it spins"
        return self

    def look(self) -> None:
        deals = self.queue.deal(self.now)
        waits = self.queue.waits(self.now)
        self.told.append((self.now, deals, waits))
        self.unplaced -= {wait.location for wait in waits if wait.reason is Reason.LIMIT}
        for place, origin in deals:
            self.dealt(place, origin)
        assert {wait.location for wait in waits} == set(self.pending), "each is dealt a copy or told what it waits for"
        for wait in waits:
            self.waits(wait)

    def dealt(self, place: str, origin: str) -> None:
        lead = self.world.members[place].lead
        if place == lead:
            members = {other for other, member in self.world.members.items() if member.lead == lead}
            assert not (members - {lead}) & self.unplaced, "a lead overtook a member"
        assert origin in self.origins
        assert origin == SOURCE or not (self.pending[place] or math.isinf(self.most))
        del self.pending[place]
        self.unplaced.add(place)
        number = next(self.numbers)
        self.counted[origin][number] = self.now
        within = [moment for moment in self.counted[origin].values() if moment > self.now - 3600]
        assert len(within) <= self.most, "over budget"
        self.carry_out(place, origin, number)

    def waits(self, wait: Wait) -> None:
        assert wait.until > self.now, "an origin is free, and somebody waits for one"
        if wait.reason is Reason.TOO_LATE:
            assert wait.until > self.world.deadline
            self.queue.withdraw(wait.location)
            del self.pending[wait.location]
            self.after(0, partial(self.end, wait.location, "late"))
        elif not math.isinf(wait.until):
            self.after(wait.until - self.now, lambda: None)

    def carry_out(self, place: str, origin: str, number: int) -> None:
        what = next(self.tries[place])
        if what.waits_long:
            self.after(0, partial(self.place, place))
        if what.end in {"refused", "rate", "lost"}:
            self.after(what.accepted_after, partial(self.refuse, place, origin, number, what))
            return
        self.after(what.accepted_after, partial(self.begin, place, origin, number))
        then = partial(self.ask, place) if what.end == "again" else partial(self.end, place, what.end)
        self.after(what.accepted_after + what.lasts, then)

    def ask(self, place: str, *, of_source: bool = False) -> None:
        self.queue.ask(place, of_source=of_source)
        self.pending[place] = of_source
        self.unplaced.add(place)

    def place(self, place: str) -> None:
        self.queue.place(place)
        self.unplaced.discard(place)

    def begin(self, place: str, origin: str, number: int) -> None:
        self.queue.begun(place, self.now)
        self.counted[origin][number] = self.now
        self.unplaced.discard(place)

    def refuse(self, place: str, origin: str, number: int, what: Try) -> None:
        self.queue.give_back(place)
        del self.counted[origin][number]
        if what.end == "rate":
            self.queue.exhausted(origin, self.now, 600)
            self.most = min(self.most, 6)
        if what.end == "lost":
            self.queue.lost(origin)
            self.origins -= {origin} - {SOURCE}
        self.ask(place, of_source=what.of_source)

    def end(self, place: str, outcome: str) -> None:
        is_origin = outcome in {"made", "kept"}
        self.queue.ended(place, is_origin=is_origin)
        self.unplaced.discard(place)
        self.outcomes[place] = outcome
        self.origins |= {place} if is_origin else set()


@given(world=worlds())
def test_a_run_keeps_every_rule_and_brings_each_location_to_its_end(world: World) -> None:
    """Never over budget, no lead before a member, no idle origin: `Run` looks at every deal. And nobody starves."""
    run = Run(world).go()
    assert set(run.outcomes) == set(world.members)
    if math.isinf(world.deadline):
        assert "late" not in run.outcomes.values()
    for moments in (sorted(counted.values()) for counted in run.counted.values()):
        if not math.isinf(world.most):
            later = moments[int(world.most) :]
            assert all(then - first >= 3600 for first, then in zip(moments, later, strict=False))


@given(world=worlds())
def test_equal_worlds_give_equal_deals(world: World) -> None:
    assert Run(world).go().told == Run(world).go().told
