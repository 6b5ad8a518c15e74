"""Values for tests of the pure middle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from replicator.core.images import Binding, Image, ImageRef, Policy
from replicator.core.replicas import Outcome, Replica, ReplicaResult

DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)
READER = "roles/compute.imageUser"
PUBLIC = Policy((Binding(READER, frozenset({"allAuthenticatedUsers"})),), "etag")


def image(name: str = "web-1", *, project: str = "p1", age: float = 0, **fields: Any) -> Image:
    """An image made `age` seconds after day zero; by default the source, stored in `us`."""
    usual: dict[str, Any] = {
        "id": "1",
        "status": "READY",
        "storage_locations": ("us",),
        "source_image": None,
        "source_image_id": "",
        "family": "web",
        "description": "d",
        "labels": {"a": "b"},
        "label_fingerprint": "f",
        "disk_size_gb": 20,
        "archive_size_bytes": 10**9,
        "architecture": "X86_64",
        "guest_os_features": frozenset({"UEFI_COMPATIBLE"}),
        "licenses": frozenset({"projects/d/global/licenses/l"}),
        "deprecated": "",
        "encryption": "",
    }
    return Image(ref=ImageRef(project, name), created=DAY_ZERO + timedelta(seconds=age), **{**usual, **fields})


def copy(location: str = "eu", **fields: Any) -> Image:
    """A right copy of that source."""
    usual: dict[str, Any] = {
        "id": "2",
        "age": 1,
        "storage_locations": (location,),
        "source_image": ImageRef("p1", "web-1"),
        "source_image_id": "1",
        "family": f"web-{location}",
    }
    return image(fields.pop("name", f"web-1-{location}"), **{**usual, **fields})


def replica(location: str = "eu", **fields: Any) -> Replica:
    usual: dict[str, Any] = {
        "ref": ImageRef("p1", f"web-1-{location}"),
        "family": f"web-{location}",
        "labels": {"a": "b"},
        "description": "d",
        "required": False,
    }
    return Replica(location=location, **{**usual, **fields})


US = ReplicaResult(
    replica=replica("us", family="web", ref=ImageRef("p1", "web-1")), outcome=Outcome.SOURCE, promoted=True
)

EU = ReplicaResult(replica=replica("eu"), outcome=Outcome.CREATED, image=copy("eu"), promoted=True)
