"""Plans and lists of prices for tests of what plans cost."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from replicator.core.images import Image, ImageRef
from replicator.core.replicas import Existing, Lineage, Plan
from replicator.inputs.price_list import PriceList
from replicator.replicas import plan as planning
from replicator.replicas.cost.estimate import Cost, estimate
from replicator.replicas.settings import Settings
from testkit.make import PUBLIC, copy, image

if TYPE_CHECKING:
    from collections.abc import Mapping

GIB = 2**30


def listed(prices: Mapping[str, str | None], **fields: Any) -> PriceList:
    usual = {"schema": 1, "currency": "USD", "as_of": date(2026, 1, 1), "source": "a test"}
    return PriceList.model_validate({**usual, "image_storage_gib_month": dict(prices), **fields})


def planned(
    locations: list[str], size: int, found: Mapping[str, Existing] | None = None, source: Image | None = None
) -> Plan:
    source = source or image(archive_size_bytes=size)
    wanted = Settings(locations=tuple(locations), replace_failed=True)
    there = {ImageRef("p1", f"web-1-{location}"): existing for location, existing in (found or {}).items()}
    return planning.make(wanted, source, PUBLIC, planning.replicas(wanted, source, PUBLIC), there)


def made(locations: list[str], size: int, prices: Mapping[str, str | None], **fields: Any) -> Cost:
    return estimate(planned(locations, size), listed(prices, **fields))


def existing(location: str, **fields: Any) -> Existing:
    usual = {"archive_size_bytes": GIB, "family": f"web-{location}"}
    return Existing(image=copy(location, **{**usual, **fields}), lineage=Lineage.OURS, policy=PUBLIC)
