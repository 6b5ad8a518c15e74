"""Holds the proof that an image was looked at right before it is deleted: what the call to delete it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from replicator.core.images import Image

#: Seconds from the check to the call; a call that would be later (quotas, repetitions) is checked anew.
SECONDS = 20.0
#: What only the check in `deletion` gives.
SEAL = object()


class CheckTooOld(Exception):
    """The check is no longer right before the call."""


class CheckedForDeletion:
    """The proof that an image was looked at right before: only the check makes one, and it is worth little for long."""

    __slots__ = ("_loop", "_until", "image")

    def __init__(self, image: Image, since: float, loop: asyncio.AbstractEventLoop, *, seal: object) -> None:
        if seal is not SEAL:
            raise TypeError("only the check right before the call makes this value")
        self.image = image
        self._until, self._loop = since + SECONDS, loop

    def ensure_fresh(self) -> None:
        """Raise CheckTooOld if too much time has passed; any thread may ask."""
        if self._loop.time() > self._until:
            raise CheckTooOld
