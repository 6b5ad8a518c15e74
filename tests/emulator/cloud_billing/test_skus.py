"""The Cloud Billing Catalog of a scenario, as its discovery document has it."""

from __future__ import annotations

from emulator.testing import running
from testkit.client import Client

SKUS = "/v1/services/6F81-5844-456A/skus"
TWO = [
    {"sku": f"D041-B8A1-000{number}", "regions": ["us"], "tiers": [{"price": {"USD": "1.25", "EUR": "1"}}]}
    for number in (1, 2)
]


def test_pages_currencies_and_parameters() -> None:
    with running(driven=True, scenario={"skus": [*TWO, {**TWO[0], "service": "0000-0000-0000"}]}) as emulator:
        client = Client(emulator)
        first = client.send("GET", f"{SKUS}?pageSize=1&currencyCode=EUR").json
        assert [each["skuId"] for each in first["skus"]] == ["D041-B8A1-0001"]
        second = client.send("GET", f"{SKUS}?pageSize=1&pageToken={first['nextPageToken']}").json
        assert [each["skuId"] for each in second["skus"]] == ["D041-B8A1-0002"]
        assert second["nextPageToken"] == ""
        (rate,) = second["skus"][0]["pricingInfo"][0]["pricingExpression"]["tieredRates"]
        assert rate["unitPrice"] == {"currencyCode": "USD", "units": "1", "nanos": 250_000_000}
        for wrong in ("pageSize=5001", "currencyCode=XXX", "pageToken=x", "pageSizes=1"):
            assert client.send("GET", f"{SKUS}?{wrong}").status == 400
        assert client.send("GET", "/v1/services").status == 501
