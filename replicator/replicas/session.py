"""Makes one change to one image: sends it, waits for its operation, reads the image back; failures become errors."""

from __future__ import annotations

import asyncio
import traceback
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.compute import operations, refusals
from replicator.compute.errors import SignInFailed
from replicator.compute.refusals import Failed, Refusal, Then
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from replicator.compute.rate_limit import Request
    from replicator.compute.retry import Calls
    from replicator.core.images import Image, Operation
    from replicator.core.replicas import Plan
    from replicator.replicas.work import Work


#: Seconds between repeated reads: a read may lag behind the change before it.
_LAGS = (1.0, 2.0, 4.0, 8.0)
_REPLACED = (
    "Another image has its name now: find out who makes it, or choose another name_template; then run this again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One plan being carried out."""

    plan: Plan
    calls: Calls
    works: Sequence[Work]
    changed: Callable[[Work, str], None]
    """Called with a replica and a line for people at each change of its state."""

    def say(self, work: Work, state: str, text: str = "") -> None:
        """Set a replica's state, and tell people about it."""
        work.state = state
        self.changed(work, text or state)

    def fail(self, work: Work, error: errors.ReplicaError) -> None:
        """End a replica with an error."""
        work.end(asyncio.get_running_loop().time(), error)
        self.say(work, "interrupted" if error.interrupts else "failed", error.what)

    async def read(self, work: Work) -> Image:
        """Read a replica's image again. Raises Drift if another image has its name by now."""
        before, ref = work.image, work.replica.ref
        image = await self.calls(self.calls.compute.get(ref), doing=f"Reading {ref}", where=work.replica.location)
        if before is not None and before.id != image.id:
            raise errors.Drift(f"{ref} was replaced by someone else during the run", remedy=_REPLACED)
        work.image = image
        return image

    async def read_back(self, work: Work, shows: Callable[[Image], bool] = lambda _: True) -> Image:
        """Read a replica's image until it exists and `shows` the change that was made, for 15 seconds at most.

        Returns the last answer, even if it doesn't show the change. Raises as `read` does.
        """
        for seconds in _LAGS:
            try:
                image = await self.read(work)
            except Refusal as refusal:
                if refusal.status != 404:
                    raise
            else:
                if shows(image):
                    return image
            await self.calls.pause(seconds, where=work.replica.location)
        return await self.read(work)

    async def change(self, work: Work, asked: Callable[[str], Request[Operation]], *, doing: str) -> None:
        """Send a mutating request for a replica's image and wait for its operation. Raises if the operation fails.

        `asked` makes the request with a requestId. After an operation that failed, it is called with a new one.
        """
        work.changed = True
        failures = 0
        while True:
            request = asked(str(uuid.uuid4()))
            operation = await self.calls(request, doing=doing, where=work.replica.location)
            # Of a copy the operation that made it stays the one to look for.
            work.operation = work.operation if work.made else operation.name
            problem = (await self.finish(work, operation, doing=doing)).problem
            if problem is None:
                return
            failures += 1
            await self.wait_out(work, Failed(request.method, request.project, problem), failures, doing=doing)

    async def wait_out(self, work: Work, failed: Failed, failures: int, *, doing: str) -> None:
        """Wait after an operation that ended in error, where a new request may do and the deadline allows; else raise.

        `failures`: how many ended so, this one included.
        """
        fault, failed.doing = failed.fault, doing
        if fault.then is not Then.REPEAT or failures == fault.tries:
            raise failed
        work.state = f"waiting ({fault.error.reason})"
        because = errors.because(doing, failed.message, fault.error.why)
        where = work.replica.location
        await self.calls.pause(fault.seconds(failures), at_least=fault.wait, where=where, because=because)

    async def finish(
        self, work: Work, operation: Operation, *, doing: str, progress: Callable[[int], None] | None = None
    ) -> Operation:
        """Wait until an operation is DONE or gone: they are kept for a while only, and the image shows the rest."""
        where = work.replica.location
        try:
            return await operations.finish(self.calls, operation, doing=doing, where=where, progress=progress)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            self.changed(work, f"the operation {operation.name} is gone; looking at the image")
            return operation

    async def guarded(self, work: Work, doing: str, act: Callable[[Session, Work], Awaitable[None]]) -> None:
        """Call `act` for one replica. Anything that it raises becomes the error of that replica alone."""
        try:
            await act(self, work)
        except errors.ReplicaError as error:
            self.fail(work, error)
        except Refusal as refusal:
            self.fail(work, refusals.error_of(refusal, doing=doing))
        except SignInFailed as error:
            self.fail(work, errors.Forbidden(f"{doing}: {error.what}", remedy=error.todo))
        except Exception as error:  # noqa: BLE001 - one location's failure never stops another's copy
            for line in traceback.format_exc().splitlines():
                self.changed(work, line)
            self.fail(work, errors.Internal(f"{doing}: {type(error).__name__}: {error}"))

    async def all_of(self, works: Sequence[Work], doing: str, act: Callable[[Session, Work], Awaitable[None]]) -> None:
        """Call `act` for several replicas at once, until the deadline. Replicas not done by then end as interrupted."""
        tasks = {asyncio.create_task(self.guarded(work, f"{doing} {work.replica.ref}", act)): work for work in works}
        pending = set(tasks)
        try:
            if tasks:
                left = self.calls.deadline - asyncio.get_running_loop().time()
                _, pending = await asyncio.wait(tasks, timeout=max(left, 0))
        finally:
            for task in pending:
                task.cancel()
        for task in pending:
            work = tasks[task]
            self.fail(work, errors.Deadline(f"timeout_minutes passed while {work.replica.ref} was {work.state}"))
