"""Deprecates an image, or clears its deprecation, and makes sure that it shows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from replicator.compute.answers import parse_ref
from replicator.compute.lifecycle import reading
from replicator.compute.lifecycle.changes import carry_out, telling
from replicator.compute.lifecycle.errors import Changed, OtherDeprecation, StillActive, StillDeprecated
from replicator.compute.refusals import Failed, Refusal
from replicator.compute.retry import PATIENCE
from replicator.core.images import Deprecation

if TYPE_CHECKING:
    from replicator.compute.retry import Calls
    from replicator.core.images import Image

#: Statuses by which a service would refuse to clear a deprecation at all.
_REFUSES_TO_CLEAR = frozenset({400, 409, 412})


async def deprecate(calls: Calls, image: Image, wanted: Deprecation, *, where: str = "") -> Image:
    """Give an image this deprecation in place of the one it has, and return the image as it is read back.

    `image` is what was decided upon: the call goes by name, so its id is compared right before, and with the
    operation's target after. What it is deprecated as may have changed meanwhile; an image that shows what is wanted
    already is left alone. `where` is for people.
    Raises Changed if its name is gone or has been given anew, StillActive or OtherDeprecation if the change doesn't
    show, and a ReplicaError for whatever Compute Engine refuses, or Deadline.
    """
    doing = f"Marking {image.ref} {wanted.state}"
    with telling(doing):
        before = await _as_it_is(calls, image, where)
        if shows(before, wanted):
            return before
        await _send(calls, image, wanted, doing, where)
        after = await _read_back(calls, image, wanted, where)
    if after.deprecated != wanted.state:
        raise StillActive(f"{image.ref} was marked {wanted.state}, and is still {after.deprecated or 'ACTIVE'}")
    if not shows(after, wanted):
        raise OtherDeprecation(f"{image.ref} was given {_told(wanted)}, and shows {_told(after.deprecation)}")
    return after


async def clear(calls: Calls, image: Image, *, where: str = "") -> Image:
    """Clear the deprecation of an image, and return the image as it is read back.

    Raises StillDeprecated if that is refused or doesn't show, else as `deprecate` does.
    """
    doing = f"Clearing the deprecation of {image.ref}"
    with telling(doing):
        before = await _as_it_is(calls, image, where)
        if not before.deprecated:
            return before
        try:
            await _send(calls, image, Deprecation(), doing, where)
        except Refusal as refusal:
            if refusal.status in _REFUSES_TO_CLEAR or (isinstance(refusal, Failed) and not refusal.status):
                raise StillDeprecated(refusal.told(doing)) from refusal
            raise
        after = await _read_back(calls, image, Deprecation(), where)
    if after.deprecated:
        raise StillDeprecated(f"The deprecation of {image.ref} was cleared, and it is still {after.deprecated}")
    return after


def shows(image: Image, wanted: Deprecation) -> bool:
    """Whether an image has this deprecation, in whatever form its date and its replacement are written."""
    return (
        image.deprecated == wanted.state
        and (parse_ref(image.replacement) or image.replacement) == (parse_ref(wanted.replacement) or wanted.replacement)
        and (_moment(image.deleted) or image.deleted) == (_moment(wanted.deleted) or wanted.deleted)
    )


async def _as_it_is(calls: Calls, image: Image, where: str) -> Image:
    found = await reading.same(calls, image, where=where, patience=PATIENCE)
    if found is None:
        raise Changed(f"{image.ref} is gone, or another image has its name")
    return found


async def _send(calls: Calls, image: Image, wanted: Deprecation, doing: str, where: str) -> None:
    call = calls.compute.deprecate
    await carry_out(
        calls, image, lambda request_id: call(image.ref, wanted, request_id=request_id), doing=doing, where=where
    )


async def _read_back(calls: Calls, image: Image, wanted: Deprecation, where: str) -> Image:
    def done(found: Image | None) -> bool:
        return found is None or (shows(found, wanted) if wanted else not found.deprecated)

    found = await reading.read_back(calls, image, done, where=where, patience=PATIENCE)
    if found is None:
        raise Changed(f"{image.ref} is gone, or another image has its name")
    return found


def _moment(text: str) -> datetime | None:
    """The moment that a date with a zone means; None for any other text."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else None


def _told(deprecation: Deprecation) -> str:
    parts = {"replacement": deprecation.replacement, "deleted": deprecation.deleted}
    return ", ".join([deprecation.state or "ACTIVE", *(f"{name} {value}" for name, value in parts.items() if value)])
