"""Defines the fields of `image-index.json`, which image serves which architecture and location; reads and writes it.

The index holds only what a rerun finds again: no times, no outcomes, no run. So the same images give the same bytes,
and the SHA-256 of the bytes is the index's identity.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, ValidationError, model_validator

from replicator.core import names, validation
from replicator.core.images import ImageRef
from replicator.core.replicas import Revision
from replicator.inputs import files
from replicator.inputs.fields import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from replicator.core.images import Image
    from replicator.core.replicas import ReplicaResult


SCHEMA_VERSION = 1
FILE_NAME = "image-index.json"

#: Bytes. An index of all regions and several architectures has some hundred kilobytes.
_LARGEST = 16 * 2**20
_EXACT = ConfigDict(frozen=True, extra="forbid", strict=True)


def _consistent(image: Named) -> Named:
    if not names.is_project(image.project) or not names.is_valid(image.name):
        raise ValueError(f"'{image.project}' and '{image.name}' can't be a project and an image")
    if image.uri != image.ref.uri:
        raise ValueError(f"'{image.uri}' is not the uri of '{image.name}' in '{image.project}'")
    return image


def _family(value: str) -> str:
    validation.refuse([] if names.is_valid(value) else [f"'{value}' isn't a valid family"])
    return value


Family = Annotated[str, AfterValidator(_family)] | None
Digits = Annotated[str, Field(pattern="^[0-9]+$")]


class Named(BaseModel):
    """An image by its address and its id."""

    model_config = _EXACT

    project: str
    name: str
    id: Digits
    uri: str

    _check = model_validator(mode="after")(_consistent)

    @property
    def ref(self) -> ImageRef:
        """The address of the image."""
        return ImageRef(self.project, self.name)


class Served(Named):
    """The image that serves one location."""

    source_image_id: str
    copied_from: str | None
    family: Family
    public: bool
    disk_size_gb: Digits
    labels: dict[str, str]


class IndexedSource(Named):
    """The source of an entry."""

    storage_location: str
    family: Family


class Entry(BaseModel):
    """One image of an index: its source, and the image that serves each location."""

    model_config = _EXACT

    architecture: str
    variant: str
    revision: Revision | None
    source: IndexedSource
    wanted_locations: Annotated[list[Location], FailFast()]
    locations: dict[Location, Served]


class Index(BaseModel):
    """An index that was read from a file."""

    model_config = _EXACT

    schema_version: Literal[1] = Field(alias="schema")
    # Only the first problem is reported, because a hostile file could have millions.
    images: Annotated[list[Entry], FailFast()] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The paths of an index and of its signatures, and its digest, as outputs; empty if none was written."""

    index_path: str = ""
    index_digest: str = ""
    bundle_path: str = ""
    attestation_path: str = ""


class BadIndex(ValueError):
    """A file that isn't a valid index; the message says why."""


def build(
    source: Image,
    wanted: Iterable[str],
    results: Sequence[ReplicaResult],
    revision: Revision | None,
    variant: str = "",
) -> dict[str, Any]:
    """Return the index of one source and its verified replicas; `wanted` are all requested locations, made or not."""
    return {
        "schema": SCHEMA_VERSION,
        "images": [
            {
                "architecture": source.architecture or "ARCHITECTURE_UNSPECIFIED",
                "variant": variant,
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
                    row.replica.location: _served(row, row.image)
                    for row in results
                    if row.outcome.verified and row.image is not None
                },
            }
        ],
    }


def to_bytes(index: dict[str, Any]) -> bytes:
    """Return the canonical form: UTF-8, sorted keys, no floats, one newline at the end."""
    return (json.dumps(index, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def digest(data: bytes) -> str:
    """Return the index's identity: the digest that is signed, attested, released and announced."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def write(data: bytes, folder: Path, name: str = FILE_NAME) -> Path:
    """Write the file completely or not at all, and return its path. Raises OSError."""
    path = folder / name
    part = folder / f".{name}.{os.getpid()}"
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as file:
            file.write(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read_bytes(path: Path, within: Sequence[Path] = ()) -> bytes:
    """Return a file's bytes, unparsed, because these are what is signed; it must be in one of the folders, if any.

    Raises BadIndex if the file can't be read.
    """
    try:
        return files.read_bytes(path, largest=_LARGEST, within=within)
    except files.Unfit as error:
        raise BadIndex(str(error)) from None


def read(path: Path, within: Sequence[Path] = ()) -> Index:
    """Read an index. Raises BadIndex if the file can't be read or isn't a valid index."""
    return parse(read_bytes(path, within), path)


def parse(data: bytes, path: Path) -> Index:
    """Parse an index from bytes that were read from this path. Raises BadIndex."""
    try:
        return Index.model_validate_json(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadIndex(f"'{path}' is not UTF-8 text") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadIndex(f"'{path}' isn't an index of ours: {where or 'the file'}: {first['msg']}") from None


def _served(row: ReplicaResult, image: Image) -> dict[str, Any]:
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
