"""Defines mirrors and `mirrors.json`: which upstream is mirrored in which location, and what zones use which. Pure.

A mirror is a remote repository of Artifact Registry. The record holds only mirrors that were seen, or that a
configuration declares; it is canonical JSON without times, so the same mirrors give the same bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from replicator.commands.registry import references
from replicator.core import locations, names

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1
#: Parts of the world (first word of a zone's name) that have a multi-region in Artifact Registry, under the same name.
#: Compute Engine's storage says `eu` where Artifact Registry says `europe`.
MULTI_REGIONS = ("asia", "europe", "us")
ERROR, DIRECT = "error", "direct"
#: What zones do that have no mirror in their own part of the world, where a configuration says nothing else.
DEFAULT_ZONES: Mapping[str, str] = MappingProxyType({"asia": ERROR, "me": ERROR})

_REPOSITORY = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PLACE = re.compile(r"[a-z]+(?:-[a-z]+[0-9]+)?")
_KEYS = {"upstream", "location", "repository", "uri", "readers"}


class BadMirrors(ValueError):
    """A file that isn't the record of mirrors; the message says what is wrong."""


@dataclass(frozen=True, slots=True, order=True)
class Mirror:
    """One upstream in one location."""

    upstream: str
    """The registry behind it: a host such as `ghcr.io`, or `projects/P/locations/L/repositories/R`."""
    location: str
    """In Artifact Registry's words: `us`, `europe`, `asia` or a region."""
    project: str
    repository: str
    readers: tuple[str, ...] = ()
    """Who was given the role artifactregistry.reader on it by this tool."""

    @property
    def host(self) -> str:
        """The host that serves it."""
        return f"{self.location}-docker.pkg.dev"

    @property
    def uri(self) -> str:
        """The beginning of a reference; the domain of a domain-scoped project `example.com:p` is a part of its own."""
        return f"{self.host}/{self.project.replace(':', '/')}/{self.repository}"

    @property
    def below(self) -> str:
        """What every path at its host begins with: project and repository."""
        return self.uri.removeprefix(f"{self.host}/")

    @property
    def name(self) -> str:
        """Its name in the API."""
        return f"projects/{self.project}/locations/{self.location}/repositories/{self.repository}"


@dataclass(frozen=True, slots=True)
class Image:
    """One image, by the upstream that holds it."""

    reference: references.Reference
    upstream: str
    path: str
    """Its name there."""


@dataclass(frozen=True, slots=True)
class Mirrors:
    """All mirrors of a project, and what zones without one do."""

    project: str
    mirrors: tuple[Mirror, ...]
    zones: Mapping[str, str] = field(default_factory=lambda: DEFAULT_ZONES)

    def of(self, upstream: str) -> dict[str, Mirror]:
        """Return the mirrors of an upstream by location."""
        return {mirror.location: mirror for mirror in self.mirrors if mirror.upstream == upstream}

    def image(self, reference: references.Reference) -> Image:
        """Return the image that a reference names: at its host, or in a repository that is an upstream itself."""
        if references.is_artifact_registry(reference.host):
            whole = f"{reference.host}/{reference.path}"
            for upstream in filter(references.repository, self.upstreams):
                path = whole.removeprefix(f"{references.address(upstream)}/")
                if path != whole:
                    return Image(reference, upstream, path)
        return Image(reference, reference.host, reference.path)

    @property
    def upstreams(self) -> list[str]:
        """Every upstream, sorted."""
        return sorted({mirror.upstream for mirror in self.mirrors})


def is_location(text: str) -> bool:
    """Return whether the text is a location of Artifact Registry: a multi-region, or of the form of a region."""
    return text in MULTI_REGIONS or (text not in locations.MULTI_REGIONS and locations.is_location(text))


def location_hint(text: str) -> str:
    """Return what to write instead of a text that isn't a location of Artifact Registry."""
    lower = text.lower()
    if lower == "eu":
        return "Artifact Registry says europe"
    if region := locations.region_of_zone(lower):
        return f"that is a zone; write its region, '{region}'"
    if is_location(lower):
        return f"write '{lower}'"
    return f"write {', '.join(MULTI_REGIONS)} or a region such as us-central1"


def is_repository(text: str) -> bool:
    """Return whether the text can be the name of a repository."""
    return bool(_REPOSITORY.fullmatch(text))


def is_zone_key(text: str) -> bool:
    """Return whether the text can be a key of `zones`: the first word of zones' names, or a region."""
    return bool(_PLACE.fullmatch(text)) and (text in MULTI_REGIONS or text not in locations.MULTI_REGIONS)


def zone_key_hint(text: str) -> str:
    """Return what to write instead of a text that can't be a key of `zones`."""
    lower = text.lower()
    if lower == "eu":
        return "the zones of Europe begin with europe"
    if region := locations.region_of_zone(lower):
        return f"that is a zone; write its region, '{region}'"
    return f"write '{lower}'" if is_zone_key(lower) else "write one such as asia or europe-west4"


def text(mirrors: Mirrors) -> str:
    """Return the canonical text of the record."""
    return json.dumps(document(mirrors), ensure_ascii=False, sort_keys=True, indent=2) + "\n"


def document(mirrors: Mirrors) -> dict[str, Any]:
    """Return the record as JSON values."""
    return {
        "schema": SCHEMA,
        "project": mirrors.project,
        "mirrors": [
            {
                "upstream": mirror.upstream,
                "location": mirror.location,
                "repository": mirror.repository,
                "uri": mirror.uri,
                "readers": sorted(mirror.readers),
            }
            for mirror in sorted(mirrors.mirrors)
        ],
        "zones": dict(sorted(mirrors.zones.items())),
    }


def parse(data: str) -> Mirrors:
    """Parse the text of a record. Raises BadMirrors for anything that this program would not have written."""
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        raise BadMirrors("isn't valid JSON") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise BadMirrors(
            f"isn't a record of mirrors of schema {SCHEMA}: `registry ensure` and `registry check` write it"
        )
    project, rows, zones = record.get("project"), record.get("mirrors"), record.get("zones")
    if not isinstance(project, str) or not names.is_project(project):
        raise BadMirrors("its project can't be the id of a project")
    if not isinstance(rows, list) or not isinstance(zones, dict):
        raise BadMirrors("its `mirrors` must be a list and its `zones` an object")
    found = tuple(_mirror(row, project, number) for number, row in enumerate(rows, 1))
    if len({(mirror.upstream, mirror.location) for mirror in found}) < len(found):
        raise BadMirrors("it holds two mirrors of one upstream in one location")
    for key, value in zones.items():
        if not is_zone_key(key) or not isinstance(value, str) or not (value in {ERROR, DIRECT} or is_location(value)):
            raise BadMirrors("its `zones` must lead from prefixes or regions to a location, error or direct")
    return Mirrors(project, found, MappingProxyType(zones))


def _mirror(row: Any, project: str, number: int) -> Mirror:
    texts = (
        isinstance(row, dict) and row.keys() == _KEYS and all(isinstance(row[key], str) for key in _KEYS - {"readers"})
    )
    if not texts or not isinstance(row["readers"], list) or not all(isinstance(each, str) for each in row["readers"]):
        raise BadMirrors(f"mirror {number} must have exactly {', '.join(sorted(_KEYS))}")
    try:
        upstream = references.upstream(row["upstream"])
    except references.BadReference as error:
        raise BadMirrors(f"mirror {number}: {error}") from None
    mirror = Mirror(upstream, row["location"], project, row["repository"], tuple(row["readers"]))
    if not is_location(mirror.location) or not is_repository(mirror.repository):
        raise BadMirrors(f"mirror {number} has no valid location or repository")
    if row["uri"] != mirror.uri:
        # References would be sent somewhere else than the other fields say.
        raise BadMirrors(f"mirror {number}: its uri must be {mirror.uri}")
    return mirror
