"""Compares the machine's clock with Compute Engine's, as the first answer tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """What an answer said of the time, and when it came by the machine's clock."""

    said: datetime
    heard: datetime

    def now(self, by_machine: datetime) -> datetime:
        """Return the service's time at a moment of the machine's clock."""
        return self.said + (by_machine - self.heard)


def heard(date: str, now: datetime) -> ServiceClock | None:
    """Read the header `Date` of an answer; None if it isn't a date of HTTP."""
    try:
        said = parsedate_to_datetime(date)
    except ValueError:
        return None
    return ServiceClock(said, now) if said.tzinfo else None
