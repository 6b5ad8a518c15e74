"""How often a project is sent a request: within what Compute Engine grants it, and less once that was too much."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T_co = TypeVar("_T_co", covariant=True)

_READS = frozenset({"get", "list", "getFromFamily", "getIamPolicy", "wait"})

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
    """The requests of one kind that one project is sent within any minute. Times are the caller's, in seconds.

    What others send to the same project can't be seen. So a refusal halves it: jobs that share a project come to
    share its quota, and in the end none of them is refused any more.
    """

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        """Requests a minute."""
        self._sent: deque[float] = deque()
        self._closed_until = 0.0

    def delay(self, now: float) -> float:
        """Seconds until the next request may be sent, if no other is before."""
        while self._sent and self._sent[0] <= now - _MINUTE:
            self._sent.popleft()
        full = self._sent[-self.allowed] + _MINUTE if len(self._sent) >= self.allowed else now
        return max(full, self._closed_until, now) - now

    def spend(self, now: float) -> None:
        """A request is sent."""
        self._sent.append(now)

    def refused(self, now: float, seconds: float) -> None:
        """The service said that there were too many: none for so many seconds, and then half as many a minute.

        What was under way at that moment is refused, too, and says nothing new.
        """
        if now >= self._closed_until:
            self.delay(now)
            self.allowed = max(min(self.allowed, len(self._sent)) // 2, min(_FEWEST, self.allowed))
        self._closed_until = max(self._closed_until, now + seconds)
