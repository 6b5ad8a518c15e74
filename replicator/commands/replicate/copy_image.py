"""From nothing, or from whatever stands there already, to a READY copy of the source or of another replica."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from replicator.compute import lookup, refusals
from replicator.compute.refusals import Refusal, Then
from replicator.core import errors
from replicator.core.replicas import Action, Existing
from replicator.replicas import plan as planning

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.commands.replicate.schedule import Parent, Schedule
    from replicator.compute.refusals import Fault
    from replicator.core.images import Image, Operation
    from replicator.replicas.session import Session
    from replicator.replicas.work import Work


#: A copy that someone else began is read again after so many seconds: there is no operation of ours to wait for.
_SHORTEST_PAUSE = 5.0
_LONGEST_PAUSE = 30.0
#: Whether it is the copy that is refused so, or the replica that was to be copied: the source tells.
_DOUBTFUL = frozenset({errors.Forbidden, errors.OrgPolicy, errors.OperationFailed})


async def make_ready(session: Session, work: Work, schedule: Schedule) -> Image:
    """Do what the plan says about a replica's image, until it is READY. Not verified, opened or promoted yet."""
    step = work.step
    if step.action is Action.CHECK and step.existing:
        return step.existing.image
    if step.action is Action.WAIT and (image := await _await_theirs(session, work)):
        return image
    if step.action is Action.REPLACE:
        await _remove_failed(session, work)
    return await _copy(session, work, schedule)


async def _copy(session: Session, work: Work, schedule: Schedule) -> Image:
    """Insert, wait for the operation, read back. A try after an operation that failed is a new request."""
    failures, because = 0, ""
    doubt: errors.ReplicaError | None = None
    while True:
        try:
            parent = await schedule.take(work, of_source=doubt is not None, because=because)
        except errors.Deadline as late:
            raise doubt or late from None
        doing = f"Copying to {work.replica.location}" + ("" if parent.is_source else f" from {parent.image.ref}")
        session.say(work, *_asking(parent, again=bool(failures or because)))
        try:
            operation = await _insert(session, work, schedule, parent, doing)
        except Refusal as refusal:
            because, doubted = await _again(session, work, schedule, parent, refusal, doing)
            doubt = doubted or doubt
            continue
        if operation is None:
            if image := await _look(session, work, schedule):
                return image
            continue
        problem = (await session.finish(work, operation, doing=doing, progress=_progress(session, work))).problem
        if problem is None:
            work.made = True
            return _checked(await _await_ready(session, work, await session.read_back(work)), parent, schedule)
        fault = refusals.of_problem(problem)
        if await _elsewhere(session, work, schedule, parent, fault):
            because = _because(doing, problem.message or problem.code, fault)
            continue
        failures += 1
        await session.wait_out(work, problem, failures, doing=doing)


async def _again(
    session: Session, work: Work, schedule: Schedule, parent: Parent, refusal: Refusal, doing: str
) -> tuple[str, errors.ReplicaError | None]:
    """Why a copy that was refused is asked for again, and what may be wrong with more than what was to be copied.

    Raises the refusal where there is no other way.
    """
    fault = refusal.fault
    if await _elsewhere(session, work, schedule, parent, fault, refusal.retry_after):
        return _because(doing, refusal.message, fault), None
    if parent.is_source or fault.error not in _DOUBTFUL:
        raise refusal
    doubt = refusals.error_of(refusal, doing=doing)
    return f"{doubt.message} The source is tried next.", doubt


async def _elsewhere(
    session: Session, work: Work, schedule: Schedule, parent: Parent, fault: Fault, asked: float = 0.0
) -> bool:
    """Whether a copy that came to nothing can be made of another image, or of this one in `asked` seconds."""
    if fault.error is errors.SourceRate:
        schedule.give_back(work)
        schedule.exhausted(parent, max(fault.wait, asked))
        return True
    if parent.is_source or fault.then is not Then.GIVE_UP:
        return False
    lost = fault.error is errors.SourceChanged or await _is_lost(session, work, parent)
    if lost:
        schedule.lost(parent)
    return lost


async def _is_lost(session: Session, work: Work, parent: Parent) -> bool:
    """Whether a replica that could not be copied is not any more what was verified, or nobody can copy it."""
    ref = parent.image.ref
    try:
        image = await session.calls(session.calls.compute.get(ref), doing=f"Reading {ref}", where=work.replica.location)
    except Refusal:
        return True
    return (image.id, image.status) != (parent.image.id, "READY") or image.deprecated in {"OBSOLETE", "DELETED"}


def _checked(image: Image, parent: Parent, schedule: Schedule) -> Image:
    """Our copy. Raises SourceChanged where another image stood under the name of what was to be copied."""
    if image.source_image_id == parent.image.id:
        return image
    schedule.lost(parent)
    raise errors.SourceChanged(
        f"{image.ref} was copied from the image with id {image.source_image_id or 'unknown'}, "
        f"but {parent.image.ref} had id {parent.image.id}",
        remedy=f"Remove it with `{planning.removal(image.ref)}` and run this again with the source you mean.",
    )


def _asking(parent: Parent, *, again: bool) -> tuple[str, str]:
    state = "asking for the copy again" if again else "asking for the copy"
    return state, state if parent.is_source else f"{state}, from {parent.image.ref.name}"


def _because(doing: str, said: str, fault: Fault) -> str:
    why = fault.error.why if fault.error is errors.SourceRate else "That replica is lost."
    return errors.because(doing, said, why)


async def _insert(session: Session, work: Work, schedule: Schedule, parent: Parent, doing: str) -> Operation | None:
    """Begin a copy; None where something stands under its name already."""
    replica = work.replica
    try:
        operation = await session.calls(
            session.calls.compute.insert(
                replica.ref,
                source=parent.image.ref,
                location=replica.location,
                labels=replica.labels,
                description=replica.description,
                kms_key=replica.kms_key,
                request_id=str(uuid.uuid4()),
            ),
            doing=doing,
            where=replica.location,
            before_wait=lambda: schedule.place(work),
        )
    except Refusal as refusal:
        if refusal.status is not None:
            schedule.give_back(work)
        if refusal.fault.then is Then.LOOK:
            return None
        raise
    work.operation = operation.name
    work.copying_since, work.percent = asyncio.get_running_loop().time(), None
    schedule.begun(work)
    session.say(work, "copying", f"copying ({operation.name})")
    return operation


def _progress(session: Session, work: Work) -> Callable[[int], None]:
    def progress(percent: int) -> None:
        before, work.percent = work.percent, percent
        if percent != before and percent < 100:
            session.changed(work, f"copying, {percent} %")

    return progress


async def _look(session: Session, work: Work, schedule: Schedule) -> Image | None:
    """Something stands under the name since the look-up (another run, or an insert whose answer was lost)."""
    image = await session.read_back(work)
    found = await lookup.examine(session.calls, session.plan.source, image)
    step = planning.step_for(session.plan.source, session.plan.readers, work.replica, found, replace_failed=False)
    schedule.place(work)
    if step.error:
        raise step.error
    work.step = step
    work.policy = found.policy if isinstance(found, Existing) else None
    session.say(work, "checking", f"{work.replica.ref.name} exists already and is a copy of the source")
    return image if step.action is Action.CHECK else await _await_theirs(session, work)


async def _await_theirs(session: Session, work: Work) -> Image | None:
    """Wait for a copy that somebody else began; None where it came to nothing, so that it is still to be made."""
    existing = work.step.existing
    if existing and existing.image.status == "DELETING":
        await _await_gone(session, work, existing.image)
        return None
    image = await session.read_back(work)
    try:
        return await _await_ready(session, work, image)
    except (Refusal, errors.Drift) as gone:
        if isinstance(gone, Refusal) and gone.status != 404:
            raise
        session.say(work, "waiting", f"the copy {image.ref.name} that somebody else began came to nothing")
        work.image = None
        return None


async def _await_gone(session: Session, work: Work, leaving: Image) -> None:
    """Wait until an image that is being deleted is gone, or was left after all, or another one has its name."""
    ref, work.image, pause = leaving.ref, None, _SHORTEST_PAUSE
    session.say(work, "being deleted", f"{ref.name} is DELETING; waiting until it is gone")
    while True:
        try:
            image = await session.calls(
                session.calls.compute.get(ref), doing=f"Reading {ref}", where=work.replica.location
            )
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return
        if image.id != leaving.id or image.status != "DELETING":
            return
        await session.calls.pause(pause, where=work.replica.location)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _await_ready(session: Session, work: Work, image: Image) -> Image:
    pause = _SHORTEST_PAUSE
    while image.status in {"PENDING", "DELETING"}:
        state = "being made" if image.status == "PENDING" else "being deleted"
        if work.state != state:
            session.say(work, state, f"{image.ref.name} is {image.status}; waiting for the end of that")
        await session.calls.pause(pause, where=work.replica.location)
        pause = min(2 * pause, _LONGEST_PAUSE)
        image = await session.read(work)
    if image.status != "READY":
        raise planning.image_failed(image.ref, f"{image.ref} is in state {image.status}")
    return image


async def _remove_failed(session: Session, work: Work) -> None:
    """Delete a failed copy of ours, if it is still what the plan saw."""
    existing = work.step.existing
    image = await session.read(work)
    if image.status == "DELETING":
        await _await_gone(session, work, image)
        return
    if existing is None or image != existing.image:
        raise errors.ImageFailed(
            f"{image.ref} changed since the plan was made, so it was not replaced", remedy="Run this again."
        )
    session.say(work, "replacing", f"removing {image.ref.name}, a FAILED copy of the source")
    delete = session.calls.compute.delete
    doing = f"Removing {image.ref}"
    await session.change(work, lambda request_id: delete(image.ref, request_id=request_id), doing=doing)
    work.image = None
