"""Reads the price of storing images off SKUs of the Cloud Billing Catalog. Pure.

The forms are those of its discovery document (cloudbilling.v1). That `Storage Image` is the SKU of custom images is
read in infracost's source; the catalog itself was never seen by us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from replicator.core import locations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Compute Engine.
SERVICE = "services/6F81-5844-456A"
#: Machine images are another thing: `Storage Machine Image`.
_NAMED = re.compile(r"Storage Image\b")
_UNIT = "GiBy.mo"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NANO = Decimal("1e-9")
_MULTI_REGIONS = {alias: name for name, each in locations.MULTI_REGIONS.items() for alias in (name, *each.aliases)}


class Unfit(ValueError):
    """SKUs that give no one price for each location; the message says which."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The price of one SKU, and where it counts."""

    sku: str
    places: tuple[str, ...]
    price: Decimal
    since: str
    """The day from which it counts, as `2026-01-31`; empty where that isn't said."""


def offers(skus: Sequence[Mapping[str, Any]], currency: str) -> list[Offer]:
    """Return the offers for storing images. Those without a price above 0 are left out: that is no proof of gifts.

    Raises Unfit where a price is in another currency.
    """
    try:
        return [offer for sku in skus if (offer := _offer(sku, currency))]
    except (AttributeError, TypeError, LookupError, ArithmeticError) as error:
        raise Unfit(f"an SKU is not of the documented form ({type(error).__name__})") from None


def table(found: Sequence[Offer]) -> dict[str, Decimal | None]:
    """Return location → price; None for the multi-regions that have none.

    Raises Unfit, with all of them, where one location has several prices.
    """
    by_place: dict[str, dict[Decimal, list[str]]] = {}
    for offer in found:
        for place in offer.places:
            by_place.setdefault(place, {}).setdefault(offer.price, []).append(offer.sku)
    several = [
        f"{place} has " + " and ".join(f"{price:f} ({', '.join(names)})" for price, names in prices.items())
        for place, prices in sorted(by_place.items())
        if len(prices) > 1
    ]
    if several:
        raise Unfit("; ".join(several))
    unknown: dict[str, Decimal | None] = dict.fromkeys(locations.MULTI_REGIONS)
    return unknown | {place: next(iter(prices)) for place, prices in by_place.items()}


def _offer(sku: Mapping[str, Any], currency: str) -> Offer | None:
    name, infos = str(sku.get("skuId", "?")), sku.get("pricingInfo") or [{}]
    latest = infos[-1]
    expression = latest.get("pricingExpression", {})
    if not _NAMED.match(str(sku.get("description", ""))) or expression.get("usageUnit") != _UNIT:
        return None
    price = next((price for price in _prices(expression, currency, name) if price), None)
    places = tuple(dict.fromkeys(_places(sku)))
    day = _DAY.match(str(latest.get("effectiveTime", "")))
    return Offer(name, places, price.normalize(), day[0] if day else "") if price and places else None


def _prices(expression: Mapping[str, Any], currency: str, name: str) -> Iterator[Decimal]:
    """Yield the prices from the lowest tier up: the first may be a gift of some GiB, which others may have used up."""
    for tier in sorted(expression.get("tieredRates", []), key=lambda tier: float(tier.get("startUsageAmount", 0))):
        money = tier.get("unitPrice", {})
        if money.get("currencyCode", currency) != currency:
            raise Unfit(f"the price of {name} is in {money['currencyCode']}, not in {currency}")
        yield Decimal(str(money.get("units", "0"))) + Decimal(int(money.get("nanos", 0))) * _NANO


def _places(sku: Mapping[str, Any]) -> Iterator[str]:
    """Yield the storage locations that a SKU is about.

    A GLOBAL one counts in all regions, by the document; a MULTI_REGIONAL one where `serviceRegions` says, and there
    `us` and the like are the multi-regions. That single regions are named says nothing of the multi-region.
    """
    if (sku.get("geoTaxonomy") or {}).get("type") == "GLOBAL":
        yield from (*locations.MULTI_REGIONS, *locations.REGIONS)
        return
    for named in sku.get("serviceRegions", []):
        place = _MULTI_REGIONS.get(named, named)
        if locations.is_location(place):
            yield place
