"""Reads which images exist and makes the plan from that; changes nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from replicator.compute import lookup
from replicator.replicas import plan as planning
from replicator.replicas import settings

if TYPE_CHECKING:
    from replicator.compute.retry import Calls
    from replicator.core.images import Image
    from replicator.core.replicas import Plan


async def survey(calls: Calls, wanted: settings.Settings, source: Image) -> Plan:
    """Read which images exist and return the plan. Changes nothing."""
    replicas = planning.replicas(wanted, source)
    policy, found = await asyncio.gather(
        lookup.read_source_policy(calls, source, wanted.access),
        lookup.read_existing(calls, source, planning.places(source, replicas)),
    )
    return planning.make(wanted, source, policy, replicas, found)
