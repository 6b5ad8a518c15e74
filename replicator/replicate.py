"""Carry a plan out: all locations at once; for each copy → READY → verify → access; then the families move."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from replicator import copying, promote, settle
from replicator.model import Held
from replicator.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from replicator.session import Session
    from replicator.work import Work

#: Seconds beyond the deadline in which what was verified is still promoted.
GRACE = 60.0


async def replicate(session: Session, seal: Callable[[], Awaitable[bool]] | None = None) -> None:
    """Bring every replica to its end, within the deadline, then move the families.

    `seal` is called in between, and says whether they may move; what it raises ends the run with no family moved.

    What became of each stands in the session's works, at every moment: cancelling leaves them as they are.
    """
    sources = Sources(session)
    await session.all_of([work for work in session.works if work.running], "Making", partial(_make, sources))
    hold = None if seal is None or await seal() else Held.UNSIGNED
    session.calls.deadline = max(session.calls.deadline, asyncio.get_running_loop().time()) + GRACE
    await promote.families(session, hold)


async def _make(sources: Sources, session: Session, work: Work) -> None:
    try:
        image = await copying.make_ready(session, work, sources)
        await settle.settle(session, work, image)
        work.verified = True
        work.end(asyncio.get_running_loop().time())
        session.say(work, "verified")
    finally:
        sources.ended(work)
