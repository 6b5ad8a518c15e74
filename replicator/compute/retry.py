"""Sends and repeats calls of the API: honours Retry-After and the table of refusals, and keeps to the rate limits.

Calls run at the same time, each in its own thread, and none is repeated after the deadline.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from replicator.compute.rate_limit import CHANGES_A_MINUTE, READS_A_MINUTE, Pace
from replicator.compute.refusals import Fault, Refusal, Then
from replicator.compute.threads import DaemonThreads
from replicator.compute.waits import LONG_WAIT, Waits
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.compute.client import Compute
    from replicator.compute.rate_limit import Request

_T = TypeVar("_T")

#: Seconds without an answer to one replica's call before the replica is given up.
PATIENCE = 600.0


class Calls(Waits):
    """Sends requests without blocking each other, and repeats those that are worth repeating."""

    def __init__(
        self, compute: Compute, *, deadline: float, tell: Callable[[str, str], None], within: str = "timeout_minutes"
    ) -> None:
        super().__init__(deadline=deadline, tell=tell, within=within)
        self.compute = compute
        self._threads = DaemonThreads()
        self._paces: dict[tuple[str, bool], Pace] = {}

    async def __call__(
        self,
        request: Request[_T],
        *,
        doing: str,
        where: str,
        patience: float = PATIENCE,
        limit: float = math.inf,
        before_wait: Callable[[], None] | None = None,
    ) -> _T:
        """Send a request when its project's rate limit allows, and repeat it while its fault says so and there is time.

        `before_wait` is called before a long wait, so that the caller can let others go first. `doing` and `where` are
        for people: what is being done, for which location. Raises Refusal if the fault isn't repeated, if there was no
        answer for `patience` seconds, or if the next try would come after `limit` seconds. Raises Deadline if the next
        try would come after the deadline.
        """
        tries = _Tries(self, doing=doing, where=where, patience=patience, limit=limit, before_wait=before_wait)

        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_repeated),
            wait=tries.wait,
            stop=tries.stop,
            sleep=tries.rest,
            before_sleep=tries.note,
            reraise=True,
        )
        try:
            return await retrying(self._send, request, tries, where)
        except Refusal as refusal:
            refusal.doing = doing
            if tries.too_late:
                said = f"{refusal.fault.error.reason}: {refusal.message}"
                raise errors.Deadline(f"{doing}: {self.within} would pass before the next try ({said})") from refusal
            raise

    async def _send(self, request: Request[_T], call: object, where: str) -> _T:
        """Send a request once, in its turn."""
        pace, loop = self._pace(request), asyncio.get_running_loop()
        sent = await self._turn(request, where)
        try:
            answer = await loop.run_in_executor(self._threads, request.send)
        except Refusal as refusal:
            if refusal.fault.error is errors.Rate:
                pace.refused(call, sent, loop.time(), seconds=refusal.retry_after)
            raise
        pace.accepted(sent)
        return answer

    def _pace(self, request: Request[Any]) -> Pace:
        most = CHANGES_A_MINUTE if request.changes else READS_A_MINUTE
        return self._paces.setdefault((request.project, request.changes), Pace(most))

    async def _turn(self, request: Request[Any], where: str) -> float:
        """Wait until the project may be sent another request, and say when. Raises Deadline where that is too late."""
        pace, clock = self._pace(request), asyncio.get_running_loop().time
        while (seconds := pace.opens(now := clock()) - now) > 0:
            kind = "changes" if request.changes else "reads"
            because = f"{request.project} is sent {pace.allowed} {kind} a minute at most, to stay within its quota."
            await self.pause(seconds, at_least=seconds, where=where, because=because if seconds >= LONG_WAIT else "")
        pace.spend(now)
        return now


class _Tries:
    """Decides how one call is repeated: how long to wait, when to give up, what to tell people."""

    def __init__(
        self,
        calls: Calls,
        *,
        doing: str,
        where: str,
        patience: float,
        limit: float,
        before_wait: Callable[[], None] | None,
    ) -> None:
        self.too_late = False
        """Whether the call was given up because the next try would come after the deadline."""
        self._calls, self._doing, self._where = calls, doing, where
        self._patience, self._before_wait = patience, before_wait
        self._clock = asyncio.get_running_loop().time
        self._ends = self._clock() + limit
        self._lost_since: float | None = None
        self._because = ""

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds until the next try."""
        fault, asked = _fault(state), _refusal(state).retry_after
        usual = max(fault.seconds(state.attempt_number), asked)
        return self._calls.fitting(usual, at_least=max(fault.wait, asked))

    def stop(self, state: RetryCallState) -> bool:
        """Return whether to give up."""
        then = self._clock() + state.upcoming_sleep
        if _fault(state).error is not errors.Unreachable:
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = self._clock()
        impatient = then > self._ends or (self._lost_since is not None and then - self._lost_since > self._patience)
        self.too_late = then > self._calls.deadline and not impatient
        return self.too_late or impatient

    def note(self, state: RetryCallState) -> None:
        """Keep the reason for the next try, for people."""
        refusal, fault = _refusal(state), _fault(state)
        self._because = errors.because(self._doing, refusal.message, fault.error.why)

    async def rest(self, seconds: float) -> None:
        """Wait for the next try."""
        if self._before_wait and seconds >= LONG_WAIT:
            self._before_wait()
        await self._calls.rest(seconds, where=self._where, because=self._because)


def _refusal(state: RetryCallState) -> Refusal:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, Refusal):
        raise TypeError("only refusals are repeated")
    return error


def _fault(state: RetryCallState) -> Fault:
    return _refusal(state).fault


def _is_repeated(error: BaseException) -> bool:
    return isinstance(error, Refusal) and error.fault.then is Then.REPEAT
