"""Defines replicas, the plan, outcomes and results as plain frozen values: the product's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.core.errors import ReplicaError
    from replicator.core.images import Binding, Difference, Image, ImageRef, Policy


class Outcome(StrEnum):
    """The outcome of one replica."""

    SOURCE = "source"
    CREATED = "created"
    ADOPTED = "adopted"
    REPAIRED = "repaired"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    PLANNED = "planned"

    @property
    def verified(self) -> bool:
        """Whether the image exists and is as wanted."""
        return self in {Outcome.SOURCE, Outcome.CREATED, Outcome.ADOPTED, Outcome.REPAIRED}


class Result(StrEnum):
    """The result of the run."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"
    PLANNED = "planned"


class Access(StrEnum):
    """Who may use the replicas: the input `access`."""

    SOURCE = "source"
    PUBLIC = "public"
    PRIVATE = "private"


class Sign(StrEnum):
    """How a file is signed: the input `sign`."""

    OFF = "off"
    KEYLESS = "keyless"
    KEY = "key"


class Held(StrEnum):
    """Why a verified replica doesn't carry its family; these reasons aren't failures."""

    FAMILY_IS_NEWER = "family_is_newer"
    WOULD_TAKE_FAMILY = "would_take_family"
    REQUIRED_FAILED = "required_failed"
    PROMOTE_OFF = "promote_off"
    UNSIGNED = "unsigned"
    SIGNAL = "signal"
    SOURCE_DEPRECATED = "source_deprecated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """The image wanted in one location."""

    location: str
    ref: ImageRef
    family: str
    labels: Mapping[str, str]
    description: str
    required: bool
    kms_key: str = ""
    """The Cloud KMS key that encrypts it; empty for Google's own key."""


class Lineage(StrEnum):
    """Whether an existing image was made from the source."""

    OURS = "ours"
    FOREIGN = "foreign"
    UNPROVEN = "unproven"
    """The image was copied from one that is gone, so nobody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """An image that already has a replica's name."""

    image: Image
    lineage: Lineage
    policy: Policy | None = None
    """The image's own policy; read only if the image is ours and READY."""


class Action(StrEnum):
    """What a step of the plan does; the value is the word for people."""

    SERVE = "source"
    COPY = "copy"
    WAIT = "wait"
    CHECK = "check"
    REPLACE = "replace"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One location of the plan: the replica, what exists, and what will be done about it."""

    replica: Replica
    action: Action
    existing: Existing | None = None
    changes: tuple[Difference, ...] = ()
    """The differences that a check will repair."""
    error: ReplicaError | None = None
    """Why the replica is refused."""

    @property
    def copies(self) -> bool:
        """Whether the step makes a copy."""
        return self.action in {Action.COPY, Action.REPLACE}

    @property
    def changing(self) -> bool:
        """Whether the step changes anything, or waits for a copy that it will open and promote."""
        return self.copies or bool(self.changes) or self.action is Action.WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The source and all replicas, computed before anything is changed."""

    source: Image
    source_policy: Policy | None
    """None if it could not be read and is not needed."""
    readers: tuple[Binding, ...]
    """The members that must be able to use each replica."""
    steps: tuple[Step, ...]
    leads: Mapping[tuple[str, str], str]
    """For each (project, family) that several images share: the location whose replica must stay its head."""
    promote: bool
    copies_per_source: int | None = None
    """How often one image may be copied in an hour; None if that is not known."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What people should know although nothing is wrong with it."""
    heads: Mapping[tuple[str, str], ImageRef | None] = field(default_factory=dict)
    """(project, family) → what it resolves to; read only where the source is held back."""

    @property
    def hold(self) -> Held | None:
        """Why no family moves, whatever becomes of the replicas; None where they may."""
        if self.source.deprecated:
            return Held.SOURCE_DEPRECATED
        return None if self.promote else Held.PROMOTE_OFF

    def location_of(self, ref: ImageRef | None) -> str:
        """Return the location whose replica has this address; empty for the source and for any other image."""
        places = {step.replica.ref: step.replica.location for step in self.steps if step.action is not Action.SERVE}
        return places.get(ref, "") if ref else ""

    def lead_of(self, replica: Replica) -> str:
        """Return the location whose replica leads this replica's family; empty if no other image has that family."""
        return self.leads.get((replica.ref.project, replica.family), "")

    def is_lead(self, replica: Replica) -> bool:
        """Return whether the replica leads a family that others carry, too."""
        return self.lead_of(replica) == replica.location


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaResult:
    """The result of one replica: a row of the output `replicas`, with its image."""

    replica: Replica
    outcome: Outcome
    image: Image | None = None
    promoted: bool = False
    access: str = ""
    """`public` or `private` as found in its own policy; empty if that was not read."""
    error: ReplicaError | None = None
    held: Held | None = None
    operation: str = ""
    seconds: float = 0.0
    """Seconds from the plan to the end of this replica."""
    began: float | None = None
    """Seconds from the plan to the start of its copy; None if no copy was started."""
    notes: tuple[str, ...] = field(default=())
    """Remarks for people although nothing is wrong, for instance about members that we did not add."""
    origin: str = ""
    """The location of the replica that it is or will be copied from; empty if it is copied from the source."""
    key: str = ""
    """The image of a release that it belongs to, if the run is about several: `ARM64`, or `ARM64/VARIANT`."""

    @property
    def where(self) -> str:
        """The location, after the image's key if the run is about several images."""
        return f"{self.key} {self.replica.location}".strip()

    @property
    def reason(self) -> str:
        """The reason from the closed list; empty if all is well."""
        if self.error:
            return self.error.reason
        return self.held or ""


@dataclass(frozen=True, slots=True)
class Revision:
    """The commit that the image was built from."""

    repository: str
    ref: str
    commit: str
