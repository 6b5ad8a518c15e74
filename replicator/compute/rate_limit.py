"""Limits how often a project is sent a request: to what Compute Engine grants, and less once that was too much."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


_T_co = TypeVar("_T_co", covariant=True)

_READS = frozenset({"get", "list", "getFromFamily", "getIamPolicy", "testIamPermissions", "wait"})

#: What a project may be asked for in a minute ("API rate quotas", the defaults).
READS_A_MINUTE = 1500
CHANGES_A_MINUTE = 375
#: No refusal brings it lower, lest one that is refused for another reason stops all others.
_FEWEST = 10
#: Seconds; a minute of the service begins somewhere within ours, and requests are under way for a while.
_MINUTE = 61.0


@dataclass(frozen=True, slots=True)
class Request(Generic[_T_co]):
    """A call of the API, ready to be sent, and sent again."""

    method: str
    """As the discovery document names it: `compute.images.insert`."""
    project: str
    """Whose quota it counts against."""
    send: Callable[[], _T_co]

    @property
    def changes(self) -> bool:
        """Whether it changes anything: reads and changes have quotas of their own."""
        return self.method.rpartition(".")[2] not in _READS


class Budget:
    """How many of something are allowed within any time of one length. Times are the caller's, in seconds."""

    def __init__(self, allowed: float, *, within: float = _MINUTE) -> None:
        self.allowed = allowed
        """How many within that time; infinite where there is no limit."""
        self._within = within
        self._sent: deque[float] = deque()
        self._closed_until = 0.0

    def opens(self, now: float) -> float:
        """The moment from which on one more is allowed: `now`, or a later one."""
        self._forget(now)
        full = self._sent[-int(self.allowed)] + self._within if len(self._sent) >= self.allowed else now
        return max(full, self._closed_until, now)

    def free(self, now: float) -> float:
        """How many are allowed now."""
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

    def refused(self, now: float, seconds: float) -> None:
        """The service said that it was too often: block for this many seconds, then allow half as many.

        What others do can't be seen. By being halved, budgets of jobs that share a project come to share its quota, and
        in the end none of them is refused any more. What was under way meanwhile is refused, too, and says nothing new.
        """
        if now >= self._closed_until:
            self._forget(now)
            self.allowed = max(min(self.allowed, len(self._sent)) // 2, min(_FEWEST, self.allowed))
        self.close(now, seconds)

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] + self._within <= now:
            self._sent.popleft()
