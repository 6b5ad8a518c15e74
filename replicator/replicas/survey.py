"""Reads which images exist and makes the plan from that; changes nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from replicator.compute import lookup
from replicator.replicas import held_back, settings
from replicator.replicas import plan as planning

if TYPE_CHECKING:
    from replicator.compute.retry import Calls
    from replicator.core.images import Image
    from replicator.core.replicas import Plan


async def survey(calls: Calls, wanted: settings.Settings, source: Image) -> Plan:
    """Read what exists and say what is to be done about it. Changes nothing."""
    policy = await lookup.read_source_policy(calls, source, wanted.access)
    replicas = planning.replicas(wanted, source, policy)
    found, heads = await asyncio.gather(
        lookup.read_existing(calls, source, planning.places(source, replicas)),
        held_back.heads(calls, source, replicas),
    )
    return planning.make(wanted, source, policy, replicas, found, heads)
