"""Filters, orders and pages lists, the same for every resource.

By the discovery document: `name` or `creationTimestamp desc`, by name where nothing is said; 500 a page at most.
A page is asked for by the last entry of the one before, so entries made meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from emulator.compute.discovery import DOCUMENT
from emulator.compute.lists.filters import parse
from emulator.core import api_errors
from emulator.core.discovery.checks import decoded
from emulator.core.discovery.document import compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.compute.call import Call

LIMIT = 500


def page(
    call: Call, schema: str, rendered: Sequence[dict[str, Any]], *, created: str = "creationTimestamp"
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One page of entries of a schema, and `nextPageToken` where there is more. Raises ApiError 400."""
    order = call.query.get("orderBy", "") or "name"
    if order not in {"name", "creationTimestamp desc"}:
        raise api_errors.invalid("orderBy", order, "Only 'name' or 'creationTimestamp desc' is supported.")
    newest_first = order != "name"
    size = call.query.get("maxResults", LIMIT)
    if size > LIMIT:
        raise api_errors.invalid("maxResults", size, f"Must be 0 to {LIMIT}.")
    matches = parse(call.query.get("filter", ""), compiled(DOCUMENT).fields(schema), call.scenario.switches)

    def key(entry: dict[str, Any]) -> tuple[str, ...]:
        return (entry[created], entry["id"]) if newest_first else (entry["name"], entry["id"])

    entries = sorted((entry for entry in rendered if matches(entry)), key=key, reverse=newest_first)
    if after := _after(call.query.get("pageToken", ""), order):
        entries = [entry for entry in entries if (key(entry) < after if newest_first else key(entry) > after)]
    shown = entries[: size or LIMIT]
    if len(shown) == len(entries):
        return shown, {}
    return shown, {"nextPageToken": _token(order, key(shown[-1]))}


def _token(order: str, last: tuple[str, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, *last]).encode()).decode()


def _after(token: str, order: str) -> tuple[str, ...] | None:
    if not token:
        return None
    try:
        made_for, *last = json.loads(decoded(token) or b"")
    except (ValueError, TypeError, RecursionError):
        made_for, last = None, []
    if made_for != order or len(last) != 2 or not all(isinstance(part, str) for part in last):
        raise api_errors.invalid("pageToken", token, "The page token is invalid.")
    return tuple(last)
