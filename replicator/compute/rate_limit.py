"""Limits the requests a minute to each project: to Compute Engine's quota, and lower after a rate refusal."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


_T_co = TypeVar("_T_co", covariant=True)

_READS = frozenset({"get", "list", "getFromFamily", "getIamPolicy", "wait"})

#: The default quotas of a project ("API rate quotas").
READS_A_MINUTE = 1500
CHANGES_A_MINUTE = 375
#: Refusals lower a budget no further than to this, so that a refusal for another reason can't stop all requests.
_FEWEST = 10
#: Seconds. The service's minute doesn't start when ours does, and requests take a while to arrive.
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

    def refused(self, now: float, seconds: float) -> None:
        """After a rate refusal, block for this many seconds and then allow half as many requests.

        A job can't see what other jobs send. Halving lets the budgets of jobs that share a project come to share its
        quota, until none of them is refused any more. A refusal while the budget is blocked is of a request that was
        already under way; it says nothing new, so it doesn't halve the budget again.
        """
        if now >= self._closed_until:
            self._forget(now)
            self.allowed = max(min(self.allowed, len(self._sent)) // 2, min(_FEWEST, self.allowed))
        self.close(now, seconds)

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] + self._within <= now:
            self._sent.popleft()
