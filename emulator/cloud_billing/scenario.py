"""Adds to a scenario the SKUs of the Cloud Billing Catalog."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emulator.core import scenario as core

Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]


class Tier(core.Strict):
    """The price from an amount of use on."""

    start: Annotated[float, Field(ge=0)] = 0
    """From how many units on."""
    price: dict[Currency, Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]]
    """Currency → price of a unit, as a text."""


class Sku(core.Strict):
    """Something that has a price."""

    sku: Annotated[str, Field(pattern=r"^[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}$")]
    """Its id in the catalog, such as `D041-B8A1-6E0B`."""
    service: str = "6F81-5844-456A"
    """The service; Compute Engine where nothing is said."""
    description: str = "Storage Image"
    """What it is."""
    unit: str = "GiBy.mo"
    """The unit of its use: GiB and month where nothing is said."""
    regions: tuple[str, ...] = ()
    """Its `serviceRegions`."""
    taxonomy: Literal["GLOBAL", "REGIONAL", "MULTI_REGIONAL"] = "REGIONAL"
    """The type of its `geoTaxonomy`."""
    members: tuple[str, ...] = ()
    """The regions of its taxonomy, where they are others than `regions`."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    """Its prices, from the first unit up."""


class Scenario(core.Scenario):
    """What an emulator starts with, and by which rules it goes."""

    skus: tuple[Sku, ...] = ()
    """The Cloud Billing Catalog, in the order of its list."""
