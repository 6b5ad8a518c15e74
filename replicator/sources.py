"""Who copies what, and when: copies are dealt to the source and to verified replicas, as `tree` says."""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator import errors, tree
from replicator.pacing import Budget
from replicator.plan import COPIES_AN_HOUR

if TYPE_CHECKING:
    from replicator.model import Image
    from replicator.session import Session
    from replicator.work import Work

#: Seconds in which Compute Engine counts the copies of an image; a few more, because its clock is not ours.
_HOUR = 3605.0
_FOR_A_REPLICA = "waiting for a replica to copy"


@dataclass(kw_only=True, eq=False)
class Origin:
    """An image that copies are made of: the source, or a verified replica."""

    name: str
    """As `tree` calls it."""
    location: str
    image: Image
    budget: Budget
    """Copies of it within an hour."""

    @property
    def is_source(self) -> bool:
        """Whether it is the source, and no copy itself."""
        return self.name == tree.SOURCE


@dataclass(kw_only=True, eq=False)
class _Waiting:
    """A copy that is still to be begun."""

    work: Work
    of_source: bool
    """Whether no replica will do."""
    because: str
    dealt: asyncio.Future[Origin]
    told: float = 0.0
    """Until when it has to wait, as people were told."""


class Sources:
    """Deals out what may be copied. That is the source alone, until it is known that it may not be copied at will."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._clock = asyncio.get_running_loop().time
        self._most: float = session.plan.copies_per_source or math.inf
        """Copies of one image within an hour."""
        self._origins: dict[str, Origin] = {}
        self._waiting: list[_Waiting] = []
        self._taken: dict[str, tuple[Origin, float]] = {}
        """Location → what it may copy, and since when that counts."""
        self._timer: asyncio.Handle | None = None
        source = session.plan.source
        self._add(tree.SOURCE, source.home, source)

    async def take(self, work: Work, *, of_source: bool = False, because: str = "") -> Origin:
        """Wait until an image may be copied once more, and say which.

        `because` tells people why it was not copied yet. Raises Deadline where that will not be in time.
        """
        dealt: asyncio.Future[Origin] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(work=work, of_source=of_source, because=because, dealt=dealt)
        self._waiting.append(waiting)
        self._deal_at(self._clock())
        try:
            origin = await dealt
            if not waiting.told and because:
                self._session.changed(work, because)
            return origin
        finally:
            self._session.calls.next_try.pop(work.replica.location, None)
            self._waiting = [each for each in self._waiting if each is not waiting]

    def give_back(self, work: Work) -> None:
        """What was taken was not copied after all."""
        if taken := self._taken.pop(work.replica.location, None):
            origin, then = taken
            origin.budget.unspend(then)
        self._deal_at(self._clock())

    def begun(self, work: Work) -> None:
        """Its insert was accepted: from now on Compute Engine counts the copy, however long that took."""
        origin, then = self._taken[work.replica.location]
        origin.budget.unspend(then)
        self._spend(work, origin)
        self.place(work)

    def place(self, work: Work) -> None:
        """Its insert was accepted, gave up or has to wait for long: the lead of its family need not wait for it."""
        work.placed = True
        self._deal_at(self._clock())

    def exhausted(self, origin: Origin, seconds: float) -> None:
        """Compute Engine makes no more copies of it for so long: from now on replicas serve as sources, too."""
        origin.budget.close(self._clock(), self._session.calls.fitting(seconds, at_least=seconds))
        self._most = min(self._most, COPIES_AN_HOUR)
        for each in self._origins.values():
            each.budget.allowed = self._most
        self._deal_at(self._clock())

    def lost(self, image: Image) -> None:
        """A replica is gone, or is not what was verified."""
        kept = (each for each in self._origins.values() if each.is_source or each.image.id != image.id)
        self._origins = {each.name: each for each in kept}
        self._deal_at(self._clock())

    def ended(self, work: Work) -> None:
        """A replica came to its end; one that is verified can be copied."""
        if work.verified and work.image is not None:
            self._add(work.replica.location, work.replica.location, work.image)
        self._deal_at(self._clock())

    def _add(self, name: str, location: str, image: Image) -> None:
        budget = Budget(self._most, within=_HOUR)
        self._origins[name] = Origin(name=name, location=location, image=image, budget=budget)

    def _spend(self, work: Work, origin: Origin) -> None:
        now = self._clock()
        origin.budget.spend(now)
        self._taken[work.replica.location] = origin, now

    def _deal_at(self, moment: float) -> None:
        """Not at once: all that happens at a moment is looked at together."""
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(moment, self._deal)

    def _deal(self) -> None:
        # Whoever is dealt a copy need not wait any more, so that the lead has to wait for it again.
        for leads, of_source in itertools.product((False, True), (True, False)):
            turn = {
                each.work.replica.location: each
                for each in self._in_order()
                if (self._session.plan.is_lead(each.work.replica), each.of_source) == (leads, of_source)
            }
            for location, name in tree.assign(list(turn), self._offers(of_source=of_source)).items():
                self._spend(turn[location].work, self._origins[name])
                turn[location].work.placed = False
                turn[location].dealt.set_result(self._origins[name])
        self._wait_on()

    def _in_order(self) -> list[_Waiting]:
        """Those whose turn it is, in the order of the plan."""
        by_work = {id(each.work): each for each in self._waiting if not each.dealt.done()}
        return [by_work[id(work)] for work in self._session.works if id(work) in by_work and self._turn(work)]

    def _turn(self, work: Work) -> bool:
        """The youngest image is the head of a shared family: its lead is copied after all others were."""
        plan, location = self._session.plan, work.replica.location
        if not plan.is_lead(work.replica):
            return True
        others = (other for other in self._session.works if plan.lead_of(other.replica) == location)
        return all(other.placed for other in others if other is not work)

    def _serving(self, *, of_source: bool) -> list[Origin]:
        alone = of_source or math.isinf(self._most)
        return [origin for origin in self._origins.values() if origin.is_source or not alone]

    def _offers(self, *, of_source: bool) -> list[tree.Origin]:
        now = self._clock()
        return [
            tree.Origin(name=origin.name, location=origin.location, free=origin.budget.free(now))
            for origin in self._serving(of_source=of_source)
        ]

    def _wait_on(self) -> None:
        """Tell those left what they wait for, and come back when the next image may be copied again."""
        now, deadline = self._clock(), self._session.calls.deadline
        left = [each.work for each in self._waiting if not each.dealt.done()]
        coming = any(work.running and work not in left for work in self._session.works)
        opens = math.inf
        for each in self._in_order():
            then = min(origin.budget.opens(now) for origin in self._serving(of_source=each.of_source))
            opens = min(opens, then)
            if coming and not each.of_source:
                self._tell(each, _FOR_A_REPLICA, math.inf)
            elif then > deadline:
                what = f"{self._because(each)} Waiting {then - now:.0f} s would go beyond {self._session.calls.within}"
                minutes = math.ceil((then - now) / 60)
                remedy = f"Run this again in {minutes} minutes: it goes on where it stopped. Or raise timeout_minutes."
                each.dealt.set_exception(errors.Deadline(what, remedy=remedy))
            else:
                self._tell(each, "waiting", then)
                if not each.work.placed:
                    each.work.placed, opens = True, now
        if not math.isinf(opens):
            self._deal_at(opens)

    def _tell(self, each: _Waiting, state: str, until: float) -> None:
        if each.told == until:
            return
        told_before, each.told, each.work.state = each.told, until, state
        calls, where = self._session.calls, each.work.replica.location
        if not math.isinf(until):
            calls.announce(until - self._clock(), where=where, because=self._because(each))
            return
        calls.next_try.pop(where, None)
        if told_before or each.because:
            self._session.changed(each.work, f"{each.because} Waiting for a replica that can be copied.".strip())

    def _because(self, each: _Waiting) -> str:
        return each.because or f"copies_per_source allows {self._most:.0f} an hour of each image."
