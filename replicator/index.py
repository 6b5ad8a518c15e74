"""`image-index.json`: the canonical record of which image serves which architecture in which location.

Only what a rerun finds again stands in it: no times, no outcomes, no run. So equal worlds give equal bytes, and the
SHA-256 of the bytes is the index's identity.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from replicator.model import Image, ReplicaResult

SCHEMA_VERSION = 1
FILE_NAME = "image-index.json"


@dataclass(frozen=True, slots=True)
class Revision:
    """What the image was built from."""

    repository: str
    ref: str
    commit: str


def build(
    source: Image, wanted: Iterable[str], results: Sequence[ReplicaResult], revision: Revision | None
) -> dict[str, Any]:
    """The index of one source and its verified replicas; `wanted` are the locations asked for, made or not."""
    return {
        "schema": SCHEMA_VERSION,
        "images": [
            {
                "architecture": source.architecture or "ARCHITECTURE_UNSPECIFIED",
                "variant": "",
                "revision": asdict(revision) if revision else None,
                "source": {
                    "project": source.ref.project,
                    "name": source.ref.name,
                    "id": source.id,
                    "uri": source.ref.uri,
                    "storage_location": source.home,
                    "family": source.family or None,
                },
                "wanted_locations": sorted({*wanted, *(row.replica.location for row in results)}),
                "locations": {
                    row.replica.location: _location(row, row.image)
                    for row in results
                    if row.outcome.verified and row.image is not None
                },
            }
        ],
    }


def to_bytes(index: dict[str, Any]) -> bytes:
    """The canonical form: UTF-8, sorted keys, no floats, one newline at the end."""
    return (json.dumps(index, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def digest(data: bytes) -> str:
    """The identity that is signed, attested, released, announced."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def write(data: bytes, folder: Path) -> Path:
    """Write it whole or not at all. Raises OSError."""
    path = folder / FILE_NAME
    part = folder / f".{FILE_NAME}.{os.getpid()}"
    part.write_bytes(data)
    part.replace(path)
    return path


def _location(row: ReplicaResult, image: Image) -> dict[str, Any]:
    return {
        "project": image.ref.project,
        "name": image.ref.name,
        "id": image.id,
        "uri": image.ref.uri,
        "source_image_id": image.source_image_id,
        "copied_from": image.source_image.uri if image.source_image else None,
        "family": row.replica.family or None,
        "public": row.access == "public",
        "disk_size_gb": str(image.disk_size_gb),
        "labels": dict(row.replica.labels),
    }
