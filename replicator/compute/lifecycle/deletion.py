"""Deletes an image of an old release by its id, for `retain`, right after a check that nothing speaks against it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from replicator.compute.lifecycle import fresh_check, reading
from replicator.compute.lifecycle.changes import carry_out, telling
from replicator.compute.lifecycle.errors import Changed, NotDone
from replicator.compute.lifecycle.fresh_check import CheckedForDeletion, CheckTooOld
from replicator.compute.refusals import Refusal
from replicator.compute.retry import PATIENCE
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from replicator.compute.rate_limit import Request
    from replicator.compute.retry import Calls
    from replicator.core.images import Image, Operation

_MOST_CHECKS = 10
#: Seconds between reads of an image that somebody else is deleting.
_PAUSE = 5.0


class NotDeleted(NotDone):
    """Deleting an image was accepted, and it is still there."""

    reason = "operation_failed"
    remedy = "Run this again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What is to be deleted, and on which conditions."""

    image: Image
    """As it was decided upon; if anything of it has changed, it stays."""
    copies_in: Sequence[str] = ()
    """The projects that must hold no copy of it any more: given for the source of a set, which goes last."""
    counts: Callable[[Image], bool] = lambda _: True
    """Whether a copy is a replica of its set; strangers keep nothing."""
    where: str = ""
    """For people."""


async def delete(calls: Calls, wanted: Deletion) -> None:
    """Delete an image, and return once it is gone; one that is gone already is right, too.

    Raises Changed if it differs from what was decided upon, is not deprecated, is what its family resolves to, or has
    copies where none may be; NotDeleted if it stays; a ReplicaError for what Compute Engine refuses, or Deadline.
    """
    image, doing = wanted.image, f"Deleting {wanted.image.ref}"
    with telling(doing):
        by_name = False
        for _ in range(_MOST_CHECKS):
            checked = await _check(calls, wanted)
            if checked is None:
                break
            try:
                await _send(calls, checked, by_name=by_name, doing=doing, where=wanted.where)
                break
            except CheckTooOld:
                continue
            except Refusal as refusal:
                if by_name or not refusal.may_be_of_id:
                    if refusal.status == 404:
                        break
                    raise
                # Either it is gone, or the service takes no ids: the next check tells.
                by_name = True
        else:
            raise errors.Unreachable(
                f"{doing}: the call can't be sent within {fresh_check.SECONDS:.0f} s of the check before it"
            )
        left = await _await_gone(calls, wanted)
    if left is not None:
        raise NotDeleted(f"{image.ref} was deleted, and is still there, {left.status}")


async def _send(calls: Calls, checked: CheckedForDeletion, *, by_name: bool, doing: str, where: str) -> None:
    def asked(request_id: str) -> Request[Operation]:
        return calls.compute.delete_checked(checked, by_name=by_name, request_id=request_id)

    await carry_out(calls, checked.image, asked, doing=doing, where=where)


async def _check(calls: Calls, wanted: Deletion) -> CheckedForDeletion | None:
    """Look whether the image may be deleted now; None if it is gone, or going. Raises Changed, Refusal, Deadline."""
    image, loop = wanted.image, asyncio.get_running_loop()
    if wanted.copies_in:
        if await reading.same(calls, image, where=wanted.where, patience=PATIENCE) is None:
            return None
        await asyncio.gather(*(_refuse_copies(calls, wanted, project) for project in wanted.copies_in))
    since = loop.time()
    found = await reading.same(calls, image, where=wanted.where, patience=PATIENCE)
    if found is None or found.status == "DELETING":
        return None
    if changed := [each.name for each in fields(image) if getattr(found, each.name) != getattr(image, each.name)]:
        raise Changed(f"{image.ref} was changed meanwhile ({', '.join(changed)}), so it was not deleted")
    if not found.deprecated:
        raise Changed(f"{image.ref} is not deprecated, so it was not deleted")
    if image.family:
        head = await reading.head(calls, image.ref.project, image.family, where=wanted.where, patience=PATIENCE)
        if head and head.id == image.id:
            raise Changed(f"{image.ref} is what the family {image.family} resolves to, so it was not deleted")
    return CheckedForDeletion(found, since, loop, seal=fresh_check.SEAL)


async def _refuse_copies(calls: Calls, wanted: Deletion, project: str) -> None:
    """Raise Changed if the project holds a copy of the image that keeps it."""
    image, token, seen = wanted.image, "", {""}
    doing = f"Looking for copies of {image.ref} in {project}"
    found: dict[str, Image] = {}
    while True:
        request = calls.compute.list_copies(project, image, token)
        page, token = await calls(request, doing=doing, where=wanted.where)
        found.update((each.id, each) for each in page)
        if not token:
            break
        if token in seen:
            raise Changed(f"{doing}: the same page came twice")
        seen.add(token)
    if project == image.ref.project and image.id not in found:
        raise Changed(f"{doing}: the answer lacks {image.ref} itself, so it can't be the whole list")
    copies = [each for each in found.values() if each.source_image_id == image.id and wanted.counts(each)]
    if copies:
        raise Changed(f"{copies[0].ref} is a copy of {image.ref}, so the source was not deleted")


async def _await_gone(calls: Calls, wanted: Deletion) -> Image | None:
    """Return None once the image is gone, or the image if it stays. Raises Refusal, Deadline."""
    where = wanted.where

    def gone(found: Image | None) -> bool:
        return found is None

    left = await reading.read_back(calls, wanted.image, gone, where=where, patience=PATIENCE)
    while left and left.status == "DELETING":
        await calls.pause(_PAUSE, where=where)
        left = await reading.same(calls, wanted.image, where=where, patience=PATIENCE)
    return left
