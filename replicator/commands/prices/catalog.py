"""Calls the Cloud Billing Catalog, as plain JSON; no other module speaks to that service."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.commands.prices.errors import CATALOG_REFUSED, CATALOG_UNREACHABLE
from replicator.commands.prices.skus import SERVICE
from replicator.compute import credentials
from replicator.compute.services import json_api
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.prices.settings import Inputs

GOOGLE = "https://cloudbilling.googleapis.com"
#: The most that one answer holds, by the discovery document.
_PAGE = 5000
_MOST_PAGES = 100
#: Seconds for a connection, and between two parts of an answer; for all of a page.
_TIMEOUT = (10.0, 60.0)
_LONGEST = 120.0
#: Seconds before each further try.
_WAITS = (1.0, 4.0, 16.0)
#: Said to a person's own credentials; many issues quote it, terraform-provider-google's for other APIs of billing.
_NO_QUOTA_PROJECT = "requires a quota project"
_NAME_QUOTA_PROJECT = (
    "Name a project in which the Cloud Billing API is on, by the variable GOOGLE_CLOUD_QUOTA_PROJECT; or put an API "
    "key into GOOGLE_API_KEY."
)


class _Passing(Exception):
    """A request that may succeed a little later."""


async def skus(inputs: Inputs, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Read all SKUs of Compute Engine, page by page. Raises ReplicatorError."""
    # A machine's metadata server may be waited for; a signal ends the run meanwhile.
    catalog = await json_api.in_thread(_catalog, inputs, env)
    found: list[dict[str, Any]] = []
    token = ""
    for _ in range(_MOST_PAGES):
        page = await _page(catalog, inputs.settings.currency, token)
        found += [sku for sku in page.get("skus", []) if isinstance(sku, dict)]
        token = str(page.get("nextPageToken") or "")
        if not token:
            return found
    raise ReplicatorError(CATALOG_UNREACHABLE, f"The Cloud Billing Catalog has more than {_MOST_PAGES} pages")


def _catalog(inputs: Inputs, env: Mapping[str, str]) -> json_api.JsonApi:
    by_key = inputs.key or inputs.anonymous
    found = credentials.anonymous() if by_key else credentials.find(env, endpoint=inputs.endpoint)
    catalog = json_api.JsonApi("the Cloud Billing API", inputs.endpoint or GOOGLE, found, timeout=_TIMEOUT)
    if inputs.key:
        # In the query it would be in every log of requests.
        catalog.session.headers["X-Goog-Api-Key"] = inputs.key
    return catalog


async def _page(catalog: json_api.JsonApi, currency: str, token: str) -> Mapping[str, Any]:
    query = {"currencyCode": currency, "pageSize": str(_PAGE), **({"pageToken": token} if token else {})}

    async def pause(seconds: float, _: Exception) -> None:
        await asyncio.sleep(seconds)

    try:
        return await json_api.repeated(
            partial(_get, catalog, query), _WAITS, passing=_is_passing, pause=pause, longest=_LONGEST
        )
    except TimeoutError:
        what = f"The Cloud Billing Catalog can't be read: no whole answer in {_LONGEST:g} seconds"
        raise ReplicatorError(CATALOG_UNREACHABLE, what) from None
    except _Passing as error:
        raise ReplicatorError(CATALOG_UNREACHABLE, f"The Cloud Billing Catalog can't be read: {error}") from None


def _is_passing(error: Exception) -> bool:
    return isinstance(error, _Passing | TimeoutError)


def _get(catalog: json_api.JsonApi, query: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        answer = catalog.send("GET", f"v1/{SERVICE}/skus", query=query)
    except json_api.Unanswered as error:
        if error.again:
            raise _Passing(str(error)) from None
        raise ReplicatorError(CATALOG_UNREACHABLE, str(error), remedy=error.remedy) from None
    if answer.ok:
        return answer.body
    said = f"HTTP {answer.status}, {answer.message}"
    if answer.status == 429 or answer.status >= 500:
        raise _Passing(said)
    what = f"The Cloud Billing API answered {said.rstrip('.')}"
    if _NO_QUOTA_PROJECT in said:
        raise ReplicatorError(CATALOG_REFUSED, what, remedy=_NAME_QUOTA_PROJECT)
    raise ReplicatorError(CATALOG_REFUSED, what, remedy="" if answer.status in {401, 403} else "Read what it says.")
