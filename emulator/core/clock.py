"""Tells the time: the machine's, or one that a client drives, to make copies end when it likes."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

# The service writes Pacific time; without a time zone database at hand, its winter offset stands for the whole year.
PACIFIC = timezone(timedelta(hours=-8))


class Clock(Protocol):
    """What the emulator knows of time."""

    def now(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""

    async def sleep_until(self, moment: float) -> None:
        """Return once `now()` is not before `moment`; never, if that is infinity."""


class RealClock:
    """The machine's time, read once and then carried on monotonically, so that no correction undoes a deadline."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return time.monotonic() + self._offset

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""
        return time.monotonic()

    async def sleep_until(self, moment: float) -> None:
        """Return once `now()` is not before `moment`; never, if that is infinity."""
        while (left := moment - self.now()) > 0:  # noqa: ASYNC110 -- only time ends this wait
            await asyncio.sleep(min(left, 3600.0))


class DrivenClock:
    """Time that stands still until somebody moves it."""

    def __init__(self, start: float | None = None) -> None:
        self._start = self._now = time.time() if start is None else start
        self._waiting: dict[asyncio.Future[None], float] = {}

    def now(self) -> float:
        """Seconds since 1970."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._now - self._start

    async def sleep_until(self, moment: float) -> None:
        """Return once `now()` is not before `moment`; never, if that is infinity."""
        if self._now >= moment:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = moment
        try:
            await waiting
        finally:
            self._waiting.pop(waiting, None)

    def awaited(self) -> list[float]:
        """The moments that somebody waits for."""
        return list(self._waiting.values())

    def advance(self, seconds: float) -> None:
        """Move on, and wake those whose moment has come."""
        self.move_to(self._now + seconds)

    def move_to(self, moment: float) -> None:
        """Move on to a moment, exactly."""
        self._now = max(moment, self._now)
        for waiting, until in list(self._waiting.items()):
            if until <= self._now and not waiting.done():
                waiting.set_result(None)


def timestamp(moment: float) -> str:
    """RFC 3339 with milliseconds and offset, as the service writes it: `2026-11-21T04:05:06.123-08:00`."""
    return datetime.fromtimestamp(moment, UTC).astimezone(PACIFIC).isoformat(timespec="milliseconds")
