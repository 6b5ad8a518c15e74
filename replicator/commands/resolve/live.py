"""Asks Compute Engine whether the images that could serve a place are there and the same.

One call is enough where all is right.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from replicator.commands.resolve import candidates
from replicator.commands.resolve.candidates import Candidate, PassedOver
from replicator.commands.resolve.errors import IMAGE_UNREADABLE
from replicator.compute import lookup, refusals
from replicator.compute.errors import ENDPOINT_UNREACHABLE, SOURCE_MISSING, SOURCE_UNREADABLE, EndpointUnreachable
from replicator.compute.refusals import Refusal
from replicator.core import errors
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from replicator.compute.retry import Calls
    from replicator.core.images import Image, ImageRef

#: What to do where Compute Engine doesn't answer.
_REMEDY = "Check the network and compute_endpoint; then run this again. With an index, offline asks nobody."


async def first_right(
    calls: Calls, asked: Iterable[Candidate], passed_over: list[PassedOver], *, deprecated: str
) -> tuple[Candidate, Image] | None:
    """Return the nearest right candidate with its live image; those before it are added to `passed_over`.

    Raises a ReplicatorError where an image can't be read: another location's answer would come from the same API.
    """
    for candidate in asked:
        image = candidate.offer.image or await read(calls, candidate.offer.ref)
        why = candidates.wrong(candidate, image, deprecated=deprecated)
        if not why and image:
            return candidate, image
        passed_over.append(PassedOver(location=candidate.location, image=candidate.offer.ref.uri, why=why))
    return None


async def read(calls: Calls, ref: ImageRef) -> Image | None:
    """Read one image; None if there is none of that name. Raises a ReplicatorError if it can't be read."""
    doing = f"Reading {ref}"
    with ending(doing):
        try:
            return await calls(calls.compute.get(ref), doing=doing, where=ref.name, patience=lookup.PATIENCE)
        except Refusal as refusal:
            if is_missing(refusal):
                return None
            raise


def is_missing(refusal: Refusal) -> bool:
    """Return whether the answer says that the image or family doesn't exist, and not its project or the endpoint."""
    return refusal.status == 404 and refusal.fault.ends is SOURCE_MISSING


@contextlib.asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """Raise EndpointUnreachable if this context takes longer: an answer that never ends must not hold a deployment."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        what = f"Compute Engine gave no whole answer in the {seconds:g} seconds of a look-up"
        raise EndpointUnreachable(what, remedy=_REMEDY) from error


@contextlib.contextmanager
def ending(doing: str) -> Iterator[None]:
    """Turn Refusal and Deadline into the failure that ends the run, by the table of refusals."""
    try:
        yield
    except errors.Deadline as error:
        raise EndpointUnreachable(error.what, remedy=_REMEDY) from error
    except Refusal as refusal:
        failed, ends = refusals.error_of(refusal, doing=doing), refusal.fault.ends
        if ends is ENDPOINT_UNREACHABLE or isinstance(failed, errors.Unreachable):
            raise EndpointUnreachable(failed.what, remedy=refusal.fault.remedy or _REMEDY) from refusal
        if ends in {SOURCE_MISSING, SOURCE_UNREADABLE}:
            raise ReplicatorError(IMAGE_UNREADABLE, failed.what, remedy=failed.todo) from refusal
        raise ReplicatorError(ends, failed.what, remedy=refusals.filled(ends.remedy, refusal.project)) from refusal
