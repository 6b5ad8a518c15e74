"""Defines the type of a verdict, which each command fills in: result, exit code, reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.core.errors import BadSettings

if TYPE_CHECKING:
    from replicator.core.errors import ReplicatorError
    from replicator.core.replicas import Result


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a run, the exit code that goes with it, and the reason in one sentence."""

    result: Result
    exit_code: int
    reason: str
    error: ReplicatorError | None = None
    """The error that ended the run before its replicas were done."""

    @property
    def headline(self) -> str:
        """What happened, without the cause and the remedy."""
        if isinstance(self.error, BadSettings):
            return self.error.headline
        return self.error.what if self.error else self.reason
