"""Carry a plan out: all locations at once; for each copy → READY → verify → access; then the families move."""

from __future__ import annotations

import asyncio
import traceback
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator import access, errors, faults, lookup, promote, verify
from replicator import plan as planning
from replicator.faults import Credentials, Refusal, Then
from replicator.model import Action, Existing, Policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from replicator.calls import Calls
    from replicator.model import Image, Operation, Plan, Problem
    from replicator.work import Work

#: A copy that someone else began is read again after these seconds: there is no operation of ours to wait for.
_PENDING_PAUSE = 5.0
#: Seconds beyond the deadline in which what was verified is still promoted.
GRACE = 60.0
#: How often a fingerprint or etag may be found stale before we stop competing with whoever changes the image.
_STALE_READS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """What carrying out one plan needs: the plan, the way to the API, and who listens."""

    plan: Plan
    calls: Calls
    works: Sequence[Work]
    changed: Callable[[Work, str], None]
    """Called with a line for people at each change of a replica's state."""

    async def run(self) -> None:
        """Bring every replica to its end, within the deadline, then move the families.

        What became of each stands in the works, at every moment: cancelling leaves them as they are.
        """
        tasks = [asyncio.create_task(self._one(work)) for work in self.works if work.running]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self.calls.deadline - self._now())
        finally:
            for task in tasks:
                task.cancel()
        for work in self.works:
            if work.running:
                self._fail(work, errors.Deadline(f"timeout_minutes passed while {work.replica.ref} was {work.state}"))
        self.calls.deadline = max(self.calls.deadline, self._now()) + GRACE
        await promote.families(self)

    def say(self, work: Work, state: str, text: str = "") -> None:
        """Note and tell a replica's new state."""
        work.state = state
        self.changed(work, text or state)

    async def change(self, work: Work, send: Callable[[], Operation], *, doing: str) -> None:
        """Send a mutating request for a replica's image and wait for its operation; raises where it fails."""
        work.changed = True
        operation = await self.calls(send, doing=doing, where=work.replica.location)
        # Of a copy the operation that made it stays the one to look for.
        work.operation = work.operation if work.made else operation.name
        operation = await self.calls.finish(operation, doing=doing, where=work.replica.location)
        if operation.problem:
            fault = faults.of_problem(operation.problem)
            raise fault.error(f"{doing} failed: {operation.problem.message or operation.problem.code}")

    async def read(self, work: Work) -> Image:
        """Read a replica's image again; it must still be the same one."""
        before = work.image
        ref = work.replica.ref
        image = await self.calls(
            lambda: self.calls.compute.get(ref), doing=f"Reading {ref}", where=work.replica.location
        )
        if before is not None and before.id != image.id:
            raise errors.Drift(f"{ref} was replaced by someone else during the run", remedy="Run this again.")
        work.image = image
        return image

    async def guarded(self, work: Work, doing: str, steps: Callable[[], Awaitable[None]]) -> None:
        """Run a coroutine for one replica; whatever it raises becomes that replica's error and nobody else's."""
        try:
            await steps()
        except errors.ReplicaError as error:
            self._fail(work, error)
        except Refusal as refusal:
            self._fail(work, faults.error_of(refusal, doing=doing))
        except Credentials as error:
            self._fail(work, errors.Forbidden(f"{doing}: the credentials can't be used: {error}"))
        except Exception as error:  # noqa: BLE001 - one location's failure never stops another's copy
            for line in traceback.format_exc().splitlines():
                self.changed(work, line)
            self._fail(work, errors.Internal(f"{doing}: {type(error).__name__}: {error}"))

    def _fail(self, work: Work, error: errors.ReplicaError) -> None:
        work.end(self._now(), error)
        self.say(work, "interrupted" if error.interrupts else "failed", error.message)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _one(self, work: Work) -> None:
        async def steps() -> None:
            image = await self._ready(work)
            await self._settle(work, image)
            work.verified = True
            work.end(self._now())
            self.say(work, "verified")

        await self.guarded(work, f"Making {work.replica.ref}", steps)

    async def _ready(self, work: Work) -> Image:
        step = work.step
        if step.action is Action.CHECK and step.existing:
            return step.existing.image
        if step.action is Action.WAIT:
            return await self._await_ready(work)
        if step.action is Action.REPLACE:
            await self._remove_failed(work)
        return await self._copy(work)

    async def _copy(self, work: Work) -> Image:
        """Insert, wait for the operation, read back. A try after a failed operation is a new request."""
        replica, source = work.replica, self.plan.source
        if self.plan.lead_of(replica) == replica.location:
            group = [other for other in self.works if self.plan.lead_of(other.replica) == replica.location]
            await asyncio.gather(*(other.placed.wait() for other in group if other is not work))
        doing = f"Copying to {replica.location}"
        failures = 0
        while True:
            request_id = str(uuid.uuid4())
            self.say(work, "inserting" if not failures else "inserting again")
            try:
                operation = await self.calls(
                    lambda: self.calls.compute.insert(
                        replica.ref,
                        source=source.ref,
                        location=replica.location,
                        labels=replica.labels,
                        description=replica.description,
                        request_id=request_id,  # noqa: B023
                    ),
                    doing=doing,
                    where=replica.location,
                    before_wait=work.placed.set,
                )
            except Refusal as refusal:
                if faults.of_refusal(refusal).then is Then.LOOK:
                    return await self._look(work)
                raise
            work.made = True
            work.operation = operation.name
            work.placed.set()
            self.say(work, "copying", f"copying ({operation.name})")
            problem = await self._finish_copy(work, operation, doing)
            if problem is None:
                break
            failures += 1
            fault = faults.of_problem(problem)
            said = problem.message or problem.code
            if fault.then is not Then.REPEAT:
                code = "" if problem.code in said else f" ({problem.code})"
                raise fault.error(f"{doing} failed: {said}{code}")
            work.state = "waiting"
            await self.calls.pause(fault.seconds(failures), where=replica.location, because=f"{doing}: {said}.")
        return await self._await_ready(work)

    async def _finish_copy(self, work: Work, operation: Operation, doing: str) -> Problem | None:
        def progress(percent: int) -> None:
            work.percent = percent
            if percent < 100:
                self.changed(work, f"copying, {percent} %")

        try:
            ended = await self.calls.finish(operation, doing=doing, where=work.replica.location, progress=progress)
        except Refusal as refusal:
            if refusal.status == 404:
                # Operations are kept for an hour at least, but best effort: the image itself tells what became of it.
                self.changed(work, f"the operation {operation.name} is gone; looking at the image")
                return None
            raise
        return ended.problem

    async def _look(self, work: Work) -> Image:
        """Something stands under the name since the look-up (another run, or an insert whose answer was lost)."""
        image = await self.read(work)
        found = await lookup.examine(self.calls, self.plan.source, image)
        step = planning.step_for(self.plan.source, self.plan.readers, work.replica, found, replace=False)
        work.placed.set()
        if step.error:
            raise step.error
        work.step = step
        work.policy = found.policy if isinstance(found, Existing) else None
        self.say(work, "checking", f"{work.replica.ref.name} exists already and is a copy of the source")
        return image if step.action is Action.CHECK else await self._await_ready(work)

    async def _await_ready(self, work: Work) -> Image:
        image = await self.read(work)
        while image.status == "PENDING":
            work.placed.set()
            work.state = "pending"
            await self.calls.pause(_PENDING_PAUSE, where=work.replica.location, because=f"{image.ref.name} is PENDING.")
            image = await self.read(work)
        if image.status != "READY":
            raise planning.image_failed(image.ref, f"{image.ref} is in state {image.status}")
        return image

    async def _remove_failed(self, work: Work) -> None:
        """Delete a failed copy of ours, if it is still what the plan saw."""
        existing = work.step.existing
        image = await self.read(work)
        if existing is None or image != existing.image:
            raise errors.ImageFailed(
                f"{image.ref} changed since the plan was made, so it was not replaced", remedy="Run this again."
            )
        self.say(work, "replacing", f"removing {image.ref.name}, a FAILED copy of the source")
        request_id = str(uuid.uuid4())
        delete = lambda: self.calls.compute.delete(image.ref, request_id=request_id)  # noqa: E731
        await self.change(work, delete, doing=f"Removing {image.ref}")
        work.image = None

    async def _settle(self, work: Work, image: Image) -> None:
        """Verify what can't be changed, then repair what can: description, labels, access."""
        replica, plan = work.replica, self.plan
        if image.source_image_id != plan.source.id and work.made:
            raise errors.SourceChanged(
                f"{image.ref} was copied from the image with id {image.source_image_id or 'unknown'}, "
                f"but the source had id {plan.source.id}",
                remedy=f"Remove it with `{planning.removal(image.ref)}` and run this again with the source you mean.",
            )
        differences = verify.content(plan.source, replica, image)
        if differences:
            raise planning.drift(image.ref, differences)
        undescribed, unlabelled = verify.description(replica, image), verify.labels(replica, image)
        if undescribed:
            await self._describe(work, image)
        if unlabelled:
            await self._label(work)
        if undescribed or unlabelled:
            image = await self.read(work)
            left = (*verify.description(replica, image), *verify.labels(replica, image))
            if left:
                raise planning.drift(image.ref, left)
        await self._open(work)

    async def _describe(self, work: Work, image: Image) -> None:
        request_id = str(uuid.uuid4())
        text = work.replica.description
        await self.change(
            work,
            lambda: self.calls.compute.patch(image.ref, description=text, request_id=request_id),
            doing=f"Describing {image.ref}",
        )

    async def _label(self, work: Work) -> None:
        async def set_them() -> None:
            image = work.image or await self.read(work)
            labels = {**image.labels, **work.replica.labels}
            await self.change(
                work,
                lambda: self.calls.compute.set_labels(image.ref, labels, image.label_fingerprint),
                doing=f"Labelling {image.ref}",
            )

        async def reread() -> None:
            await self.read(work)

        await self._until_fresh(work, set_them, reread)

    async def _open(self, work: Work) -> None:
        """Add the readers that the image's own policy lacks, and check the policy that is then in force."""
        compute, ref, wanted = self.calls.compute, work.replica.ref, self.plan.readers

        async def read_policy() -> None:
            work.policy = await self.calls(
                lambda: compute.get_policy(ref), doing=f"Reading who may use {ref}", where=work.replica.location
            )

        async def add() -> None:
            policy = work.policy or Policy()
            if not access.missing(policy, wanted):
                return
            work.changed = True
            work.policy = await self.calls(
                lambda: compute.set_policy(ref, access.with_added(policy, wanted)),
                doing=f"Opening {ref} to {access.describe(wanted)}",
                where=work.replica.location,
            )

        if work.policy is None:
            await read_policy()
        await self._until_fresh(work, add, read_policy)
        lacking = verify.readers(wanted, work.policy or Policy())
        if lacking:
            raise errors.Drift(
                f"{ref} is not open as wanted after it was opened: {lacking[0]}", remedy="Run this again."
            )

    async def _until_fresh(
        self, work: Work, act: Callable[[], Awaitable[None]], reread: Callable[[], Awaitable[None]]
    ) -> None:
        """Do something that is guarded by a fingerprint or etag; when that is stale, read again and repeat."""
        for attempt in range(1, _STALE_READS + 1):
            try:
                await act()
            except Refusal as refusal:
                fault = faults.of_refusal(refusal)
                if fault.then is not Then.READ_AGAIN or attempt == _STALE_READS:
                    raise
                await self.calls.pause(
                    fault.seconds(attempt), where=work.replica.location, because="Someone changed the image meanwhile."
                )
                await reread()
            else:
                return
