"""Reads what a request says of an image's deprecation, and refuses what may be refused.

The discovery document gives the fields; which dates, replacements and returns to ACTIVE the service takes is nowhere
confirmed, and so a switch each.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from emulator.compute import references
from emulator.core import api_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.compute.call import Call
    from emulator.compute.state import Image

DATES = ("deprecated", "obsolete", "deleted")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")


def given(call: Call, image: Image, body: Mapping[str, Any]) -> dict[str, Any]:
    """The deprecation that an image is to have; {} for none. Raises ApiError 400 or 404."""
    asked = {key: value for key, value in body.items() if value}
    before: dict[str, Any] = dict(image.fields.get("deprecated", {}))
    marked = before.get("state", "ACTIVE") != "ACTIVE"
    if marked and asked.get("state", "ACTIVE") == "ACTIVE":
        switch = call.scenario.switches.undeprecate
        if switch == "refuse":
            text = f"The image '{image.path}' is {before['state']} and cannot become ACTIVE again."
            raise api_errors.bad_request(text, "invalid")
        if switch == "body_only" and asked:
            return before
    for name in DATES:
        if name in asked:
            _check_date(call, name, asked[name])
    if "replacement" in asked:
        asked["replacement"] = _replacement(call, asked["replacement"])
    return asked


def _check_date(call: Call, name: str, value: str) -> None:
    """Raises ApiError 400 for a date that is not in the form, or has passed, where that is refused."""
    switches = call.scenario.switches
    if switches.date_form == "rfc3339" and not (_RFC_3339.fullmatch(value) and _moment(value)):
        raise api_errors.invalid(f"resource.{name}", value, "Must be a date in the form of RFC 3339.")
    moment = _moment(value)
    if switches.past_dates == "refuse" and moment and moment.timestamp() < call.now:
        raise api_errors.invalid(f"resource.{name}", value, "Must be in the future.")


def _moment(value: str) -> datetime | None:
    """The moment that a date means, in UTC where it has no zone; None for what is no date."""
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _replacement(call: Call, reference: str) -> str:
    """The canonical link. Raises ApiError 400 for a replacement that may not be named."""
    field, switch = "resource.replacement", call.scenario.switches.replacement
    link = references.image_link(reference, field, call.project)
    if switch == "same_project" and not link.startswith(references.link(f"projects/{call.project}/")):
        raise api_errors.invalid(field, reference, "The replacement must be in the same project.")
    if switch == "existing" and references.resolved(call.state, reference, call.project, call.now) is None:
        raise api_errors.invalid(field, reference, "The referenced image resource cannot be found.")
    return link
