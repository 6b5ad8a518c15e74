"""Images and what belongs to them, as plain frozen values. No clock, no network, no environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


#: Stands for a key that its owner sends with each request: nobody else can copy an image that has one.
CUSTOMER_SUPPLIED = "customer-supplied"


@dataclass(frozen=True, slots=True, order=True)
class ImageRef:
    """The place of an image: its project and its name, which is unique in the project."""

    project: str
    name: str

    @property
    def uri(self) -> str:
        """`projects/P/global/images/N`, whatever the endpoint."""
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
class Image:
    """An image as the API answered it."""

    ref: ImageRef
    id: str
    status: str
    """PENDING, READY, FAILED or DELETING."""
    created: datetime
    storage_locations: tuple[str, ...]
    source_image: ImageRef | None
    """What it was copied from, if it is a copy. The image under that name may be another one by now."""
    source_image_id: str
    family: str
    description: str
    labels: Mapping[str, str]
    label_fingerprint: str
    disk_size_gb: int
    archive_size_bytes: int
    """What its storage is billed by; 0 while it is unknown."""
    architecture: str
    guest_os_features: frozenset[str]
    licenses: frozenset[str]
    deprecated: str
    """DEPRECATED, OBSOLETE, DELETED or nothing."""
    encryption: str
    """Its Cloud KMS key, without a version, or CUSTOMER_SUPPLIED; nothing where Google's own key is used."""
    license_codes: frozenset[str] = frozenset()
    shielded_keys: frozenset[ShieldedKey] = frozenset()
    confidential: bool = False
    """Whether its disks are confidential ones."""

    @property
    def home(self) -> str:
        """The location that it is stored in; nothing where that is not exactly one."""
        return self.storage_locations[0] if len(self.storage_locations) == 1 else ""


@dataclass(frozen=True, slots=True)
class Binding:
    """Members that have a role, under a condition (as canonical JSON) or none."""

    role: str
    members: frozenset[str]
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """An image's own access policy. Access inherited from the project can't be seen in it."""

    bindings: tuple[Binding, ...] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What an operation that ended in error says of itself."""

    code: str
    message: str
    http_status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change that Compute Engine carries out: DONE says that it ended, `problem` whether it failed."""

    project: str
    name: str
    done: bool
    progress: int
    """Percent."""
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of an image that is not as wanted."""

    field: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.field}: wanted {self.wanted}, found {self.found}"
