"""Carries out a replica's copy as the plan says: inserts it, or waits for one that someone else began, until READY."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from replicator.compute import lookup, refusals
from replicator.compute.refusals import INSERT, Failed, Refusal, Then
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


#: Seconds between reads of a copy that someone else began: there is no operation of ours to wait for.
_SHORTEST_PAUSE = 5.0
_LONGEST_PAUSE = 30.0
#: These errors may concern the replica being copied rather than the new image: one try from the source tells which.
_DOUBTFUL = frozenset({errors.Forbidden, errors.OrgPolicy, errors.OperationFailed})


async def make_ready(session: Session, work: Work, schedule: Schedule) -> Image:
    """Do what the plan says until a replica's image is READY. It is not verified, opened or promoted here."""
    step = work.step
    if step.action is Action.CHECK and step.existing:
        return step.existing.image
    if step.action is Action.WAIT and (image := await _await_theirs(session, work)):
        return image
    if step.action is Action.REPLACE:
        await _remove_failed(session, work)
    return await _copy(session, work, schedule)


async def _copy(session: Session, work: Work, schedule: Schedule) -> Image:
    """Insert, wait for the operation, read back. After an operation that failed, a new request is sent."""
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
            await _insert(session, work, schedule, parent, doing)
        except Refusal as refusal:
            if refusal.fault.then is Then.LOOK:
                if image := await _look(session, work, schedule):
                    return image
                continue
            failures += isinstance(refusal, Failed)
            try:
                because, doubted = await _again(session, work, schedule, parent, refusal, doing, failures)
            except Failed as failed:
                error = refusals.error_of(failed, doing=doing)
                raise await _with_what_is_left(session, work, error) from failed
            except errors.ReplicaError as error:
                raise await _with_what_is_left(session, work, error) from error
            doubt = doubted or doubt
        else:
            work.made = True
            return _checked(await _await_ready(session, work, await session.read_back(work)), parent, schedule)


async def _with_what_is_left(session: Session, work: Work, error: errors.ReplicaError) -> errors.ReplicaError:
    """Return the error, with the way out if a FAILED image keeps the name taken, so that a rerun could only fail."""
    try:
        image = await session.read(work)
    except (Refusal, errors.ReplicaError):
        return error
    if image.status != "FAILED":
        return error
    left = (
        f"A FAILED image was left under its name: before a rerun remove it with `{planning.removal(image.ref)}`, or "
        "set replace_failed: true."
    )
    return type(error)(error.what, remedy=f"{error.todo} {left}", why=error.why, of_setup=error.of_setup)


async def _again(
    session: Session, work: Work, schedule: Schedule, parent: Parent, refusal: Refusal, doing: str, failures: int
) -> tuple[str, errors.ReplicaError | None]:
    """Return why a copy that was refused is asked for again, and the error to raise if the source is refused too.

    Raises the refusal where there is no other way. `failures`: how many operations ended in error so far.
    """
    fault = refusal.fault
    if await _elsewhere(session, work, schedule, parent, fault, refusal.retry_after):
        return _because(doing, refusal.message, fault), None
    if isinstance(refusal, Failed) and fault.then is Then.REPEAT:
        await session.wait_out(work, refusal, failures, doing=doing)
        return "", None
    if parent.is_source or fault.error not in _DOUBTFUL:
        raise refusal
    doubt = refusals.error_of(refusal, doing=doing)
    return f"{doubt.message} The source is tried next.", doubt


async def _elsewhere(
    session: Session, work: Work, schedule: Schedule, parent: Parent, fault: Fault, asked: float
) -> bool:
    """Return whether a failed copy can be made from another image, or from this one after `asked` seconds."""
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
    """Return whether a replica that could not be copied is gone, replaced, or not usable any more."""
    ref = parent.image.ref
    try:
        image = await session.calls(session.calls.compute.get(ref), doing=f"Reading {ref}", where=work.replica.location)
    except Refusal:
        return True
    return (image.id, image.status) != (parent.image.id, "READY") or image.deprecated in {"OBSOLETE", "DELETED"}


def _checked(image: Image, parent: Parent, schedule: Schedule) -> Image:
    """Return our copy. Raises SourceChanged if it was made from another image that had taken over the origin's name."""
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


async def _insert(session: Session, work: Work, schedule: Schedule, parent: Parent, doing: str) -> None:
    """Begin a copy and wait for its operation. Raises Refusal where it is refused, at once or in the operation."""
    operation = await _begin(session, work, schedule, parent, doing)
    problem = (await session.finish(work, operation, doing=doing, progress=_progress(session, work))).problem
    if problem:
        raise Failed(INSERT, work.replica.ref.project, problem)


async def _begin(session: Session, work: Work, schedule: Schedule, parent: Parent, doing: str) -> Operation:
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
    """Take over an image that appeared after the look-up: from another run, or an insert whose answer was lost."""
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
    """Wait for a copy that someone else began; None if it came to nothing, so that we have to make it."""
    existing = work.step.existing
    if existing and existing.image.status == "DELETING":
        await _await_gone(session, work, existing.image)
        return None
    try:
        return await _await_ready(session, work, await session.read_back(work))
    except (Refusal, errors.Drift) as gone:
        if isinstance(gone, Refusal) and gone.status != 404:
            raise
        name = work.replica.ref.name
        session.say(work, "waiting", f"the copy {name} that someone else began came to nothing")
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
    if image.status == "FAILED":
        raise planning.image_failed(image.ref, f"{image.ref} is in state {image.status}")
    if image.status != "READY":
        raise planning.in_unknown_state(image)
    return image


async def _remove_failed(session: Session, work: Work) -> None:
    """Delete a FAILED copy of ours, if it is still what the plan saw; that it is gone already is right, too.

    By its numeric id, which no other image ever has: another run may put its own copy there at any time.
    """
    for by_name in (False, True):
        image = await _still_failed(session, work)
        if image is None:
            return
        session.say(work, "replacing", f"removing {image.ref.name}, a FAILED copy of the source")
        try:
            await _delete(session, work, image, by_name=by_name)
            break
        except Refusal as refusal:
            # Either it is gone, or the service takes no ids here: another look tells.
            if not refusal.may_be_of_id or (by_name and refusal.status != 404):
                raise
    work.image = None


async def _still_failed(session: Session, work: Work) -> Image | None:
    """Return the FAILED copy as the plan saw it; None once it is gone, or another image has its name."""
    existing = work.step.existing
    try:
        image = await session.read_back(work)
    except (Refusal, errors.Drift) as gone:
        if isinstance(gone, Refusal) and gone.status != 404:
            raise
        work.image = None
        return None
    if image.status == "DELETING":
        await _await_gone(session, work, image)
        return None
    if existing is None or image != existing.image:
        raise errors.ImageFailed(
            f"{image.ref} changed since the plan was made, so it was not replaced", remedy="Run this again."
        )
    return image


async def _delete(session: Session, work: Work, image: Image, *, by_name: bool) -> None:
    delete = session.calls.compute.delete
    await session.change(
        work,
        lambda request_id: delete(image, by_name=by_name, request_id=request_id),
        doing=f"Removing {image.ref}",
    )
