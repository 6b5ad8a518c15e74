"""Hands each location the image that it is copied from when the queue deals one, and tells people of waits."""

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

#: What people read of a location that waits.
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
        """Whether it is the source, and no copy itself."""
        return self.origin == SOURCE


@dataclass(kw_only=True, eq=False)
class _Ask:
    """What a location asked for last."""

    work: Work
    because: str
    """Why it was not copied yet, for people."""
    answer: asyncio.Future[Parent]
    told: float = 0.0
    """Until when it has to wait, as people were told; infinite where no time is known."""


class Schedule:
    """The copy queue of one run, on the event loop: owns the timer, the answers awaited, and what people read."""

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
        """Wait until an image may be copied once more, and say which.

        `because` tells people why it was not copied yet. Raises Deadline where that will not be in time.
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
        """What was taken was not copied after all."""
        self._note(self._queue.give_back, work.replica.location)

    def begun(self, work: Work) -> None:
        """The insert was accepted."""
        self._note(self._queue.begun, work.replica.location, self._clock())

    def place(self, work: Work) -> None:
        """The insert has to wait for long, or need not be sent: the lead of the family need not wait for it."""
        self._note(self._queue.place, work.replica.location)

    def exhausted(self, parent: Parent, seconds: float) -> None:
        """Compute Engine makes no more copies of this image for so many seconds."""
        closed = self._session.calls.fitting(seconds, at_least=seconds)
        self._note(self._queue.exhausted, parent.origin, self._clock(), closed)

    def lost(self, parent: Parent) -> None:
        """This image is gone, or isn't what was verified."""
        self._note(self._queue.lost, parent.origin)

    def ended(self, work: Work) -> None:
        """A replica came to its end; a verified one can be copied."""
        location = work.replica.location
        if work.verified and work.image is not None:
            self._parents[location] = Parent(location, work.image)
        self._note(self._queue.ended, location, is_origin=location in self._parents)

    def _note(self, event: Callable[_Args, None], *args: _Args.args, **named: _Args.kwargs) -> None:
        """Let the queue know of an event, and see what it deals now."""
        event(*args, **named)
        self._look_at(self._clock())

    def _look_at(self, moment: float) -> None:
        """Deal at that moment, even if it is now: all that happens at one moment is looked at together."""
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
        """Let people read what a location waits for, and why where that is news; what would be too late is refused."""
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
            remedy=f"Run this again in {minutes} minutes: it goes on where it stopped. Or raise timeout_minutes.",
        )

    def _because(self, ask: _Ask) -> str:
        return ask.because or f"copies_per_source allows {self._queue.most:.0f} an hour of each image."
