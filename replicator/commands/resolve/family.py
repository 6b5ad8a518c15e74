"""Finds the copies of a family's newest image, by their lineage: a name alone proves nothing.

Where the images of the project can't be listed, as strangers of public images can't, the families of the usual
locations are asked instead, and what they resolve to must prove its lineage as well.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from replicator.commands.resolve import live
from replicator.commands.resolve.candidates import Offer
from replicator.commands.resolve.errors import IMAGE_UNREADABLE, NO_REPLICA
from replicator.compute import lookup
from replicator.compute.errors import SOURCE_UNREADABLE
from replicator.compute.refusals import Refusal
from replicator.core import errors, locations
from replicator.core.errors import ReplicatorError
from replicator.index import choice
from replicator.inputs.source_reference import FamilyRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from replicator.compute.retry import Calls
    from replicator.core.images import Image, ImageRef

_NO_INDEX = "Give the publisher's image-index.json as index: it needs no more than reading the one image."
#: The most images of one lineage that are followed; a chain through all locations has half as many.
_LONGEST_CHAIN = 100


async def offers(
    calls: Calls, family: FamilyRef, *, place: str, architecture: str, projects: Sequence[str]
) -> dict[str, Offer]:
    """Return the image for each location: the family's newest, where it is stored, and its proven copies.

    Raises a ReplicatorError if the family resolves to nothing, or to another architecture, or can't be read.
    """
    head = await _head(calls, family)
    if head is None:
        raise ReplicatorError(
            NO_REPLICA,
            f"{family} resolves to nothing",
            remedy="Check the name; a family without an image that is READY and not deprecated resolves to nothing.",
        )
    if architecture and (head.architecture or "ARCHITECTURE_UNSPECIFIED") != architecture:
        found = head.architecture or "unspecified"
        raise choice.wrong("architecture", f"'{architecture}' is not that of {head.ref}, which is {found}")
    listed = [*await _listed(calls, family, head, place), *await _elsewhere(calls, projects)]
    images = {image.ref: image for image in [*listed, head]}
    own = origins(head, images)
    copies = [image for image in images.values() if own & origins(image, images)]
    return chosen(head, copies)


def chosen(head: Image, copies: Iterable[Image]) -> dict[str, Offer]:
    """Return one image for each location: the head where it is stored, else the usable copy that is newest."""
    best: dict[str, Image] = {}
    for image in sorted(copies, key=lambda image: (_usable(image), image.created, image.ref)):
        if image.home and (image.architecture == head.architecture):
            best[image.home] = image
    best |= dict.fromkeys(head.storage_locations, head)
    return {location: _offer(image) for location, image in best.items()}


def _usable(image: Image) -> tuple[bool, bool]:
    return image.status == "READY" and image.deprecated in {"", "DEPRECATED"}, not image.deprecated


def _offer(image: Image) -> Offer:
    return Offer(
        ref=image.ref,
        id=image.id,
        source_image_id=image.source_image_id,
        family=image.family,
        architecture=image.architecture or "ARCHITECTURE_UNSPECIFIED",
        image=image,
    )


def origins(image: Image, known: Mapping[ImageRef, Image]) -> frozenset[str]:
    """Return the ids of an image and of all that it was copied from, as far as they can be told.

    A copy has the content of its source, so two images that share an origin are the same.
    """
    found, child = {image.id}, image
    for _ in range(_LONGEST_CHAIN):
        if not child.source_image_id or child.source_image_id in found:
            break
        found.add(child.source_image_id)
        parent = known.get(child.source_image) if child.source_image else None
        if parent is None or parent.id != child.source_image_id:
            break
        child = parent
    return frozenset(found)


async def _head(calls: Calls, family: FamilyRef) -> Image | None:
    """Return what a family resolves to; None if that is nothing. Raises a ReplicatorError if it can't be read."""
    doing = f"Reading what {family} resolves to"
    with live.ending(doing):
        try:
            request = calls.compute.family_head(family.project, family.family)
            return await calls(request, doing=doing, where=family.family, patience=lookup.PATIENCE)
        except Refusal as refusal:
            if live.is_missing(refusal):
                return None
            raise


async def _listed(calls: Calls, family: FamilyRef, head: Image, place: str) -> list[Image]:
    """Return all images of the family's project; if they can't be listed, what the locations' families resolve to."""
    with live.ending(f"Listing the images of {family.project}"):
        try:
            return await _whole(calls, family.project)
        except Refusal as refusal:
            if not _is_forbidden(refusal):
                raise
    stem = family.family.removesuffix(f"-{head.home}") if head.home else family.family
    asked = [FamilyRef(family.project, f"{stem}-{name}") for name in dict.fromkeys([*locations.MULTI_REGIONS, place])]
    found = await asyncio.gather(*(_head_or_error(calls, one) for one in asked))
    refused = [error for error in found if isinstance(error, ReplicatorError)]
    if len(refused) == len(asked):
        raise ReplicatorError(IMAGE_UNREADABLE, refused[0].what, remedy=_NO_INDEX)
    return [image for image in found if image is not None and not isinstance(image, ReplicatorError)]


async def _head_or_error(calls: Calls, family: FamilyRef) -> Image | ReplicatorError | None:
    try:
        return await _head(calls, family)
    except ReplicatorError as error:
        if error.advice is not IMAGE_UNREADABLE:
            raise
        return error


async def _elsewhere(calls: Calls, projects: Sequence[str]) -> list[Image]:
    """Return all images of other projects that were named. Raises a ReplicatorError if one can't be listed."""
    found: list[Image] = []
    for project in projects:
        with live.ending(f"Listing the images of {project}"):
            found += await _whole(calls, project)
    return found


async def _whole(calls: Calls, project: str) -> list[Image]:
    """List all images of a project, page by page. Raises Refusal."""
    images: dict[str, Image] = {}
    token, seen = "", {""}
    doing = f"Listing the images of {project}"
    while True:
        request = calls.compute.list_page(project, token)
        page, token = await calls(request, doing=doing, where=project, patience=lookup.PATIENCE)
        images.update((image.id, image) for image in page)
        if token in seen:
            return list(images.values())
        seen.add(token)


def _is_forbidden(refusal: Refusal) -> bool:
    fault = refusal.fault
    return fault.error is errors.Forbidden and fault.ends is SOURCE_UNREADABLE
