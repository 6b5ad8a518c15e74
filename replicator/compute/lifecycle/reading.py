"""Reads single images and families right before and after a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.compute import refusals
from replicator.compute.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.compute.rate_limit import Request
    from replicator.compute.retry import Calls
    from replicator.core.images import Image

#: Seconds between reads after a change, which may show late.
_LAGS = (0.5, 1.0, 2.0, 4.0, 7.5)


async def head(calls: Calls, project: str, family: str, *, where: str, patience: float) -> Image | None:
    """Return the image that a family resolves to; None if nothing. Raises Refusal, Deadline."""
    doing = f"Reading what the family {family} of {project} resolves to"
    return await _if_any(calls, calls.compute.family_head(project, family), doing, where, patience)


async def same(calls: Calls, image: Image, *, where: str, patience: float) -> Image | None:
    """Return the image as it is now; None if it is gone, even if another one has its name. Raises Refusal, Deadline."""
    found = await _if_any(calls, calls.compute.get(image.ref), f"Reading {image.ref}", where, patience)
    return found if found and found.id == image.id else None


async def read_back(
    calls: Calls, image: Image, shows: Callable[[Image | None], bool], *, where: str, patience: float
) -> Image | None:
    """Read an image until it shows a change, for 15 seconds at most; return the last answer, None if it is gone.

    Raises Refusal, Deadline.
    """
    for seconds in _LAGS:
        found = await same(calls, image, where=where, patience=patience)
        if shows(found):
            return found
        await calls.pause(seconds, where=where)
    return await same(calls, image, where=where, patience=patience)


async def _if_any(calls: Calls, request: Request[Image], doing: str, where: str, patience: float) -> Image | None:
    try:
        return await calls(request, doing=doing, where=where, patience=patience)
    except Refusal as refusal:
        if refusal.status == 404 and not isinstance(refusal, refusals.Failed):
            return None
        raise
