"""Brings the Cloud Billing Catalog into the emulator: the SKUs of the scenario, in pages, in any currency they have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from emulator.cloud_billing.discovery import DOCUMENT
from emulator.cloud_billing.scenario import Scenario
from emulator.core import api_errors, service
from emulator.core.service import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.cloud_billing.scenario import Sku
    from emulator.core.guard import Need

LIMIT = 5000
_NANOS = 10**9


@dataclass(frozen=True, kw_only=True)
class Call(service.Call):
    """A request with the catalog."""

    skus: tuple[Sku, ...]


def list_skus(call: Call) -> Answer:
    """services.skus.list: a page of a service's SKUs, with their latest prices."""
    currency = call.query.get("currencyCode") or "USD"
    size = call.query.get("pageSize") or LIMIT
    if not 0 < size <= LIMIT:
        raise api_errors.invalid("pageSize", size, f"Must be 1 to {LIMIT}.")
    found = [each for each in call.skus if each.service == call.parameters["service"]]
    if found and not any(currency in tier.price for each in found for tier in each.tiers):
        raise api_errors.invalid("currencyCode", currency, "The currency is not supported.")
    begin = _begin(call.query.get("pageToken") or "0", len(found))
    shown = [_render(each, currency, call.now) for each in found[begin : begin + size]]
    more = str(begin + size) if begin + size < len(found) else ""
    return Answer(body={"skus": shown, "nextPageToken": more})


def _begin(token: str, count: int) -> int:
    if not token.isdecimal() or int(token) > count:
        raise api_errors.invalid("pageToken", token, "The page token is invalid.")
    return int(token)


def _render(sku: Sku, currency: str, now: float) -> dict[str, Any]:
    rates = []
    for tier in sku.tiers:
        units, nanos = divmod(int(Decimal(tier.price.get(currency, "0")) * _NANOS), _NANOS)
        money = {"currencyCode": currency, "units": str(units), "nanos": nanos}
        rates.append({"startUsageAmount": tier.start, "unitPrice": money})
    return {
        "name": f"services/{sku.service}/skus/{sku.sku}",
        "skuId": sku.sku,
        "description": sku.description,
        "category": {"serviceDisplayName": "Compute Engine", "resourceFamily": "Storage", "usageType": "OnDemand"},
        "serviceRegions": list(sku.regions),
        "geoTaxonomy": {"type": sku.taxonomy, "regions": list(sku.members or sku.regions)}
        if sku.taxonomy != "GLOBAL"
        else {"type": "GLOBAL"},
        "pricingInfo": [
            {
                "effectiveTime": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
                "pricingExpression": {"usageUnit": sku.unit, "displayQuantity": 1, "tieredRates": rates},
                "currencyConversionRate": 1,
            }
        ],
        "serviceProviderName": "Google",
    }


class CloudBilling(service.Service[Call]):
    """The catalog, which is the same for everybody."""

    document = DOCUMENT
    scenario = Scenario
    handlers = {"cloudbilling.services.skus.list": list_skus}  # noqa: RUF012 -- declared as a class's own in the base

    def __init__(self, setting: service.Setting) -> None:
        super().__init__(setting)
        self.skus = Scenario.model_validate(setting.scenario).skus

    def call(self, request: service.Call, *, stale: bool) -> Call:  # noqa: ARG002 -- nothing changes here
        """The request with the catalog."""
        return Call(**vars(request), skus=self.skus)

    def needs(self, call: Call, target: str) -> Iterator[Need]:  # noqa: ARG002 -- the catalog is public
        """None."""
        return iter(())


SERVICE = CloudBilling
