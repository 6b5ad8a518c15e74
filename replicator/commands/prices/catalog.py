"""Calls the Cloud Billing Catalog: plain JSON over google-auth's session; no other module speaks to that service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import requests
from google.auth import exceptions as auth_errors
from google.auth.transport.requests import AuthorizedSession

from replicator.bootstrap.redact import redacted
from replicator.commands.prices.errors import CATALOG_REFUSED, CATALOG_UNREACHABLE
from replicator.commands.prices.skus import SERVICE
from replicator.compute import connect, credentials
from replicator.compute.refusals import NoToken, NoWay
from replicator.compute.threads import DaemonThreads
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
    session = await asyncio.get_running_loop().run_in_executor(DaemonThreads(), _session, inputs, env)
    found: list[dict[str, Any]] = []
    token = ""
    for _ in range(_MOST_PAGES):
        page = await _page(session, inputs, token)
        found += [sku for sku in page.get("skus", []) if isinstance(sku, dict)]
        token = str(page.get("nextPageToken") or "")
        if not token:
            return found
    raise ReplicatorError(CATALOG_UNREACHABLE, f"The Cloud Billing Catalog has more than {_MOST_PAGES} pages")


def _session(inputs: Inputs, env: Mapping[str, str]) -> Any:
    by_key = inputs.key or inputs.anonymous
    found = credentials.anonymous() if by_key else credentials.find(env, endpoint=inputs.endpoint)
    session = AuthorizedSession(found)  # type: ignore[no-untyped-call]
    connect.set_up(session, local=inputs.endpoint.startswith("http://"))
    if inputs.key:
        # In the query it would be in every log of requests.
        session.headers["X-Goog-Api-Key"] = inputs.key
    return session


async def _page(session: Any, inputs: Inputs, token: str) -> dict[str, Any]:
    query = {
        "currencyCode": inputs.settings.currency,
        "pageSize": str(_PAGE),
        **({"pageToken": token} if token else {}),
    }
    url = f"{inputs.endpoint or GOOGLE}/v1/{SERVICE}/skus"
    loop, said = asyncio.get_running_loop(), ""
    for wait in (0.0, *_WAITS):
        await asyncio.sleep(wait)
        try:
            answer = loop.run_in_executor(DaemonThreads(), _get, session, url, query)
            return await asyncio.wait_for(answer, _LONGEST)
        except _Passing as error:
            said = str(error)
        except TimeoutError:
            said = f"no whole answer in {_LONGEST:g} seconds"
    raise ReplicatorError(CATALOG_UNREACHABLE, f"The Cloud Billing Catalog can't be read: {said}")


def _get(session: Any, url: str, query: Mapping[str, str]) -> dict[str, Any]:
    try:
        answer = session.get(url, params=query, timeout=_TIMEOUT, allow_redirects=False)
    except auth_errors.GoogleAuthError as error:
        try:
            credentials.failed(error)
        except NoToken as told:
            raise _Passing(str(told)) from None
    except NoToken as error:
        raise _Passing(str(error)) from None
    except NoWay as error:
        raise ReplicatorError(CATALOG_UNREACHABLE, str(error)) from None
    except (requests.RequestException, OSError) as error:
        raise _Passing(f"no answer ({type(error).__name__})") from None
    return _read(answer)


def _read(answer: Any) -> dict[str, Any]:
    status = answer.status_code
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if status == requests.codes.ok and isinstance(found, dict):
        return found
    error = found.get("error") if isinstance(found, dict) else None
    message = redacted(str(error.get("message", ""))[:600]) if isinstance(error, dict) else "an answer that isn't JSON"
    if status in {429, 200} or status >= 500:
        raise _Passing(f"HTTP {status}, {message}")
    if isinstance(error, dict):
        what = f"The Cloud Billing API answered HTTP {status}: {message.rstrip('.')}"
        if _NO_QUOTA_PROJECT in message:
            raise ReplicatorError(CATALOG_REFUSED, what, remedy=_NAME_QUOTA_PROJECT)
        raise ReplicatorError(CATALOG_REFUSED, what, remedy="" if status in {401, 403} else "Read what it says.")
    raise ReplicatorError(CATALOG_UNREACHABLE, f"The Cloud Billing API's place answered HTTP {status}, {message}")
