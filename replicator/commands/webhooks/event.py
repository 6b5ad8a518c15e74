"""Defines the event that announces an index: its fields, its bytes, its id; reads one strictly. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replicator.index import provenance
from replicator.inputs.fields import SCHEMA_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.core.replicas import Revision
    from replicator.index.image_index import Index

TYPE = "image.published"
#: Bytes of index and bundles together that an event carries itself; beyond that it names their addresses.
LARGEST_CONTENT = 256 * 2**10
#: Bytes of a whole event.
LARGEST = 4 * 2**20
_DEEPEST = 32
_PRERELEASE = re.compile(r"(?i)-(rc|alpha|beta)")

_Line = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Short = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Repository(_Part):
    """Where the images were built."""

    server_url: Annotated[str, Field(max_length=200, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
    name: Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_-][A-Za-z0-9._-]*$")]

    @property
    def url(self) -> str:
        """The whole address, as a signed statement has it."""
        return f"{self.server_url.rstrip('/')}/{self.name}"


class JobRun(_Part):
    """The run that announces."""

    url: _Line
    attempt: _Short


class Release(_Part):
    """The release that holds the files."""

    url: _Line
    tag: _Short
    prerelease: bool


class File(_Part):
    """A file: its name, digest and size, and its whole text or where it is."""

    name: _Short
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0, le=LARGEST * 16)]
    content: str | None
    url: _Line


class AnnouncedImage(_Part):
    """One image of the index."""

    architecture: _Short
    variant: _Short
    source: _Line
    locations: Annotated[list[_Short], Field(max_length=200)]


class Data(_Part):
    """What is announced."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    repository: Repository
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}([0-9a-f]{24})?)?$")]
    version: _Short
    run: JobRun | None
    release: Release | None
    index: File
    bundle: File | None
    attestation: File | None
    images: Annotated[list[AnnouncedImage], Field(min_length=1, max_length=1000)]


class Event(_Part):
    """One announcement, in the envelope of Standard Webhooks."""

    type: Literal["image.published"]
    timestamp: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")]
    data: Data


def schema() -> dict[str, Any]:
    """Return the JSON Schema of an event, for receivers. It can't say that no key is given twice."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_ADDRESS}event.schema.json",
        **Event.model_json_schema(),
        "title": f"The webhook {TYPE}",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an index was built from: a repository's address, a commit, a ref; empty where unknown."""

    repository: str = ""
    commit: str = ""
    ref: str = ""

    @property
    def version(self) -> str:
        """The tag, if the ref is one."""
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else ""


class BadEvent(ValueError):
    """A body that isn't an event of ours; the message names the fields, and quotes nothing."""


def origin_of_statement(payload: bytes) -> Origin:
    """Return what a signed statement says its index was built from. Raises ValueError if it isn't one of ours."""
    provenance.digests(payload)
    try:
        definition = json.loads(payload)["predicate"]["buildDefinition"]
        workflow = definition["externalParameters"].get("workflow") or {}
        for item in definition["resolvedDependencies"]:
            commit = item.get("digest", {}).get("gitCommit", "")
            if commit:
                address, _, ref = str(item.get("uri", "")).removeprefix("git+").rpartition("@")
                repository = str(workflow.get("repository") or address)
                if not repository:
                    # Cloud Build doesn't say on which server the repository is.
                    raise ValueError("a statement that doesn't say at which address its repository is")
                return Origin(repository=repository, commit=str(commit), ref=ref)
        return Origin(repository=str(workflow.get("repository", "")), ref=str(workflow.get("ref", "")))
    except (KeyError, TypeError, AttributeError):
        raise ValueError("a statement without what it must have") from None


def subjects(payload: bytes) -> list[str]:
    """Return the SHA-256 of each file that a signed statement is about; none if it isn't a valid statement."""
    try:
        return provenance.digests(payload)
    except ValueError:
        return []


def origin_of_index(read: Index, server: str) -> Origin:
    """Return what the revisions of an index say, if all say the same."""
    found: set[Revision | None] = {entry.revision for entry in read.images}
    if len(found) != 1 or (revision := found.pop()) is None:
        return Origin()
    return Origin(repository=f"{server}/{revision.repository}", commit=revision.commit, ref=revision.ref)


def images(read: Index) -> list[dict[str, Any]]:
    """Return what an event says about the images of an index, in an order that the index alone decides."""
    listed = [
        {
            "architecture": entry.architecture,
            "variant": entry.variant,
            "source": entry.source.uri,
            "locations": sorted(entry.locations),
        }
        for entry in read.images
    ]
    return sorted(listed, key=lambda item: (str(item["architecture"]), str(item["variant"]), str(item["source"])))


def file(name: str, data: bytes, *, inline: bool, release_url: str) -> dict[str, Any]:
    """Return what an event says about a file."""
    return {
        "name": name,
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "size": len(data),
        "content": data.decode() if inline else None,
        "url": asset_url(release_url, name),
    }


def asset_url(release_url: str, name: str) -> str:
    """Return where GitHub, Gitea and Forgejo serve an asset of a release; empty without a release."""
    base, found, tag = release_url.rpartition("/releases/tag/")
    return f"{base}/releases/download/{tag}/{name}" if found else ""


def fits(files: Iterable[bytes]) -> bool:
    """Return whether an event carries these files itself: UTF-8, and not too large together."""
    whole = list(files)
    try:
        for data in whole:
            data.decode()
    except UnicodeDecodeError:
        return False
    return sum(map(len, whole)) <= LARGEST_CONTENT


def is_prerelease(tag: str) -> bool:
    """Return whether a tag names a release candidate, an alpha or a beta."""
    return bool(_PRERELEASE.search(tag))


def to_bytes(event: dict[str, Any]) -> bytes:
    """Return the canonical form: the same event is the same bytes in each attempt."""
    return json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def delivery_id(event: dict[str, Any]) -> str:
    """Return the id, by what is announced: a rerun announces the same event, not a second one."""
    data = event["data"]
    parts = [event["type"], data["repository"]["server_url"], data["repository"]["name"], data["version"]]
    digest = hashlib.sha256("\0".join([*parts, data["index"]["digest"]]).encode()).digest()
    return "msg_" + base64.b32encode(digest).decode().lower()[:26]


def parse(body: bytes) -> Event:
    """Read an event strictly: UTF-8, no key twice, not too deep, every field as it must be. Raises BadEvent."""
    try:
        document = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadEvent("the body isn't strict JSON in UTF-8") from None
    if _depth(document) > _DEEPEST:
        raise BadEvent(f"the body is nested more than {_DEEPEST} levels deep")
    try:
        # JSON can name half a letter, which no file, database or log can hold.
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadEvent("the body isn't strict JSON in UTF-8: it names half of a surrogate pair") from None
    try:
        return Event.model_validate(document)
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in item["loc"])[:100] or "the body" for item in error.errors()})
        raise BadEvent(f"not as they must be: {', '.join(fields[:10])}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(_name: str) -> Any:
    raise ValueError


def _depth(document: Any) -> int:
    depth, level = 0, [document]
    while level := [part for part in level if isinstance(part, dict | list)]:
        depth += 1
        level = [item for part in level for item in (part.values() if isinstance(part, dict) else part)]
    return depth
