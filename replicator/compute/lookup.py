"""Reads the source, its policy, and the existing images that have the replicas' names, with their lineage."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, TypeVar

from replicator.compute import refusals
from replicator.compute.errors import (
    ENDPOINT_UNREACHABLE,
    SOURCE_MISSING,
    SOURCE_UNREADABLE,
    SOURCE_UNUSABLE,
    EndpointUnreachable,
)
from replicator.compute.refusals import Refusal
from replicator.core import compare, errors, names
from replicator.core.errors import ReplicatorError
from replicator.core.images import CUSTOMER_SUPPLIED, STATES, Image, ImageRef, Policy
from replicator.core.replicas import Access, Existing, Lineage
from replicator.inputs.source_reference import FamilyRef

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from replicator.compute.rate_limit import Request
    from replicator.compute.retry import Calls
    from replicator.core.errors import ReplicaError
    from replicator.inputs.source_reference import SourceRef


_T = TypeVar("_T")

#: The run's own calls are given up after this many seconds without an answer.
PATIENCE = 60.0
#: One image that can't be read delays the plan and so every other replica, so its reads are given up after this many
#: seconds, or after this part of the remaining time, whichever is less.
_LONGEST_DELAY, _LARGEST_PART = 180.0, 1 / 3
#: Seconds that the question for images of a similar name may take; it only improves a message.
_LONGEST_LOOK = 10.0
#: Seconds between two reads of a source that is still PENDING.
_SOURCE_PAUSE = 10.0
#: The most ancestors that are followed. With `copies_per_source: 1` one chain goes through all locations, and there are
#: half as many of those.
_LONGEST_CHAIN = 100
_NOTHING: Mapping[ImageRef, Image | ReplicaError] = {}


async def read_source(calls: Calls, reference: SourceRef) -> Image:
    """Read the source and wait until it is READY.

    Raises a ReplicatorError with exit code 3 if it is missing, may not be read, or can't be copied.
    """
    image = await _named(calls, reference)
    if isinstance(reference, FamilyRef):
        image = await _original(calls, image)
    while image.status == "PENDING":
        try:
            await calls.pause(_SOURCE_PAUSE, where="source", because=f"The source {image.ref} is PENDING.")
        except errors.Deadline as error:
            raise ReplicatorError(SOURCE_UNUSABLE, error.what, remedy=errors.NotReady.remedy) from error
        ref = image.ref
        image = await _own(calls, calls.compute.get(ref), doing=f"Reading the source {ref}")
    if image.status not in STATES:
        raise ReplicatorError(
            SOURCE_UNUSABLE,
            f"The source {image.ref} is in the state {image.status or '(none)'}, which nobody knows here",
            remedy="Look up what that means; run this again when the image is READY.",
        )
    if image.status != "READY":
        raise ReplicatorError(
            SOURCE_UNUSABLE, f"The source {image.ref} is in state {image.status}", remedy="Build it anew."
        )
    if image.deprecated in {"OBSOLETE", "DELETED"}:
        raise ReplicatorError(
            SOURCE_UNUSABLE,
            f"The source {image.ref} is marked {image.deprecated}, and Compute Engine doesn't copy such an image",
            remedy=f"`gcloud compute images deprecate {image.ref.name} --project {image.ref.project} --state ACTIVE` "
            "makes it usable again.",
        )
    if image.encryption == CUSTOMER_SUPPLIED:
        raise ReplicatorError(
            SOURCE_UNUSABLE,
            f"The source {image.ref} is encrypted with a customer-supplied key, which this tool never takes",
            remedy="Build it without one, or with a Cloud KMS key.",
        )
    return image


async def _named(calls: Calls, reference: SourceRef) -> Image:
    try:
        return await _own(calls, _find(calls, reference), doing=f"Reading the source {reference}")
    except ReplicatorError as error:
        if error.advice is not SOURCE_MISSING or not (meant := await _near(calls, reference)):
            raise
        raise ReplicatorError(SOURCE_MISSING, error.what, remedy=f"{meant} {error.todo}") from error


async def _near(calls: Calls, wrong: SourceRef) -> str:
    """Ask whether an image or family of a similar name was meant; empty if there is none, or no answer to one call."""
    doing = f"Looking for images like {wrong}"
    try:
        async with asyncio.timeout(_LONGEST_LOOK):
            newest = await calls(calls.compute.list_newest(wrong.project), doing=doing, where="source", limit=0)
    except (Refusal, ReplicatorError, errors.Deadline, TimeoutError):
        return ""
    images = {image.ref.name: str(ImageRef(wrong.project, image.ref.name)) for image in newest}
    families = {image.family: str(FamilyRef(wrong.project, image.family)) for image in newest if image.family}
    if isinstance(wrong, FamilyRef):
        word, known = wrong.family, {**images, **families}
    else:
        word, known = wrong.name, {**families, **images}
    near = [known[name] for name in names.nearest(word, known)]
    return f"Did you mean {' or '.join(near)}?" if near else ""


async def _original(calls: Calls, head: Image) -> Image:
    """Return the image that a family's head was copied from within the family, because the head may be a home copy."""
    original = head
    with ending_the_run(f"Reading what {head.ref} was copied from"):
        try:
            async for older in ancestors(calls, head):
                if (older.ref.project, older.family) != (head.ref.project, head.family):
                    break
                original = older
        except Refusal as refusal:
            # A parent that may not be read is usually in another project: then the head itself is replicated.
            if refusal.status != 403:
                raise
    return original


async def read_source_policy(calls: Calls, source: Image, access: Access) -> Policy | None:
    """Read the source's own access policy; None if it may not be read and `access` doesn't need it.

    Raises a ReplicatorError with exit code 3 if it can't be read but is needed.
    """
    try:
        doing = f"Reading who may use {source.ref}"
        return await _own(calls, calls.compute.get_policy(source.ref), doing=doing)
    except ReplicatorError as error:
        if error.advice is not SOURCE_UNREADABLE:
            raise
        if access is not Access.SOURCE:
            return None
        remedy = f"{error.todo} Or set access to public or private, which don't need it."
        raise ReplicatorError(SOURCE_UNREADABLE, error.what, remedy=remedy) from error


async def read_existing(
    calls: Calls, source: Image, refs: Iterable[ImageRef]
) -> dict[ImageRef, Existing | ReplicaError]:
    """Read the existing images at these addresses with their lineage and policy, or the errors of reading them.

    Raises a ReplicatorError with exit code 3 if no request is answered.
    """

    async def examined(found: Image | ReplicaError) -> Existing | ReplicaError:
        return await examine(calls, source, found, known=images) if isinstance(found, Image) else found

    with ending_the_run("Looking for what exists"):
        images = await read_images(calls, refs)
        unanswered = [found for found in images.values() if isinstance(found, errors.Unreachable)]
        if unanswered and len(unanswered) == len(images):
            raise EndpointUnreachable(unanswered[0].what, remedy=unanswered[0].todo)
        existing = await asyncio.gather(*(examined(found) for found in images.values()))
    return dict(zip(images, existing, strict=True))


async def read_images(calls: Calls, refs: Iterable[ImageRef]) -> dict[ImageRef, Image | ReplicaError]:
    """Read those of the images that exist, or the errors of reading them, with one list request for each project."""
    by_project: dict[str, list[str]] = {}
    for ref in refs:
        by_project.setdefault(ref.project, []).append(ref.name)

    limit = _longest_delay(calls) if len(by_project) > 1 else math.inf

    async def one_project(project: str, names: list[str]) -> dict[ImageRef, Image | ReplicaError]:
        doing = f"Looking for images in {project}"
        try:
            find = calls.compute.find(project, names)
            return dict(await calls(find, doing=doing, where=project, patience=PATIENCE, limit=limit))
        except Refusal as refusal:
            error = refusals.error_of(refusal, doing=doing)
            return {ImageRef(project, name): error for name in names}

    parts = await asyncio.gather(*(one_project(project, names) for project, names in by_project.items()))
    return {ref: found for part in parts for ref, found in part.items()}


async def examine(
    calls: Calls, source: Image, image: Image, *, known: Mapping[ImageRef, Image | ReplicaError] = _NOTHING
) -> Existing | ReplicaError:
    """Read an existing image's lineage and, if it is ours and READY, its access policy.

    Images in `known` are not read again: most replicas that aren't copies of the source are copies of each other.
    """
    doing = f"Examining {image.ref}"
    try:
        lineage = await lineage_of(calls, source, image, known=known)
        policy = None
        if lineage is Lineage.OURS and image.status == "READY":
            policy = await _in_passing(calls, calls.compute.get_policy(image.ref), doing=doing, image=image)
    except Refusal as refusal:
        return refusals.error_of(refusal, doing=doing)
    except errors.Deadline as error:
        return error
    return Existing(image=image, lineage=lineage, policy=policy)


async def lineage_of(
    calls: Calls, source: Image, image: Image, *, known: Mapping[ImageRef, Image | ReplicaError] = _NOTHING
) -> Lineage:
    """Return whether an image was made from the source; its parents are read only if its own fields don't decide.

    Raises Refusal as `ancestors` does.
    """
    parents: list[Image] = []
    if image.source_image_id not in {source.id, ""}:
        async for parent in ancestors(calls, image, known=known):
            parents.append(parent)
            if parent.source_image_id == source.id:
                break
    return compare.lineage(source.id, image, parents)


async def ancestors(
    calls: Calls, image: Image, *, known: Mapping[ImageRef, Image | ReplicaError] = _NOTHING
) -> AsyncIterator[Image]:
    """Yield the images that this one was copied from, nearest first, as far as they still exist under their names.

    Raises Refusal if one can't be read, unless it is gone.
    """
    child = image
    for _ in range(_LONGEST_CHAIN):
        ref = child.source_image
        if ref is None:
            return
        parent = known.get(ref)
        if not isinstance(parent, Image):
            try:
                parent = await _in_passing(calls, calls.compute.get(ref), doing=f"Reading {ref}", image=image)
            except Refusal as refusal:
                if refusal.status == 404:
                    return
                raise
        if parent.id != child.source_image_id:
            return
        yield parent
        child = parent


def _find(calls: Calls, reference: SourceRef) -> Request[Image]:
    if isinstance(reference, FamilyRef):
        return calls.compute.family_head(reference.project, reference.family)
    return calls.compute.get(reference)


async def _in_passing(calls: Calls, request: Request[_T], *, doing: str, image: Image) -> _T:
    where, limit = image.ref.name, _longest_delay(calls)
    return await calls(request, doing=doing, where=where, patience=PATIENCE, limit=limit)


def _longest_delay(calls: Calls) -> float:
    """Return the most seconds for a call that only some replicas need while all others wait for the plan."""
    left = calls.deadline - asyncio.get_running_loop().time()
    return min(_LONGEST_DELAY, left * _LARGEST_PART)


async def _own(calls: Calls, request: Request[_T], *, doing: str) -> _T:
    with ending_the_run(doing):
        return await calls(request, doing=doing, where="source", patience=PATIENCE)


@contextlib.contextmanager
def ending_the_run(doing: str) -> Iterator[None]:
    """Turn Refusal and Deadline into the failure that ends the run, by the table of refusals: there is no plan yet."""
    try:
        yield
    except errors.Deadline as error:
        raise EndpointUnreachable(error.what) from error
    except Refusal as refusal:
        failed, ends = refusals.error_of(refusal, doing=doing), refusal.fault.ends
        if ends is ENDPOINT_UNREACHABLE:
            raise EndpointUnreachable(failed.what, remedy=refusal.fault.remedy) from refusal
        remedy = failed.todo if ends is SOURCE_UNREADABLE else refusals.filled(ends.remedy, refusal.project)
        raise ReplicatorError(ends, failed.what, remedy=remedy) from refusal
