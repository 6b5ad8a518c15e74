"""Waits within the deadline, and tells people why and until when."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable

#: From so many seconds on a wait is long enough to let others go first.
LONG_WAIT = 10.0
#: Waits are lengthened by up to this part, so that several jobs do not come back at the same moment.
_JITTER = 0.1
#: The last try is made so many seconds before the deadline, so that its answer can still come.
_LAST_TRY = 5.0


class Waits:
    """The waits of one run: none goes beyond its deadline."""

    def __init__(self, *, deadline: float, tell: Callable[[str, str], None], within: str) -> None:
        self.deadline = deadline
        """On the event loop's clock, in seconds."""
        self.within = within
        """For people: what sets the deadline."""
        self.next_try: dict[str, str] = {}
        """For people: the time of day at which a location that has to wait goes on, by location."""
        self._tell = tell

    async def pause(self, seconds: float, *, at_least: float = 1.0, where: str, because: str = "") -> None:
        """Wait, and tell people why, where a reason is given. Raises Deadline where the wait would end too late.

        Near the deadline it is shortened, but to no less than `at_least`, so that there is one more try.
        """
        waiting = self.fitting(seconds, at_least=at_least)
        if asyncio.get_running_loop().time() + waiting > self.deadline:
            raise errors.Deadline(f"{because} Waiting {waiting:.0f} s would go beyond {self.within}".strip())
        await self.rest(waiting, where=where, because=because)

    def fitting(self, seconds: float, *, at_least: float) -> float:
        """The wait to make: a little longer than asked, or just short enough for one more try before the deadline.

        Never shorter than `at_least`, even where that is longer than the time left.
        """
        left = self.deadline - asyncio.get_running_loop().time()
        usual = seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311 - to spread load, not to keep a secret
        return min(usual, max(at_least, left - _LAST_TRY))

    async def rest(self, seconds: float, *, where: str, because: str) -> None:
        """Sleep, and tell people why and until when; the deadline is the caller's to keep."""
        if because:
            self.announce(seconds, where=where, because=because)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.next_try.pop(where, None)

    def announce(self, seconds: float, *, where: str, because: str) -> None:
        """Tell people for how long something waits, and why; `next_try` has it from now on, if it is long."""
        at = f"{datetime.now(UTC) + timedelta(seconds=seconds):%H:%M} UTC"
        long = seconds >= LONG_WAIT
        self._tell(where, f"{because} Next try in {seconds:.0f} s{f', at {at}' if long else ''}.")
        if long:
            self.next_try[where] = f"next try {at}"
