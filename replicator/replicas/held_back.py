"""Says what a source that is marked DEPRECATED means: its replicas move no family, and what the families resolve to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from replicator.compute import lookup
from replicator.compute.refusals import Refusal
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.compute.retry import Calls
    from replicator.core.images import Image, ImageRef
    from replicator.core.replicas import Replica


#: So many families are named in one sentence.
_MOST_NAMED = 8


async def heads(calls: Calls, source: Image, replicas: Iterable[Replica]) -> dict[tuple[str, str], ImageRef | None]:
    """What the families of a held-back source and of its replicas resolve to, None for nothing.

    Empty for any other source. What can't be read is left out: it decides nothing.
    """
    if not source.deprecated:
        return {}
    wanted = {(source.ref.project, source.family): None, **{(each.ref.project, each.family): None for each in replicas}}
    families = [(project, family) for project, family in wanted if family]
    found = await asyncio.gather(*(_head(calls, *family) for family in families))
    return {family: head for family, (known, head) in zip(families, found, strict=True) if known}


async def _head(calls: Calls, project: str, family: str) -> tuple[bool, ImageRef | None]:
    """Whether it is known what the family resolves to, and that."""
    try:
        head = await calls(
            calls.compute.family_head(project, family),
            doing=f"Reading the head of the family {family}",
            where=family,
            patience=lookup.PATIENCE,
            limit=lookup.PATIENCE,
        )
    except Refusal as refusal:
        return refusal.status == 404, None
    except errors.Deadline:
        return False, None
    return True, head.ref


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
