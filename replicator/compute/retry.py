"""Calls of the API beside each other: in threads of their own, at the pace that the projects' quotas allow, repeated
as `refusals` says, within the deadline.
"""

from __future__ import annotations

import asyncio
import math
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from replicator.compute import refusals
from replicator.compute.rate_limit import CHANGES_A_MINUTE, READS_A_MINUTE, Budget
from replicator.compute.refusals import Refusal, Then
from replicator.compute.threads import DaemonThreads
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.compute.client import Compute
    from replicator.compute.rate_limit import Request
    from replicator.core.images import Operation

_T = TypeVar("_T")

#: From so many seconds on a wait is long enough to let others go first.
LONG_WAIT = 10.0
#: How long one replica's call stays unanswered, in seconds, before the replica is given up.
PATIENCE = 600.0
#: Waits are lengthened by up to this part, so that several jobs do not come back at the same moment.
_JITTER = 0.1
#: The last try is made so many seconds before the deadline, so that its answer can still come.
_LAST_TRY = 5.0
#: `globalOperations.wait` is best effort and may answer at once; then we wait these seconds, doubled each time.
_SHORTEST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0


class Calls:
    """Sends requests without stopping the others, and repeats those that are worth repeating."""

    def __init__(
        self, compute: Compute, *, deadline: float, tell: Callable[[str, str], None], within: str = "timeout_minutes"
    ) -> None:
        self.compute = compute
        self.deadline = deadline
        """On the event loop's clock, in seconds."""
        self.within = within
        """For people: what sets the deadline."""
        self.next_try: dict[str, str] = {}
        """For people: the time of day at which a location that has to wait goes on, by location."""
        self._tell = tell
        self._threads = DaemonThreads()
        self._budgets: dict[tuple[str, bool], Budget] = {}

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
        """Send a request in its turn, the same again while its fault says so and there is time.

        `before_wait` is called before a wait that others need not share.
        `doing` and `where` are for people: what is being done, for which location. Raises Refusal for a fault that
        is not repeated, that stayed unanswered for `patience` seconds or would be repeated beyond `limit` seconds,
        and Deadline where the next try would come too late.
        """
        tries = _Tries(self, doing=doing, where=where, patience=patience, limit=limit, before_wait=before_wait)

        async def send() -> _T:
            await self._turn(request, where)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, request.send)
            except Refusal as refusal:
                self._slow_down(request, refusal)
                raise

        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_repeated),
            wait=tries.wait,
            stop=tries.stop,
            sleep=tries.rest,
            before_sleep=tries.note,
            reraise=True,
        )
        try:
            return await retrying(send)
        except Refusal as refusal:
            if tries.too_late:
                said = f"{refusals.of_refusal(refusal).error.reason}: {refusal.message}"
                raise errors.Deadline(f"{doing}: {self.within} would pass before the next try ({said})") from refusal
            raise

    async def finish(
        self, operation: Operation, *, doing: str, where: str, progress: Callable[[int], None] | None = None
    ) -> Operation:
        """Wait until an operation is DONE, by long polls. Whether it failed stands in its `problem`.

        Raises Refusal with status 404 where the operation is gone.
        """
        loop = asyncio.get_running_loop()
        pause = _SHORTEST_PAUSE
        while not operation.done:
            began = loop.time()
            operation = await self(self.compute.wait(operation), doing=doing, where=where)
            if progress:
                progress(operation.progress)
            if not operation.done and loop.time() - began < _SHORTEST_PAUSE:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        return operation

    def _budget(self, request: Request[Any]) -> Budget:
        most = CHANGES_A_MINUTE if request.changes else READS_A_MINUTE
        return self._budgets.setdefault((request.project, request.changes), Budget(most))

    async def _turn(self, request: Request[Any], where: str) -> None:
        """Wait until the project may be sent another request. Raises Deadline where that is too late."""
        budget, clock = self._budget(request), asyncio.get_running_loop().time
        while (seconds := budget.opens(now := clock()) - now) > 0:
            kind = "changes" if request.changes else "reads"
            because = f"{request.project} is sent {budget.allowed} {kind} a minute at most, to stay within its quota."
            await self.pause(seconds, at_least=seconds, where=where, because=because if seconds >= LONG_WAIT else "")
        budget.spend(now)

    def _slow_down(self, request: Request[Any], refusal: Refusal) -> None:
        fault = refusals.of_refusal(refusal)
        if fault.error is errors.Rate:
            seconds = max(fault.wait, refusal.retry_after)
            self._budget(request).refused(asyncio.get_running_loop().time(), seconds)

    async def pause(self, seconds: float, *, at_least: float = 1.0, where: str, because: str = "") -> None:
        """Wait, and tell people why, where a reason is given. Raises Deadline where the wait would end too late.

        Near the deadline it is shortened, but to no less than `at_least`, so that there is one more try.
        """
        waiting = self.fitting(seconds, at_least=at_least)
        if asyncio.get_running_loop().time() + waiting > self.deadline:
            raise errors.Deadline(f"{because} Waiting {waiting:.0f} s would go beyond {self.within}".strip())
        await self.rest(waiting, where=where, because=because)

    def fitting(self, seconds: float, *, at_least: float) -> float:
        """The wait to make: a little longer than asked, or just short enough for one more try before the deadline.

        Never shorter than `at_least`, even where that is longer than the time left.
        """
        left = self.deadline - asyncio.get_running_loop().time()
        usual = seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311 - to spread load, not to keep a secret
        return min(usual, max(at_least, left - _LAST_TRY))

    async def rest(self, seconds: float, *, where: str, because: str) -> None:
        """Sleep, and tell people why and until when; the deadline is the caller's to keep."""
        if because:
            self.announce(seconds, where=where, because=because)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.next_try.pop(where, None)

    def announce(self, seconds: float, *, where: str, because: str) -> None:
        """Tell people for how long something waits, and why; `next_try` has it from now on, if it is long."""
        at = f"{datetime.now(UTC) + timedelta(seconds=seconds):%H:%M} UTC"
        long = seconds >= LONG_WAIT
        self._tell(where, f"{because} Next try in {seconds:.0f} s{f', at {at}' if long else ''}.")
        if long:
            self.next_try[where] = f"next try {at}"


class _Tries:
    """How one call is repeated: how long to wait, when to give it up, what to tell."""

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
        """Whether it was given up because the next try would come after the deadline."""
        self._calls, self._doing, self._where = calls, doing, where
        self._patience, self._before_wait = patience, before_wait
        self._clock = asyncio.get_running_loop().time
        self._ends = self._clock() + limit
        self._lost_since: float | None = None
        self._because = ""

    def wait(self, state: RetryCallState) -> float:
        """Seconds until the next try."""
        fault, asked = _fault(state), _refusal(state).retry_after
        usual = max(fault.seconds(state.attempt_number), asked)
        return self._calls.fitting(usual, at_least=max(fault.wait, asked))

    def stop(self, state: RetryCallState) -> bool:
        """Whether there is no next try."""
        then = self._clock() + state.upcoming_sleep
        if _fault(state).error is not errors.Unreachable:
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = self._clock()
        impatient = then > self._ends or (self._lost_since is not None and then - self._lost_since > self._patience)
        self.too_late = then > self._calls.deadline and not impatient
        return self.too_late or impatient

    def note(self, state: RetryCallState) -> None:
        """Keep for people why there is a next try."""
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


def _fault(state: RetryCallState) -> refusals.Fault:
    return refusals.of_refusal(_refusal(state))


def _is_repeated(error: BaseException) -> bool:
    return isinstance(error, Refusal) and refusals.of_refusal(error).then is Then.REPEAT
