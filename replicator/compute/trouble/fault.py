"""Defines a row of the table of refusals: which answers it is about, which error they are, and what is done. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING

from replicator.compute.errors import SOURCE_UNREADABLE

if TYPE_CHECKING:
    from replicator.core.errors import Advice, ReplicaError


class Then(Enum):
    """How the caller reacts to a fault."""

    GIVE_UP = auto()
    REPEAT = auto()
    """Send the same request again, with the same requestId, after a wait; after an operation, a new request."""
    READ_AGAIN = auto()
    """The request's fingerprint or etag is stale: read the image again and compute a new request."""
    ELSEWHERE = auto()
    """This image can't be copied for a while: copy another one, or wait."""
    LOOK = auto()
    """An image with that name exists: read it and decide what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row of the table."""

    error: type[ReplicaError]
    then: Then = Then.GIVE_UP
    methods: frozenset[str] = frozenset()
    """Empty: any method."""
    statuses: frozenset[int | None] = frozenset()
    """Empty: any status."""
    codes: frozenset[str] = frozenset()
    """Empty: any code; else the answer must have one of these."""
    says: tuple[str, ...] = ()
    """Words one of which the answer says, codes and details included: whole, and in whatever capitals; `…` stands for
    anything in between, or around."""
    words: str = ""
    """A regular expression where such words don't do. Without either: any answer."""
    of_operation: bool | None = None
    """Whether it is only about operations that ended in error (True), or never (False)."""
    wait: float = 0.0
    """Seconds before the first repetition; doubled each time, up to `longest_wait`."""
    longest_wait: float = 0.0
    tries: int = 0
    """How often it is asked for in all; 0: while there is time."""
    why: str = ""
    remedy: str = ""
    """What to do, if the error's own remedy isn't exact enough; words in capitals as in `named`."""
    of_setup: bool | None = None
    """Whether the set-up is at fault where it meets every replica; None: as the error says."""
    ends: Advice = SOURCE_UNREADABLE
    """The failure of the run, if the call is the run's own and not a replica's."""

    def matches(
        self, method: str, status: int | None, codes: tuple[str, ...], said: str, *, of_operation: bool = False
    ) -> bool:
        """Return whether the row describes this refusal."""
        return (
            (not self.methods or method in self.methods)
            and (not self.statuses or status in self.statuses)
            and (not self.codes or not self.codes.isdisjoint(codes))
            and self.of_operation in {None, of_operation}
            and _pattern(self.says, self.words).search(said) is not None
        )

    def seconds(self, attempt: int) -> float:
        """Return the seconds to wait after this attempt; the first attempt is 1."""
        return float(min(self.wait * 2 ** min(attempt - 1, 30), self.longest_wait))


@cache
def _pattern(says: tuple[str, ...], words: str) -> re.Pattern[str]:
    whole = (rf"(?i:\b{re.escape(each).replace('…', '.{0,200}')}\b)" for each in says)
    return re.compile("|".join(filter(None, (*whole, words))))


INSERT = "compute.images.insert"
SET_LABELS = "compute.images.setLabels"
SET_POLICY = "compute.images.setIamPolicy"
#: The codes of what does not exist, which an operation may name without a status.
NOT_FOUND = frozenset({"notFound", "NOT_FOUND", "RESOURCE_NOT_FOUND"})
