"""The verdict over a run: its result, its exit code, and why in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.core.errors import BadSettings

if TYPE_CHECKING:
    from replicator.core.errors import ReplicatorError
    from replicator.core.replicas import Result


@dataclass(frozen=True, slots=True)
class Verdict:
    """The run's result, the exit code that goes with it, and why in one sentence."""

    result: Result
    exit_code: int
    reason: str
    error: ReplicatorError | None = None
    """What ended the run before its replicas came to their end."""

    @property
    def headline(self) -> str:
        """What happened, without why and what to do."""
        if isinstance(self.error, BadSettings):
            return self.error.headline
        return self.error.what if self.error else self.reason
