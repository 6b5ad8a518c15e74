"""Repeats a change (setLabels, setIamPolicy) that was refused for a stale fingerprint or etag, after reading again."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from replicator.compute.refusals import Refusal, Then
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from replicator.compute.waits import Waits
    from replicator.core.images import ImageRef


#: How often a fingerprint or etag may be stale before we give up, because somebody else keeps changing the image.
_STALE_READS = 5


async def until_fresh(
    waits: Waits,
    image: ImageRef,
    act: Callable[[], Awaitable[None]],
    reread: Callable[[], Awaitable[object]],
    *,
    where: str,
) -> None:
    """Make a change that is guarded by a fingerprint or etag; if that is stale, read again and repeat the change.

    Raises Drift if somebody else keeps changing the image.
    """
    for attempt in count(1):
        try:
            await act()
        except Refusal as refusal:
            fault = refusal.fault
            if fault.then is not Then.READ_AGAIN:
                raise
            if attempt == _STALE_READS:
                what = f"Someone else keeps changing {image}: {refusal.message}"
                raise errors.Drift(what, remedy="Run this again.") from refusal
            await waits.pause(fault.seconds(attempt), where=where, because="Someone changed the image meanwhile.")
            await reread()
        else:
            return
