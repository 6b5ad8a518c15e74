"""Calls the Cloud Billing Catalog: plain JSON over google-auth's session; no other module speaks to that service."""

from __future__ import annotations

import asyncio
import os
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
from replicator.compute.trouble import connection, environment
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.prices.settings import Inputs

GOOGLE = "https://cloudbilling.googleapis.com"
#: The most that one answer holds, by the discovery document.
_PAGE = 5000
_MOST_PAGES = 100
_TIMEOUT = (10.0, 60.0)
#: Seconds before each further try.
_WAITS = (1.0, 4.0, 16.0)


class _Passing(Exception):
    """A request that may succeed a little later."""


async def skus(inputs: Inputs, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Read all SKUs of Compute Engine, page by page. Raises ReplicatorError."""
    session = _session(inputs, env)
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
            return await loop.run_in_executor(DaemonThreads(), _get, session, url, query)
        except _Passing as error:
            said = str(error)
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
        raise ReplicatorError(CATALOG_UNREACHABLE, str(error), remedy=error.fault.remedy) from None
    except (requests.RequestException, OSError, UnicodeError) as error:
        if wrong := environment.blamed(error, os.environ):
            raise wrong from None
        trouble = connection.of_url(error, url)
        if trouble.remedy:
            raise ReplicatorError(CATALOG_UNREACHABLE, trouble.text, remedy=trouble.remedy) from None
        raise _Passing(trouble.text) from None
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
        raise ReplicatorError(CATALOG_REFUSED, what, remedy="" if status in {401, 403} else "Read what it says.")
    raise ReplicatorError(CATALOG_UNREACHABLE, f"The Cloud Billing API's place answered HTTP {status}, {message}")
