"""Adds to a scenario what is Artifact Registry's: how long changes take, upstreams, secrets, unconfirmed answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emulator.core import scenario as core

Secret = Annotated[str, Field(pattern=r"^projects/[^/\s]+/secrets/[^/\s]+/versions/[^/\s]+$")]


class Switches(core.Switches):
    """Adds answers of Artifact Registry that nobody has confirmed."""

    ar_enum_case: Literal["normalise", "keep"] = "normalise"
    """How `Delete` and `any`, which gcloud sends, come back: as `DELETE` and `ANY`, or as they came."""
    ar_validates_upstream: Literal["no", "yes"] = "no"
    """Whether a new remote repository must name one of `upstreams`; else 400 `failedPrecondition`."""
    ar_policies_on_remote: Literal["accept", "refuse"] = "accept"
    """Whether remote repositories may have cleanup policies; else 400 `invalid`."""
    ar_patch_missing: Literal["404", "create"] = "404"
    """What a patch of a repository that doesn't exist does."""
    ar_fixed_fields: Literal["refuse", "ignore"] = "refuse"
    """What a patch of format, mode, upstream or key does: 400 `invalid`, or nothing."""
    ar_stale_etag: Literal["409", "412"] = "409"
    """How a policy with a stale etag is refused."""
    ar_unfinished: Literal["hidden", "shown"] = "hidden"
    """Whether a repository can be read while it is being made; its name is taken either way."""
    ar_refusals: Literal["at_once", "operation"] = "at_once"
    """Where a new repository with a wrong upstream or secret is refused: in the answer, or in its operation."""


class Scenario(core.Scenario):
    """What an emulator starts with, and by which rules it goes."""

    repository_seconds: core.Seconds = 1.0
    """Seconds that it takes to make or delete a repository."""
    upstreams: tuple[str, ...] = ()
    """Registries that exist (`ghcr.io`), where `ar_validates_upstream` is `yes`."""
    secrets: dict[Secret, Literal["readable", "denied"]] | None = None
    """Versions of secrets that exist, and whether the service may read them; left out, every secret is readable."""
    switches: Switches = Switches()
    """Unconfirmed behaviour."""
