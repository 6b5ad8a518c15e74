from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from replicator.commands.prices import skus
from replicator.core.locations import MULTI_REGIONS, REGIONS


def sku(name: str = "A", *, rates: list[tuple[float, str, int]] | None = None, **fields: Any) -> dict[str, Any]:
    tiers = [
        {"startUsageAmount": start, "unitPrice": {"currencyCode": "USD", "units": units, "nanos": nanos}}
        for start, units, nanos in rates or [(0, "0", 50_000_000)]
    ]
    latest = {
        "effectiveTime": "2026-11-01T08:00:00Z",
        "pricingExpression": {"usageUnit": "GiBy.mo", "tieredRates": tiers},
    }
    return {
        "skuId": name,
        "description": "Storage Image",
        "serviceRegions": ["us-central1"],
        "geoTaxonomy": {"type": "REGIONAL", "regions": ["us-central1"]},
        "pricingInfo": [{"pricingExpression": {"usageUnit": "GiBy.mo", "tieredRates": []}}, latest],
        **fields,
    }


def prices(*found: dict[str, Any]) -> dict[str, Decimal]:
    table = skus.table(skus.offers(found, "USD"))
    return {place: price for place, price in table.items() if price is not None}


def test_the_latest_price_of_the_lowest_tier_that_has_one() -> None:
    assert prices(sku(rates=[(100, "0", 40_000_000), (0, "0", 0), (5, "1", 50_000_000)])) == {
        "us-central1": Decimal("1.05")
    }


@pytest.mark.parametrize("text", ["Storage Machine Image", "A Storage Image", "Storage Images", "Storage Imagery"])
def test_other_skus_are_passed_over(text: str) -> None:
    assert prices(sku(description=text)) == {}
    assert prices(sku(description="Storage Image in Iowa")) == {"us-central1": Decimal("0.05")}


def test_what_has_no_price_is_unknown_and_not_free() -> None:
    assert prices(sku(rates=[(0, "0", 0)])) == {}
    assert skus.table([]) == dict.fromkeys(MULTI_REGIONS)


def test_the_taxonomies() -> None:
    multi = {"type": "MULTI_REGIONAL", "regions": ["europe-west1", "europe-west4"]}
    assert prices(sku(serviceRegions=["europe"], geoTaxonomy=multi)) == {"eu": Decimal("0.05")}
    assert set(prices(sku(serviceRegions=["europe-west1", "europe-west4", "nam4"], geoTaxonomy=multi))) == {
        "europe-west1",
        "europe-west4",
    }
    assert set(prices(sku(serviceRegions=["global"], geoTaxonomy={"type": "GLOBAL"}))) == {*MULTI_REGIONS, *REGIONS}


def test_two_prices_of_one_place_are_refused_with_both() -> None:
    assert prices(sku("A"), sku("B")) == {"us-central1": Decimal("0.05")}
    with pytest.raises(skus.Unfit, match=r"us-central1 has 0\.05 \(A, C\) and 0\.06 \(B\)"):
        prices(sku("A"), sku("B", rates=[(0, "0", 60_000_000)]), sku("C"))


def test_another_currency_or_form_is_refused() -> None:
    with pytest.raises(skus.Unfit, match="the price of A is in USD, not in EUR"):
        skus.offers([sku()], "EUR")
    for wrong in ({"pricingInfo": "x"}, {"pricingInfo": {"a": 1}}, {"geoTaxonomy": [1]}):
        with pytest.raises(skus.Unfit, match="documented form"):
            skus.offers([sku(**wrong)], "USD")
