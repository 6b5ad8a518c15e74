"""Reads the date on which an image may be deleted, as anybody may have written it. Pure.

The API takes any text. gcloud writes the local time without a zone, SUSE's tools write RFC 3339, and `--delete-on`
takes a bare date; a text that may mean several moments is read as the latest of them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

#: The zone that is farthest behind UTC.
_FARTHEST = timedelta(hours=12)
_BARE = re.compile(r"\d{4}-\d{2}-\d{2}")


def latest(text: str) -> datetime | None:
    """Return the latest moment, in UTC, that the text can mean; None if it isn't a date."""
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo:
            return read.astimezone(UTC)
        end_of_day = timedelta(days=1) if _BARE.fullmatch(text) else timedelta()
        return read.replace(tzinfo=UTC) + end_of_day + _FARTHEST
    except (ValueError, OverflowError):
        return None
