"""Calls of the API beside each other: in threads of their own, repeated as `faults` says, within the deadline."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from replicator import errors, faults
from replicator.faults import Refusal, Then

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.gce import Compute
    from replicator.model import Operation

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: From so many seconds on a wait is long enough to let others go first.
LONG_WAIT = 10.0
#: How long one replica's call stays unanswered, in seconds, before the replica is given up.
PATIENCE = 600.0
#: Waits are lengthened by up to this part, so that several jobs do not come back at the same moment.
_JITTER = 0.1
#: `globalOperations.wait` is best effort and may answer at once; then we wait these seconds, doubled each time.
_SHORTEST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0


class DaemonThreads(Executor):
    """A thread for each call that ends with the process.

    The standard library's pool joins its threads at exit, where one of them may sit in a wait of two minutes.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run it in a thread of its own."""
        future: Future[_T] = Future()

        def run() -> None:
            # From here on a cancelled wait lets go of the answer instead of taking it from the thread.
            if not future.set_running_or_notify_cancel():
                return
            try:
                answer = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits for the answer
                future.set_exception(error)
            else:
                future.set_result(answer)

        threading.Thread(target=run, daemon=True).start()
        return future


class Calls:
    """Sends requests without stopping the others, and repeats those that are worth repeating."""

    def __init__(self, compute: Compute, *, deadline: float, tell: Callable[[str, str], None]) -> None:
        self.compute = compute
        self.deadline = deadline
        """On the event loop's clock, in seconds."""
        self._tell = tell
        self._threads = DaemonThreads()

    async def __call__(
        self,
        send: Callable[[], _T],
        *,
        doing: str,
        where: str,
        patience: float = PATIENCE,
        before_wait: Callable[[], None] | None = None,
    ) -> _T:
        """Send a request, the same again while its fault says so and there is time.

        `before_wait` is called before a wait that others need not share.
        `doing` and `where` are for people: what is being done, for which location. Raises Refusal for a fault that
        is not repeated, or that stayed unanswered for `patience` seconds, and Deadline where the next try would
        come too late.
        """
        loop = asyncio.get_running_loop()
        lost_since: float | None = None
        too_late = False

        def out_of_time(state: RetryCallState) -> bool:
            return loop.time() + state.upcoming_sleep > self.deadline

        def out_of_patience(state: RetryCallState) -> bool:
            nonlocal lost_since
            if _fault(state).error is not errors.Unreachable:
                lost_since = None
                return False
            lost_since = loop.time() if lost_since is None else lost_since
            return loop.time() + state.upcoming_sleep - lost_since > patience

        def before_sleep(state: RetryCallState) -> None:
            if before_wait and state.upcoming_sleep >= LONG_WAIT:
                before_wait()
            refusal = _refusal(state)
            self._tell(where, f"{doing}: {refusal.message} Trying again in {state.upcoming_sleep:.0f} s.")

        def stop(state: RetryCallState) -> bool:
            nonlocal too_late
            impatient = out_of_patience(state)
            too_late = out_of_time(state) and not impatient
            return too_late or impatient

        async def in_thread() -> _T:
            return await loop.run_in_executor(self._threads, send)

        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_repeated),
            wait=_wait,
            stop=stop,
            sleep=asyncio.sleep,
            before_sleep=before_sleep,
            reraise=True,
        )
        try:
            return await retrying(in_thread)
        except Refusal as refusal:
            if too_late:
                said = f"{faults.of_refusal(refusal).error.reason}: {refusal.message}"
                raise errors.Deadline(f"{doing}: timeout_minutes would pass before the next try ({said})") from refusal
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
            asked, began = operation, loop.time()
            operation = await self(lambda: self.compute.wait(asked), doing=doing, where=where)  # noqa: B023
            if progress:
                progress(operation.progress)
            if not operation.done and loop.time() - began < _SHORTEST_PAUSE:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        return operation

    async def pause(self, seconds: float, *, where: str, because: str = "") -> None:
        """Wait, and tell people why, where a reason is given. Raises Deadline where the wait would end too late."""
        waiting = _with_jitter(seconds)
        if asyncio.get_running_loop().time() + waiting > self.deadline:
            raise errors.Deadline(f"{because} Waiting {waiting:.0f} s would go beyond timeout_minutes".strip())
        if because:
            self._tell(where, f"{because} Trying again in {waiting:.0f} s.")
        await asyncio.sleep(waiting)


def _refusal(state: RetryCallState) -> Refusal:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, Refusal):
        raise TypeError("only refusals are repeated")
    return error


def _fault(state: RetryCallState) -> faults.Fault:
    return faults.of_refusal(_refusal(state))


def _is_repeated(error: BaseException) -> bool:
    return isinstance(error, Refusal) and faults.of_refusal(error).then is Then.REPEAT


def _wait(state: RetryCallState) -> float:
    return _with_jitter(max(_fault(state).seconds(state.attempt_number), _refusal(state).retry_after))


def _with_jitter(seconds: float) -> float:
    return seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311 - to spread load, not to keep a secret
