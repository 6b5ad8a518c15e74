"""Limits how often a project is sent a request: to what Compute Engine grants, and less while that is too much.

Pure.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


_T_co = TypeVar("_T_co", covariant=True)

_READS = frozenset({"get", "list", "aggregatedList", "getFromFamily", "getIamPolicy", "testIamPermissions", "wait"})

#: The default quotas of a project ("API rate quotas").
READS_A_MINUTE = 1500
CHANGES_A_MINUTE = 375
#: No refusal brings it lower, lest calls that are refused for another reason stop all others.
_FEWEST = 10
#: That many calls refused, the last of them sent when the first refusals were known, and none accepted that was sent
#: then, mean that the minute's quota is used up. Fewer mean nothing for others.
_IN_A_ROW = 5
#: Each minute without such a row adds this part of what Compute Engine grants,
_STEP = 0.1
#: up to this part of what was too much; jobs that share a project would else be refused again at once.
_SAFE = 0.7
#: Seconds after which what was too much counts no longer: another job may have ended.
_REMEMBERED = 900.0
#: Seconds; a minute of the service begins somewhere within ours, and requests are under way for a while.
_MINUTE = 61.0


@dataclass(frozen=True, slots=True)
class Request(Generic[_T_co]):
    """A call of the API that can be sent any number of times."""

    method: str
    """The name in the discovery document: `compute.images.insert`."""
    project: str
    """The project whose quota the call counts against."""
    send: Callable[[], _T_co]

    @property
    def changes(self) -> bool:
        """Whether the call changes anything: reads and changes have separate quotas."""
        return self.method.rpartition(".")[2] not in _READS


class Budget:
    """A sliding-window limit: how many requests (or copies) are allowed within any period of one length.

    All times are seconds on the caller's clock.
    """

    def __init__(self, allowed: float, *, within: float = _MINUTE) -> None:
        self.allowed = allowed
        """The most requests within the period; infinite if there is no limit."""
        self._within = within
        self._sent: deque[float] = deque()
        self._closed_until = 0.0

    def opens(self, now: float) -> float:
        """Return the time from which one more request is allowed: `now` or later."""
        self._forget(now)
        full = self._sent[-int(self.allowed)] + self._within if len(self._sent) >= self.allowed else now
        return max(full, self._closed_until, now)

    def free(self, now: float) -> float:
        """Return how many requests are allowed now."""
        return 0 if self.opens(now) > now else self.allowed - len(self._sent)

    def spend(self, now: float) -> None:
        """Count one request now."""
        self._sent.append(now)

    def unspend(self, then: float) -> None:
        """Give back the request counted at that time."""
        with contextlib.suppress(ValueError):
            self._sent.remove(then)

    def close(self, now: float, seconds: float) -> None:
        """Block for this many seconds."""
        self._closed_until = max(self._closed_until, now + seconds)

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] + self._within <= now:
            self._sent.popleft()


class Pace(Budget):
    """A budget that learns what a project's quota has room for from the answers to its calls.

    What others do can't be seen. By being halved, budgets of jobs that share a project come to share its quota, and in
    the end none of them is refused any more. They grow again, slowly, because a quota that was used up once refills.
    """

    def __init__(self, granted: float) -> None:
        super().__init__(granted)
        self._granted = granted
        self._row: set[object] = set()
        """The calls refused since one was accepted."""
        self._row_began = -math.inf
        self._learned = -math.inf
        """When the quota was found to be used up last: requests sent before that tell nothing new."""
        self._grown = 0.0
        """The moment up to which the budget has grown."""
        self._too_much = math.inf

    def opens(self, now: float) -> float:
        """The moment from which on one more is allowed: `now`, or a later one."""
        self._grow(now)
        return super().opens(now)

    def accepted(self, sent: float) -> None:
        """The project took a request: there was room for others at that time."""
        if sent > self._row_began:
            self._row.clear()

    def refused(self, call: object, sent: float, now: float, *, seconds: float = 0.0) -> None:
        """The service said to this call, sent at that time, that it was too often.

        One call that is refused again and again, alone, says nothing of others. Once several in a row are refused, all
        are blocked until the quota has refilled (for `seconds`, where that is longer), and half as many are allowed.
        """
        if sent < self._learned:
            return
        if not self._row:
            self._row_began = now
        self._row.add(call)
        if len(self._row) > 1:
            self._grown = now
        # Of requests that were sent together the refused ones may be answered first.
        if len(self._row) < _IN_A_ROW or sent <= self._row_began:
            return
        self._forget(now)
        self._too_much = min(self.allowed, len(self._sent))
        self.allowed = max(self._too_much // 2, min(_FEWEST, self.allowed))
        self._row.clear()
        self._learned = self._grown = now + max(seconds, _MINUTE)
        self.close(now, max(seconds, _MINUTE))

    def _grow(self, now: float) -> None:
        """Allow more again, for each minute that went by without a row of refusals."""
        if self.allowed >= self._granted:
            return
        minutes = max(0, int((now - self._grown) // _MINUTE))
        self._grown += minutes * _MINUTE
        known = now - self._learned < _REMEMBERED
        most = max(self.allowed, int(_SAFE * self._too_much)) if known else self._granted
        self.allowed = min(most, self.allowed + int(minutes * _STEP * self._granted))
