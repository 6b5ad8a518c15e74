"""Compares the fragments with the live images; ends the merge if anything differs or can't be read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from replicator.commands.merge import fragments
from replicator.commands.merge.errors import FRAGMENTS_UNVERIFIED, BadFragments
from replicator.compute import lookup
from replicator.compute.errors import EndpointUnreachable
from replicator.compute.refusals import Refusal, error_of
from replicator.core import errors
from replicator.core.images import Image
from replicator.core.replicas import Existing, Lineage
from replicator.replicas import audit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.merge.fragments import Merged, Part
    from replicator.compute.retry import Calls
    from replicator.core.images import ImageRef
    from replicator.replicas.audit import Seen


async def confirm(calls: Calls, merged: Merged) -> list[tuple[Part, Image, dict[str, Existing]]]:
    """Compare every entry with the live API: each source, and the image in each location.

    Raises BadFragments if anything differs from the fragments or can't be read.
    """
    entries = [part.entry for part in merged.parts]
    refs = dict.fromkeys([*audit.named(entries), *(entry.source.ref for entry in entries)])
    with lookup.ending_the_run("Looking for what the fragments name"):
        images = await lookup.read_images(calls, refs)
        confirmed = []
        for part in merged.parts:
            source, seen = images.get(part.entry.source.ref), await audit.look(calls, [part.entry], images)
            confirmed.append((part, source, seen, await _existing(calls, source, seen, images)))
    wrong: list[str] = []
    unread: list[errors.ReplicaError] = []
    for part, source, seen, existing in confirmed:
        met = [source, *(item.image for item in seen), *existing.values()]
        unread += [item for item in met if isinstance(item, errors.ReplicaError)]
        if not isinstance(source, errors.ReplicaError):
            wrong += fragments.doubts(part, source, seen, _proven(existing))
    if wrong:
        raise BadFragments(problems(wrong))
    if unread and all(isinstance(error, errors.Unreachable) for error in unread):
        raise EndpointUnreachable(unread[0].what)
    if unread:
        said = list(dict.fromkeys(error.message for error in unread))
        raise BadFragments(problems(said), advice=FRAGMENTS_UNVERIFIED)
    return [(part, source, _proven(existing)) for part, source, _, existing in confirmed if isinstance(source, Image)]


async def _existing(
    calls: Calls,
    source: Image | errors.ReplicaError | None,
    seen: Sequence[Seen],
    known: Mapping[ImageRef, Image | errors.ReplicaError],
) -> dict[str, Existing | errors.ReplicaError]:
    """Return the image in each location, with its lineage: whether it comes from the source."""

    async def one(item: Seen, image: Image, source: Image) -> tuple[str, Existing | errors.ReplicaError]:
        try:
            lineage = (
                Lineage.OURS if image.id == source.id else await lookup.lineage_of(calls, source, image, known=known)
            )
        except Refusal as refusal:
            return item.location, error_of(refusal, doing=f"Examining {image.ref}")
        return item.location, Existing(image=image, lineage=lineage, policy=item.policy)

    if not isinstance(source, Image):
        return {}
    there = [(item, item.image) for item in seen if isinstance(item.image, Image)]
    return dict(await asyncio.gather(*(one(item, image, source) for item, image in there)))


def _proven(found: Mapping[str, Existing | errors.ReplicaError]) -> dict[str, Existing]:
    return {location: item for location, item in found.items() if isinstance(item, Existing)}


def problems(texts: Sequence[str]) -> list[errors.InputProblem]:
    """Make problems of the input `fragments` from texts."""
    return [errors.InputProblem("fragments", text) for text in texts]
