"""Names the failure that ends a run whose reading of the world is doubtful."""

from __future__ import annotations

from replicator.core.errors import Advice, ReplicatorError

DOUBTFUL = Advice(
    title="Reading is doubtful",
    meaning="The images, or what the families resolve to, could not be read completely; nothing was changed.",
    remedy="Run this again: somebody may have changed images meanwhile. If it stays, compare `gcloud compute images "
    "list --show-deprecated` with what the message names.",
)


class Doubtful(ReplicatorError):
    """What was read can't be the whole truth, so nothing is concluded from it."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(DOUBTFUL, what, remedy=remedy)
