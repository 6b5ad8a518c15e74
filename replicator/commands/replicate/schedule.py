"""Who copies what, and when: copies are dealt to the source and to verified replicas, as `tree` says."""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.compute.rate_limit import Budget
from replicator.core import errors
from replicator.replicas import copy_tree
from replicator.replicas.plan import COPIES_AN_HOUR

if TYPE_CHECKING:
    from replicator.core.images import Image
    from replicator.replicas.session import Session
    from replicator.replicas.work import Work


#: Seconds in which Compute Engine counts the copies of an image; a few more, because its clock is not ours.
_HOUR = 3605.0
_FOR_A_REPLICA = "waiting for a replica to copy"
_FOR_ITS_FAMILY = "waiting for the others of its family"


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
        return self.name == copy_tree.SOURCE


@dataclass(kw_only=True, eq=False)
class _Copy:
    """A copy that is wanted, from then on until it is begun."""

    work: Work
    of_source: bool
    """Whether no replica will do."""
    because: str
    """Why it was not begun yet, for people."""
    dealt: asyncio.Future[Origin]
    counts_since: float | None = None
    """Since when it counts in the budget of what was dealt; None while it does not."""
    placed: bool = False
    """Whether its insert was accepted, gave up or has to wait: the lead of its family may go then."""
    told: float = 0.0
    """Until when it has to wait, as people were told."""

    @property
    def waits(self) -> bool:
        """Whether nothing was dealt to it yet."""
        return not self.dealt.done()


class Sources:
    """Deals out what may be copied. That is the source alone, until it is known that it may not be copied at will."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._clock = asyncio.get_running_loop().time
        self._most: float = session.plan.copies_per_source or math.inf
        """Copies of one image within an hour."""
        self._origins: dict[str, Origin] = {}
        self._copies: dict[Work, _Copy] = {}
        """The last one that each has wanted."""
        self._timer: asyncio.Handle | None = None
        source = session.plan.source
        self._add(copy_tree.SOURCE, source.home, source)

    async def take(self, work: Work, *, of_source: bool = False, because: str = "") -> Origin:
        """Wait until an image may be copied once more, and say which.

        `because` tells people why it was not copied yet. Raises Deadline where that will not be in time.
        """
        dealt: asyncio.Future[Origin] = asyncio.get_running_loop().create_future()
        copy = self._copies[work] = _Copy(work=work, of_source=of_source, because=because, dealt=dealt)
        self._deal_at(self._clock())
        try:
            origin = await dealt
        finally:
            self._session.calls.next_try.pop(work.replica.location, None)
        if because and not copy.told:
            self._session.changed(work, because)
        return origin

    def give_back(self, work: Work) -> None:
        """What was taken was not copied after all."""
        self._uncount(self._copies[work])
        self._deal_at(self._clock())

    def begun(self, work: Work) -> None:
        """Its insert was accepted: from now on Compute Engine counts the copy, however long that took."""
        self._count(self._copies[work])
        self.place(work)

    def place(self, work: Work) -> None:
        """Its insert was accepted, gave up or has to wait for long: the lead of its family need not wait for it."""
        self._copies[work].placed = True
        self._deal_at(self._clock())

    def exhausted(self, origin: Origin, seconds: float) -> None:
        """Compute Engine makes no more copies of it for so long: from now on replicas serve as sources, too."""
        origin.budget.close(self._clock(), self._session.calls.fitting(seconds, at_least=seconds))
        self._most = min(self._most, COPIES_AN_HOUR)
        for each in self._origins.values():
            each.budget.allowed = self._most
        self._deal_at(self._clock())

    def lost(self, origin: Origin) -> None:
        """It is gone, or is not what was verified. Of the source the service has the last word."""
        if not origin.is_source:
            self._origins.pop(origin.name, None)
        self._deal_at(self._clock())

    def ended(self, work: Work) -> None:
        """A replica came to its end; one that is verified can be copied."""
        if work.verified and work.image is not None:
            self._add(work.replica.location, work.replica.location, work.image)
        self._deal_at(self._clock())

    def _add(self, name: str, location: str, image: Image) -> None:
        budget = Budget(self._most, within=_HOUR)
        self._origins[name] = Origin(name=name, location=location, image=image, budget=budget)

    def _count(self, copy: _Copy) -> None:
        """From now on."""
        self._uncount(copy)
        copy.counts_since = self._clock()
        copy.dealt.result().budget.spend(copy.counts_since)

    def _uncount(self, copy: _Copy) -> None:
        if copy.counts_since is not None:
            copy.dealt.result().budget.unspend(copy.counts_since)
            copy.counts_since = None

    def _deal_at(self, moment: float) -> None:
        """Not at once: all that happens at a moment is looked at together."""
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(moment, self._deal)

    def _deal(self) -> None:
        # Whoever is dealt a copy need not wait any more, so that the lead has to wait for it again.
        for leads, of_source in itertools.product((False, True), (True, False)):
            turn = {
                copy.work.replica.location: copy
                for copy in self._turns()
                if (self._session.plan.is_lead(copy.work.replica), copy.of_source) == (leads, of_source)
            }
            for location, name in copy_tree.assign(list(turn), self._offers(of_source=of_source)).items():
                turn[location].placed = False
                turn[location].dealt.set_result(self._origins[name])
                self._count(turn[location])
        self._wait_on()

    def _turns(self) -> list[_Copy]:
        """Those whose turn it is, in the order of the plan.

        The youngest image is the head of a shared family: its lead is copied after all others were.
        """
        plan, works = self._session.plan, self._session.works
        others = (work for work in works if not plan.is_lead(work.replica))
        last = {plan.lead_of(work.replica) for work in others if not self._is_placed(work)}
        copies = (self._copies[work] for work in works if work in self._copies and work.replica.location not in last)
        return [copy for copy in copies if copy.waits]

    def _is_placed(self, work: Work) -> bool:
        return not work.running or not work.step.copies or (work in self._copies and self._copies[work].placed)

    def _serving(self, *, of_source: bool) -> list[Origin]:
        alone = of_source or math.isinf(self._most)
        return [origin for origin in self._origins.values() if origin.is_source or not alone]

    def _offers(self, *, of_source: bool) -> list[copy_tree.Offer]:
        now = self._clock()
        return [
            copy_tree.Offer(name=origin.name, location=origin.location, free=origin.budget.free(now))
            for origin in self._serving(of_source=of_source)
        ]

    def _wait_on(self) -> None:
        """Tell those left what they wait for, and come back when the next image may be copied again."""
        now, deadline = self._clock(), self._session.calls.deadline
        left = {copy.work for copy in self._copies.values() if copy.waits}
        coming = any(work.running and work not in left for work in self._session.works)
        turns, opens = self._turns(), math.inf
        for work in left.difference(copy.work for copy in turns):
            work.state = _FOR_ITS_FAMILY
        for copy in turns:
            then = min(origin.budget.opens(now) for origin in self._serving(of_source=copy.of_source))
            opens = min(opens, then)
            if coming and not copy.of_source:
                self._tell(copy, _FOR_A_REPLICA, math.inf)
            elif then > deadline:
                copy.dealt.set_exception(self._too_late(copy, then - now))
            else:
                self._tell(copy, "waiting", then)
                if not copy.placed:
                    copy.placed, opens = True, now
        if not math.isinf(opens):
            self._deal_at(opens)

    def _tell(self, copy: _Copy, state: str, until: float) -> None:
        copy.work.state = state
        if copy.told == until:
            return
        told_before, copy.told = copy.told, until
        calls, where = self._session.calls, copy.work.replica.location
        if not math.isinf(until):
            calls.announce(until - self._clock(), where=where, because=self._because(copy))
            return
        calls.next_try.pop(where, None)
        if told_before or copy.because:
            self._session.changed(copy.work, f"{copy.because} Waiting for a replica that can be copied.".strip())

    def _too_late(self, copy: _Copy, seconds: float) -> errors.Deadline:
        minutes = math.ceil(seconds / 60)
        return errors.Deadline(
            f"{self._because(copy)} Waiting {seconds:.0f} s would go beyond {self._session.calls.within}",
            remedy=f"Run this again in {minutes} minutes: it goes on where it stopped. Or raise timeout_minutes.",
        )

    def _because(self, copy: _Copy) -> str:
        return copy.because or f"copies_per_source allows {self._most:.0f} an hour of each image."
