"""Failures of reading the source, or of reaching the API at all; each ends the run."""

from __future__ import annotations

from replicator.core.errors import ReplicatorError


class SourceMissing(ReplicatorError):
    """The source image does not exist."""

    exit_code = 3
    remedy = (
        "Check the name and the project (`gcloud compute images list --project PROJECT`), "
        "and that this step runs after the build."
    )


class SourceUnreadable(ReplicatorError):
    """The source image, or its policy, may not be read."""

    exit_code = 3
    remedy = "Grant the identity of this step a role that allows it on the source's project."


class SourceUnusable(ReplicatorError):
    """The source exists and cannot be copied as it is."""

    exit_code = 3


class EndpointUnreachable(ReplicatorError):
    """The API did not answer for a minute."""

    exit_code = 3
    remedy = "Check the network and the input compute_endpoint; then run this again: what was made is kept."
