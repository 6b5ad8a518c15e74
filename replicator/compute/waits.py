"""Sleeps between tries: jitter, shorter waits near the deadline, and messages that say why and until when."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds from which a wait is long enough to let others go first.
LONG_WAIT = 10.0
#: Waits are lengthened by up to this part, so that several jobs don't come back at the same moment.
_JITTER = 0.1
#: Seconds between the last try and the deadline, so that the answer can still come in time.
_LAST_TRY = 5.0


def now() -> datetime:
    """Return the time of day. It is shown to people; waits and deadlines go by the event loop's clock."""
    return datetime.now(UTC)


class Waits:
    """The waits of one run; none goes beyond the run's deadline."""

    def __init__(self, *, deadline: float, tell: Callable[[str, str], None], within: str) -> None:
        self.deadline = deadline
        """The end of the run, in seconds on the event loop's clock."""
        self.within = within
        """For people: what sets the deadline, such as the name of an input."""
        self.next_try: dict[str, str] = {}
        """For people: the time of day of the next try, by location."""
        self._tell = tell

    async def pause(self, seconds: float, *, at_least: float = 1.0, where: str, because: str = "") -> None:
        """Wait, and tell people why if a reason is given. Raises Deadline if the wait would end after the deadline.

        Near the deadline the wait is shortened, but not below `at_least`, so that there is one more try.
        """
        waiting = self.fitting(seconds, at_least=at_least)
        if asyncio.get_running_loop().time() + waiting > self.deadline:
            raise errors.Deadline(f"{because} Waiting {waiting:.0f} s would go beyond {self.within}".strip())
        await self.rest(waiting, where=where, because=because)

    def fitting(self, seconds: float, *, at_least: float) -> float:
        """Return the seconds to wait: a little more than asked, or just few enough for one more try in time.

        Never less than `at_least`, even if that is longer than the time left.
        """
        left = self.deadline - asyncio.get_running_loop().time()
        usual = seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311 - to spread load, not to keep a secret
        return min(usual, max(at_least, left - _LAST_TRY))

    async def rest(self, seconds: float, *, where: str, because: str) -> None:
        """Sleep, and tell people why and until when. The caller must check the deadline."""
        if because:
            self.announce(seconds, where=where, because=because)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.next_try.pop(where, None)

    def announce(self, seconds: float, *, where: str, because: str) -> None:
        """Tell people how long a wait is, and why; a long one is kept in `next_try`."""
        at = f"{now() + timedelta(seconds=seconds):%H:%M} UTC"
        long = seconds >= LONG_WAIT
        self._tell(where, f"{because} Next try in {seconds:.0f} s{f', at {at}' if long else ''}.")
        if long:
            self.next_try[where] = f"next try {at}"
