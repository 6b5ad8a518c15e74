"""Lists the failures that end a merge, with their texts and exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.core.errors import Advice, BadSettings, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.core.errors import InputProblem

BAD_FRAGMENTS = Advice(
    title="Fragments make no release",
    meaning="The fragments are not exactly those that were expected, don't fit together, or differ from the live "
    "images.",
    exit_code=ExitCode.FAILED,
)

FRAGMENTS_UNVERIFIED = Advice(
    title="Fragments can't be verified",
    meaning="Images that the fragments name could not be read, so it is unknown whether they are right.",
)

INDEX_UNWRITTEN = Advice(
    title="Index can't be written",
    meaning="The merged index could not be written; this run moved no family.",
    remedy="Make room in RUNNER_TEMP, or let the step write there; then run this again.",
)


class BadFragments(BadSettings):
    """The fragments make no release. A merge is all or nothing."""

    def __init__(self, problems: Sequence[InputProblem], *, advice: Advice = BAD_FRAGMENTS) -> None:
        super().__init__(problems, advice=advice)

    @property
    def headline(self) -> str:
        """What happened, without the single problems."""
        return "The fragments make no release, so no index was written, and this run moved no family"
