"""Carries out a plan: all locations at once, each copy → READY → verify → access; then sign, then move families."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from replicator.commands.replicate import copy_image, repair
from replicator.commands.replicate.schedule import Schedule
from replicator.compute import lookup
from replicator.compute.errors import SignInFailed
from replicator.compute.refusals import Refusal
from replicator.core import errors
from replicator.core.images import Image
from replicator.core.replicas import Action, Existing, Held, Lineage
from replicator.replicas import families
from replicator.replicas import plan as planning

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from replicator.replicas.session import Session
    from replicator.replicas.work import Work


#: Seconds beyond the deadline in which verified replicas are still promoted.
GRACE = 60.0
#: Seconds after which a verified replica is read once more before the index is signed and its family moves.
_FRESH = 60.0


async def replicate(session: Session, seal: Callable[[], Awaitable[bool]] | None = None) -> None:
    """Make every replica, within the deadline, then move the families.

    `seal` is called in between and returns whether families may move; if it raises, the run ends with no family moved.
    The session's works hold the state of each replica at every moment, so the run can be cancelled at any time.
    """
    schedule, clock = Schedule(session), asyncio.get_running_loop().time
    await session.all_of([work for work in session.works if work.running], "Making", partial(_make, schedule))
    deadline = session.calls.deadline
    session.calls.deadline = max(deadline, clock()) + GRACE
    held_back = await _look_again(session, [work for work in session.works if _is_old(work, clock())])
    hold = None if seal is None or await seal() else Held.UNSIGNED
    session.calls.deadline = max(deadline, clock()) + GRACE
    await families.families(session, held_back or hold)


def _is_old(work: Work, now: float) -> bool:
    """Return whether a replica was verified so long ago that someone may have deleted or replaced it since."""
    made = work.outcome.verified and work.step.action is not Action.SERVE
    return made and work.ended is not None and now - work.ended > _FRESH


async def _look_again(session: Session, works: Sequence[Work]) -> Held | None:
    """Check that replicas are still what was verified: families move by name, so a replaced image would be published.

    What can't be read in time stays as it was verified. Returns why no family may move, where their source was held
    back meanwhile.
    """
    source, hold = session.plan.source, None
    with contextlib.suppress(errors.Deadline, SignInFailed, TimeoutError):
        async with asyncio.timeout_at(session.calls.deadline):
            refs = [source.ref, *(work.replica.ref for work in works)] if works else []
            listed = await lookup.read_images(session.calls, refs)
            found = listed.get(source.ref)
            if isinstance(found, Image) and found.id == source.id and found.deprecated:
                hold = Held.SOURCE_DEPRECATED
            differing = [work for work in works if listed.get(work.replica.ref) != work.image]
            await asyncio.gather(*(session.guarded(work, "Looking again", _confirm) for work in differing))
    return hold


async def _confirm(session: Session, work: Work) -> None:
    try:
        image = await session.read(work)
    except Refusal as refusal:
        if refusal.status != 404:
            return
        raise errors.Drift(
            f"{work.replica.ref} was deleted by someone else during the run", remedy="Run this again."
        ) from None
    except (errors.Deadline, SignInFailed):
        return
    if image.status == "DELETING":
        raise errors.Drift(f"{image.ref} is being deleted by someone else", remedy="Run this again.")
    found = Existing(image=image, lineage=Lineage.OURS)
    step = planning.step_for(session.plan.source, session.plan.readers, work.replica, found, replace_failed=False)
    if step.error:
        raise step.error


async def _make(schedule: Schedule, session: Session, work: Work) -> None:
    try:
        image = await copy_image.make_ready(session, work, schedule)
        await repair.settle(session, work, image)
        work.verified = True
        work.end(asyncio.get_running_loop().time())
        session.say(work, "verified")
    finally:
        schedule.ended(work)
