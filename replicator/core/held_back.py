"""Says what a source that is marked DEPRECATED means: its replicas get no family, and what the families resolve to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.core.images import Image, ImageRef


#: The most families that are named in one sentence.
_MOST_NAMED = 8


def warning(source: Image, found: Mapping[tuple[str, str], ImageRef | None]) -> str:
    """What people must know before they wonder why no family moved."""
    told = [resolves(family, head) for (_, family), head in found.items()]
    if len(told) > _MOST_NAMED:
        told = [*told[: _MOST_NAMED - 1], f"{len(told) - _MOST_NAMED + 1} more are told with their replicas"]
    return (
        f"The source {source.ref} is marked {source.deprecated}: it was held back, rolled back or retired. "
        "Its replicas are made and verified, and none is given a family; what one carries stays."
        + (f" Now {'; '.join(told)}." if told else "")
    )


def resolves(family: str, head: ImageRef | None) -> str:
    """What a family leads its users to."""
    return f"the family {family} resolves to {head.uri if head else 'nothing'}"
