"""Chooses the one image of an index to output, for an architecture, a variant and a location."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted
from replicator.index import choice

if TYPE_CHECKING:
    from replicator.commands.verify.settings import VerifySettings
    from replicator.index.image_index import Index, Served


def pick(read: Index, wanted: VerifySettings) -> Served | None:
    """Return the image that is asked for; None if none is. Raises BadSettings if the index doesn't hold exactly one."""
    if not (wanted.architecture or wanted.variant or wanted.location):
        return None
    entry = choice.entry(read.images, architecture=wanted.architecture, variant=wanted.variant)
    there = choice.listed(entry.locations)
    if not wanted.location:
        raise choice.wrong("location", f"is needed for an image: {there}")
    if wanted.location not in entry.locations:
        raise choice.wrong(
            "location",
            f"{quoted(wanted.location)} is not served by {choice.named(entry)} of this index, which is in {there}",
        )
    return entry.locations[wanted.location]
