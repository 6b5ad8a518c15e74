"""Defines a row of the table of refusals: which answers it is about, which error they are, and what is done. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from replicator.compute.errors import SOURCE_UNREADABLE

if TYPE_CHECKING:
    from replicator.core.errors import Advice, ReplicaError


class Then(Enum):
    """What is done about a fault."""

    GIVE_UP = auto()
    REPEAT = auto()
    """Send the same request again, with the same requestId, after a wait; after an operation, a new request."""
    READ_AGAIN = auto()
    """What the request was based on is stale: read it and compute the request anew."""
    ELSEWHERE = auto()
    """This image can't be copied for a while: copy another one, or wait."""
    LOOK = auto()
    """There is an image of that name: read it and decide by what it is."""


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
    """Empty: any code; else one of them must be given."""
    words: str = ""
    """A regular expression searched in all that the answer says, codes and details included; empty: any answer."""
    of_operation: bool | None = None
    """Whether it is only about operations that ended in error (True), or never (False)."""
    wait: float = 0.0
    """Seconds before the first repetition; doubled each time up to `longest_wait`."""
    longest_wait: float = 0.0
    tries: int = 0
    """How often it is asked for in all; 0: while there is time."""
    why: str = ""
    remedy: str = ""
    """What to do, where the error's own remedy is not exact enough; words in capitals as in `named`."""
    of_setup: bool | None = None
    """Whether the set-up is at fault where it meets every replica; None: as the error says."""
    ends: Advice = SOURCE_UNREADABLE
    """The failure of the run, where a call that is not a replica's meets it."""

    def matches(
        self, method: str, status: int | None, codes: tuple[str, ...], said: str, *, of_operation: bool = False
    ) -> bool:
        """Whether the row is about this refusal."""
        return (
            (not self.methods or method in self.methods)
            and (not self.statuses or status in self.statuses)
            and (not self.codes or not self.codes.isdisjoint(codes))
            and self.of_operation in {None, of_operation}
            and re.search(self.words, said) is not None
        )

    def seconds(self, attempt: int) -> float:
        """How long to wait after that many attempts (from 1 on)."""
        return float(min(self.wait * 2 ** min(attempt - 1, 30), self.longest_wait))


INSERT = "compute.images.insert"
SET_LABELS = "compute.images.setLabels"
SET_POLICY = "compute.images.setIamPolicy"
