"""Failures that end a merge."""

from __future__ import annotations

from replicator.core.errors import BadSettings, ReplicatorError


class BadFragments(BadSettings):
    """The fragments are not exactly those that were expected, do not fit together, or are not what the live images are.

    A merge is all or nothing.
    """

    exit_code = 1

    @property
    def headline(self) -> str:
        """What happened, without each problem."""
        return "The fragments make no release, so no index was written and no family was moved"


class FragmentsUnverified(BadFragments):
    """What the fragments name could not be read, so nobody can tell whether it is right."""

    exit_code = 3


class IndexUnwritten(ReplicatorError):
    """The merged index could not be written; no family was moved."""

    exit_code = 3
    remedy = "Make room in RUNNER_TEMP, or let the step write there; then run this again."
