"""Carry a plan out: all locations at once; for each copy → READY → verify → access; then the families move."""

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
from replicator.core.replicas import Action, Existing, Held, Lineage
from replicator.replicas import families
from replicator.replicas import plan as planning

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from replicator.replicas.session import Session
    from replicator.replicas.work import Work


#: Seconds beyond the deadline in which what was verified is still promoted.
GRACE = 60.0
#: Seconds after which what was verified is looked at once more before its index is signed and its family moves.
_FRESH = 60.0


async def replicate(session: Session, seal: Callable[[], Awaitable[bool]] | None = None) -> None:
    """Bring every replica to its end, within the deadline, then move the families.

    `seal` is called in between, and says whether they may move; what it raises ends the run with no family moved.

    What became of each stands in the session's works, at every moment: cancelling leaves them as they are.
    """
    schedule, clock = Schedule(session), asyncio.get_running_loop().time
    await session.all_of([work for work in session.works if work.running], "Making", partial(_make, schedule))
    deadline = session.calls.deadline
    session.calls.deadline = max(deadline, clock()) + GRACE
    await _look_again(session, [work for work in session.works if _is_old(work, clock())])
    hold = None if seal is None or await seal() else Held.UNSIGNED
    session.calls.deadline = max(deadline, clock()) + GRACE
    await families.families(session, hold)


def _is_old(work: Work, now: float) -> bool:
    """Whether it was verified so long ago that somebody may have deleted or replaced it since."""
    made = work.outcome.verified and work.step.action is not Action.SERVE
    return made and work.ended is not None and now - work.ended > _FRESH


async def _look_again(session: Session, works: Sequence[Work]) -> None:
    """Are they still what was verified? Families move by name: whatever stands under it by then would be published.

    What can't be read in time stays as it was verified.
    """
    with contextlib.suppress(errors.Deadline, SignInFailed, TimeoutError):
        async with asyncio.timeout_at(session.calls.deadline):
            listed = await lookup.read_images(session.calls, [work.replica.ref for work in works])
            differing = [work for work in works if listed.get(work.replica.ref) != work.image]
            await asyncio.gather(*(session.guarded(work, "Looking again", _confirm) for work in differing))


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
    found = Existing(image=image, lineage=Lineage.OURS, policy=work.policy)
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
