"""From nothing, or from whatever stands there already, to a READY copy of the source or of another replica."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from replicator import errors, faults, lookup
from replicator import plan as planning
from replicator.faults import Refusal, Then
from replicator.model import Action, Existing

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.faults import Fault
    from replicator.model import Image, Operation
    from replicator.session import Session
    from replicator.sources import Origin, Sources
    from replicator.work import Work

#: A copy that someone else began is read again after so many seconds: there is no operation of ours to wait for.
_SHORTEST_PAUSE = 5.0
_LONGEST_PAUSE = 30.0


async def make_ready(session: Session, work: Work, sources: Sources) -> Image:
    """Do what the plan says about a replica's image, until it is READY. Not verified, opened or promoted yet."""
    step = work.step
    if step.action is Action.CHECK and step.existing:
        return step.existing.image
    if step.action is Action.WAIT:
        return await _await_ready(session, work, sources)
    if step.action is Action.REPLACE:
        await _remove_failed(session, work)
    return await _copy(session, work, sources)


async def _copy(session: Session, work: Work, sources: Sources) -> Image:
    """Insert, wait for the operation, read back. A try after an operation that failed is a new request."""
    doing = f"Copying to {work.replica.location}"
    failures, of_source, because = 0, False, ""
    while True:
        origin = await sources.take(work, of_source=of_source, because=because)
        session.say(work, *_asking(origin, again=bool(failures or because)))
        try:
            operation = await _insert(session, work, sources, origin, doing)
        except Refusal as refusal:
            fault, asked = faults.of_refusal(refusal), f"{doing} from {origin.image.ref}"
            because = _because(asked, refusal.message, fault)
            if fault.then is Then.ELSEWHERE:
                sources.exhausted(origin, max(fault.wait, refusal.retry_after))
            elif not origin.is_source and fault.error is errors.SourceChanged:
                sources.lost(origin)
            elif not origin.is_source and fault.error is errors.Forbidden:
                # Whether the replica or the copy is forbidden: the source tells.
                of_source, because = True, faults.error_of(refusal, doing=asked).message
            else:
                raise
            continue
        if operation is None:
            return await _look(session, work, sources)
        problem = (await session.finish(work, operation, doing=doing, progress=_progress(session, work))).problem
        if problem is None:
            return await _await_ready(session, work, sources)
        fault = faults.of_problem(problem)
        if fault.error is errors.SourceRate:
            because = _because(doing, problem.message or problem.code, fault)
            sources.give_back(origin)
            sources.exhausted(origin, fault.wait)
            continue
        failures += 1
        await session.wait_out(work, problem, failures, doing=doing)


def _asking(origin: Origin, *, again: bool) -> tuple[str, str]:
    state = "asking for the copy again" if again else "asking for the copy"
    return state, state if origin.is_source else f"{state}, from {origin.image.ref.name}"


def _because(doing: str, said: str, fault: Fault) -> str:
    return f"{errors.sentence(f'{doing}: {said}')} {fault.error.why}".strip()


async def _insert(session: Session, work: Work, sources: Sources, origin: Origin, doing: str) -> Operation | None:
    """Begin a copy; None where something stands under its name already."""
    replica = work.replica
    try:
        operation = await session.calls(
            session.calls.compute.insert(
                replica.ref,
                source=origin.image.ref,
                location=replica.location,
                labels=replica.labels,
                description=replica.description,
                kms_key=replica.kms_key,
                request_id=str(uuid.uuid4()),
            ),
            doing=doing,
            where=replica.location,
            before_wait=lambda: sources.place(work),
        )
    except Refusal as refusal:
        if refusal.status is not None:
            sources.give_back(origin)
        if faults.of_refusal(refusal).then is Then.LOOK:
            return None
        raise
    work.made, work.made_of = True, origin.image
    work.operation = operation.name
    work.copying_since, work.percent = asyncio.get_running_loop().time(), None
    sources.place(work)
    session.say(work, "copying", f"copying ({operation.name})")
    return operation


def _progress(session: Session, work: Work) -> Callable[[int], None]:
    def progress(percent: int) -> None:
        before, work.percent = work.percent, percent
        if percent != before and percent < 100:
            session.changed(work, f"copying, {percent} %")

    return progress


async def _look(session: Session, work: Work, sources: Sources) -> Image:
    """Something stands under the name since the look-up (another run, or an insert whose answer was lost)."""
    image = await session.read_back(work)
    found = await lookup.examine(session.calls, session.plan.source, image)
    step = planning.step_for(session.plan.source, session.plan.readers, work.replica, found, replace_failed=False)
    sources.place(work)
    if step.error:
        raise step.error
    work.step = step
    work.policy = found.policy if isinstance(found, Existing) else None
    session.say(work, "checking", f"{work.replica.ref.name} exists already and is a copy of the source")
    return image if step.action is Action.CHECK else await _await_ready(session, work, sources)


async def _await_ready(session: Session, work: Work, sources: Sources) -> Image:
    image = await session.read_back(work)
    pause = _SHORTEST_PAUSE
    while image.status == "PENDING":
        if work.state != "being made":
            session.say(work, "being made", f"{image.ref.name} is PENDING; waiting for whoever makes it")
        sources.place(work)
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
    if existing is None or image != existing.image:
        raise errors.ImageFailed(
            f"{image.ref} changed since the plan was made, so it was not replaced", remedy="Run this again."
        )
    session.say(work, "replacing", f"removing {image.ref.name}, a FAILED copy of the source")
    delete = session.calls.compute.delete
    doing = f"Removing {image.ref}"
    await session.change(work, lambda request_id: delete(image.ref, request_id=request_id), doing=doing)
    work.image = None
