"""Connects the copy queue to the event loop: futures, one timer, and what people are told of waits."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec

from replicator.core import errors
from replicator.replicas.copy_queue import CopyQueue, Reason, Wait
from replicator.replicas.copy_tree import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.core.images import Image
    from replicator.replicas.session import Session
    from replicator.replicas.work import Work

_Args = ParamSpec("_Args")

#: The state that people read while a location waits.
_STATES = {
    Reason.FAMILY: "waiting for the others of its family",
    Reason.REPLICA: "waiting for a replica to copy",
    Reason.LIMIT: "waiting until its source may be copied again",
}


@dataclass(frozen=True, slots=True)
class Parent:
    """An image that a location is copied from: the source, or a verified replica."""

    origin: str
    """The queue's name for it: SOURCE, or the replica's location."""
    image: Image

    @property
    def is_source(self) -> bool:
        """Whether it is the source itself, not a replica."""
        return self.origin == SOURCE


@dataclass(kw_only=True, eq=False)
class _Ask:
    """The last request of a location for a copy."""

    work: Work
    because: str
    """Why the location was not copied yet, for people."""
    answer: asyncio.Future[Parent]
    told: float = 0.0
    """The time until which people were told it waits; infinite if that is unknown, 0 if they were told nothing."""


class Schedule:
    """Drives the copy queue of one run on the event loop: owns the timer, the awaited answers, and what people read."""

    def __init__(self, session: Session) -> None:
        plan, running = session.plan, [work for work in session.works if work.running]
        self._session = session
        self._clock = asyncio.get_running_loop().time
        self._queue = CopyQueue(
            plan.source.home,
            {work.replica.location: plan.lead_of(work.replica) for work in running},
            expected=[work.replica.location for work in running if work.step.copies],
            most=plan.copies_per_source or math.inf,
            deadline=session.calls.deadline,
        )
        self._parents = {SOURCE: Parent(SOURCE, plan.source)}
        self._asks: dict[str, _Ask] = {}
        self._timer: asyncio.Handle | None = None

    async def take(self, work: Work, *, of_source: bool = False, because: str = "") -> Parent:
        """Wait until an image may be copied to this replica's location, and return it.

        `because` tells people why it was not copied yet. Raises Deadline if that would be too late.
        """
        location, answer = work.replica.location, asyncio.get_running_loop().create_future()
        ask = self._asks[location] = _Ask(work=work, because=because, answer=answer)
        self._note(self._queue.ask, location, of_source=of_source)
        try:
            parent: Parent = await answer
        finally:
            self._session.calls.next_try.pop(location, None)
        if because and not ask.told:
            self._session.changed(work, because)
        return parent

    def give_back(self, work: Work) -> None:
        """Note that the image taken last was not copied after all."""
        self._note(self._queue.give_back, work.replica.location)

    def begun(self, work: Work) -> None:
        """Note that the insert was accepted."""
        self._note(self._queue.begun, work.replica.location, self._clock())

    def place(self, work: Work) -> None:
        """Note that the family's lead need not wait: the insert has to wait for long, or isn't needed."""
        self._note(self._queue.place, work.replica.location)

    def exhausted(self, parent: Parent, seconds: float) -> None:
        """Note that Compute Engine makes no more copies of this image for that many seconds."""
        closed = self._session.calls.fitting(seconds, at_least=seconds)
        self._note(self._queue.exhausted, parent.origin, self._clock(), closed)

    def lost(self, parent: Parent) -> None:
        """Note that this image is gone, or isn't the verified one any more."""
        self._note(self._queue.lost, parent.origin)

    def ended(self, work: Work) -> None:
        """Note that a replica ended; a verified one can be copied from now on."""
        location = work.replica.location
        if work.verified and work.image is not None:
            self._parents[location] = Parent(location, work.image)
        self._note(self._queue.ended, location, is_origin=location in self._parents)

    def _note(self, event: Callable[_Args, None], *args: _Args.args, **named: _Args.kwargs) -> None:
        """Tell the queue about an event, and deal again."""
        event(*args, **named)
        self._look_at(self._clock())

    def _look_at(self, moment: float) -> None:
        """Deal at that moment, not at once even if it is now: events of one moment are dealt with together."""
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(moment, self._deal)

    def _deal(self) -> None:
        now = self._clock()
        for location, ask in self._asks.items():
            if ask.answer.cancelled():
                self._queue.withdraw(location)
        for location, origin in self._queue.deal(now):
            self._asks[location].answer.set_result(self._parents[origin])
        waits = self._queue.waits(now)
        for wait in waits:
            self._tell(wait, now)
        next_look = min((wait.until for wait in waits), default=math.inf)
        if not math.isinf(next_look):
            self._look_at(next_look)

    def _tell(self, wait: Wait, now: float) -> None:
        """Tell people what a location waits for, and why if that is news; end a wait that would be too long."""
        ask = self._asks[wait.location]
        if wait.reason is Reason.TOO_LATE:
            self._queue.withdraw(wait.location)
            ask.answer.set_exception(self._too_late(ask, wait.until - now))
            return
        ask.work.state = _STATES[wait.reason]
        until = wait.until if wait.reason is Reason.LIMIT else math.inf
        if wait.reason is Reason.FAMILY or ask.told == until:
            return
        told_before, ask.told = ask.told, until
        calls = self._session.calls
        if wait.reason is Reason.LIMIT:
            calls.announce(until - now, where=wait.location, because=self._because(ask))
            return
        calls.next_try.pop(wait.location, None)
        if told_before or ask.because:
            why = f"{ask.because} Waiting for a replica that can be copied."
            self._session.changed(ask.work, why.strip())

    def _too_late(self, ask: _Ask, seconds: float) -> errors.Deadline:
        minutes = math.ceil(seconds / 60)
        return errors.Deadline(
            f"{self._because(ask)} Waiting {seconds:.0f} s would go beyond {self._session.calls.within}",
            remedy=f"Run this again in {minutes} minutes: it continues where it stopped. Or raise timeout_minutes.",
        )

    def _because(self, ask: _Ask) -> str:
        return ask.because or f"copies_per_source allows {self._queue.most:.0f} an hour of each image."
