"""Reads which images exist and makes the plan from that; changes nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from replicator.compute import lookup
from replicator.compute.refusals import Refusal
from replicator.core import errors
from replicator.replicas import plan as planning
from replicator.replicas import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.compute.retry import Calls
    from replicator.core.images import Image, ImageRef
    from replicator.core.replicas import Plan, Replica


async def survey(calls: Calls, wanted: settings.Settings, source: Image) -> Plan:
    """Read what exists and say what is to be done about it. Changes nothing."""
    policy = await lookup.read_source_policy(calls, source, wanted.access)
    replicas = planning.replicas(wanted, source, policy)
    found, heads = await asyncio.gather(
        lookup.read_existing(calls, source, planning.places(source, replicas)),
        heads_of(calls, source, replicas),
    )
    return planning.make(wanted, source, policy, replicas, found, heads)


async def heads_of(calls: Calls, source: Image, replicas: Iterable[Replica]) -> dict[tuple[str, str], ImageRef | None]:
    """What the families of a held-back source and of its replicas resolve to, None for nothing.

    Empty for any other source. What can't be read is left out: it decides nothing.
    """
    if not source.deprecated:
        return {}
    wanted = {(source.ref.project, source.family): None, **{(each.ref.project, each.family): None for each in replicas}}
    families = [(project, family) for project, family in wanted if family]
    found = await asyncio.gather(*(head_of(calls, *family) for family in families))
    return {family: ref for family, (known, ref) in zip(families, found, strict=True) if known}


async def moved_by_the_build(calls: Calls, source: Image) -> str:
    """What the build did to the source's family before anything was replicated, for people; empty where nothing."""
    if not source.family:
        return ""
    known, ref = await head_of(calls, source.ref.project, source.family)
    if not known:
        return f"the build had put {source.ref} into the family {source.family} already"
    if ref != source.ref:
        return ""
    return f"the family {source.family} already points to {source.ref}: the build moved it"


async def head_of(calls: Calls, project: str, family: str) -> tuple[bool, ImageRef | None]:
    """Whether it is known what the family resolves to, and that: None for nothing."""
    try:
        found = await calls(
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
    return True, found.ref
