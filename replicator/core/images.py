"""Defines images, their policies and operations as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


#: The states of an image that the reference of Compute Engine lists.
STATES = frozenset({"DELETING", "FAILED", "PENDING", "READY"})
#: A key that its owner sends with each request; nobody else can copy an image that is encrypted with one.
CUSTOMER_SUPPLIED = "customer-supplied"


@dataclass(frozen=True, slots=True, order=True)
class ImageRef:
    """The address of an image: its project and its name, which is unique in the project."""

    project: str
    name: str

    @property
    def uri(self) -> str:
        """`projects/P/global/images/N`, the same for every endpoint."""
        return f"projects/{self.project}/global/images/{self.name}"

    def __str__(self) -> str:
        return self.uri


@dataclass(frozen=True, slots=True)
class ShieldedKey:
    """A key of Secure Boot that the image brings along."""

    database: str
    """pk, keks, dbs or dbxs: whose key it is, and whether what it has signed is trusted or refused."""
    digest: str
    """The type of its file, and the SHA-256 of its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """Whether an image is still to be used, as `images.deprecate` takes it; true where it is not."""

    state: str = ""
    """DEPRECATED, OBSOLETE, DELETED or empty."""
    replacement: str = ""
    """The image to use in its place; in answers any text."""
    deleted: str = ""
    """When it may be deleted; in answers any text. Compute Engine itself does nothing then."""

    def __bool__(self) -> bool:
        return bool(self.state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image as the API returned it."""

    ref: ImageRef
    id: str
    status: str
    """PENDING, READY, FAILED or DELETING."""
    created: datetime
    storage_locations: tuple[str, ...]
    source_image: ImageRef | None
    """The image that it was copied from, if it is a copy. The name may belong to another image by now."""
    source_image_id: str
    family: str
    description: str
    labels: Mapping[str, str]
    label_fingerprint: str
    disk_size_gb: int
    archive_size_bytes: int
    """The size that its storage is billed by; 0 while it is unknown."""
    architecture: str
    guest_os_features: frozenset[str]
    licenses: frozenset[str]
    deprecated: str
    """DEPRECATED, OBSOLETE, DELETED or empty."""
    encryption: str
    """Its Cloud KMS key, without a version, or CUSTOMER_SUPPLIED; empty if Google's own key is used."""
    license_codes: frozenset[str] = frozenset()
    shielded_keys: frozenset[ShieldedKey] = frozenset()
    confidential: bool = False
    """Whether its disks are confidential ones."""
    replacement: str = ""
    """The image to use in its place, as its deprecation names it: any text."""
    deleted: str = ""
    """When it may be deleted, as its deprecation says: any text. Compute Engine itself does nothing then."""

    @property
    def home(self) -> str:
        """The location that it is stored in; empty unless it is exactly one."""
        return self.storage_locations[0] if len(self.storage_locations) == 1 else ""

    @property
    def deprecation(self) -> Deprecation:
        """Its deprecation as one value."""
        return Deprecation(state=self.deprecated, replacement=self.replacement, deleted=self.deleted)


@dataclass(frozen=True, slots=True)
class Binding:
    """The members that have a role, perhaps under a condition (canonical JSON)."""

    role: str
    members: frozenset[str]
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """An image's own access policy. It doesn't show access that is inherited from the project."""

    bindings: tuple[Binding, ...] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """The error that an operation ended with."""

    code: str
    message: str
    http_status: int = 0
    reasons: tuple[str, ...] = ()
    """The reasons that its details give beside the code."""
    details: tuple[str, ...] = ()
    """What else its details name, as `key=value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change that Compute Engine carries out. `done` says that it ended; `problem` says whether it failed."""

    project: str
    name: str
    done: bool
    progress: int
    """Percent."""
    problem: Problem | None = None
    target_id: str = ""
    """The id of what it changes, which no later image of that name has; empty if the answer doesn't tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """An instance template, as far as it says what its machines boot from."""

    project: str
    name: str
    """With its place: `global/instanceTemplates/batch`, `regions/us-west1/instanceTemplates/batch`."""
    images: tuple[str, ...]
    """The images that it names, each in any form that the API takes: a URL, a part of one, with a name or an id."""

    @property
    def uri(self) -> str:
        """`projects/P/global/instanceTemplates/N`, or with its region."""
        return f"projects/{self.project}/{self.name}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of an image that is not as wanted."""

    field: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.field}: wanted {self.wanted}, found {self.found}"
