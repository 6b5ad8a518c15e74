"""Defines `registry.yaml`: which registries are mirrored where, who reads the mirrors, and what zones without one do.

The JSON Schema for editors is made from the classes here (`schemas/registry-config.schema.json`).
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from replicator.bootstrap.quote import quoted
from replicator.commands.registry import mirrors, references
from replicator.commands.registry.mirrors import Mirror, Mirrors
from replicator.core import names, validation
from replicator.inputs.fields import SCHEMA_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterable

_KMS_KEY = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+")
_SECRET = re.compile(r"projects/[^/\s]+/secrets/[^/\s]+/versions/[^/\s]+")
_MEMBER = re.compile(r"allUsers|allAuthenticatedUsers|(?:user|group|serviceAccount|domain|principal|principalSet):\S+")
#: Domain-scoped projects have their domain in front.
_LONGEST_DESCRIPTION = 1000


def _location(value: str) -> str:
    if not mirrors.is_location(value):
        raise ValueError(f"{quoted(value)} isn't a location of Artifact Registry: {mirrors.location_hint(value)}")
    return value


def _upstream(value: str) -> str:
    try:
        found = references.upstream(value)
    except references.BadReference as error:
        raise ValueError(str(error)) from None
    if references.is_googles(found):
        raise ValueError(
            f"{quoted(value)} is a registry of Google's: mirror one of its repositories, by its name "
            "projects/P/locations/L/repositories/R"
        )
    parts = references.repository(found)
    if parts and not (names.is_project(parts["project"]) and mirrors.is_location(parts["location"])):
        raise ValueError(f"{quoted(value)} can't be a repository: its project or its location is malformed")
    return found


def _repository(value: str) -> str:
    if not mirrors.is_repository(value):
        raise ValueError(
            f"{quoted(value)} isn't a valid name of a repository: at most 63 lower case letters, digits and hyphens, "
            "a letter first and no hyphen at the end"
        )
    return value


def _zone_key(value: str) -> str:
    if not mirrors.is_zone_key(value):
        raise ValueError(f"{quoted(value)} isn't the prefix of zones, or a region: {mirrors.zone_key_hint(value)}")
    return value


def _once(values: Iterable[str]) -> None:
    """Refuse what is named twice: there would be two mirrors of one name."""
    given = list(values)
    validation.refuse([f"{quoted(each)} is named twice" for each in dict.fromkeys(given) if given.count(each) > 1])


def _goal(value: str) -> str:
    return value if value in {mirrors.ERROR, mirrors.DIRECT} else _location(value)


Location = Annotated[str, AfterValidator(_location)]
Upstream = Annotated[str, AfterValidator(_upstream)]
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Credentials(BaseModel):
    """How a mirror signs in to a private upstream."""

    model_config = _STRICT

    username: str
    """The user's name at the upstream."""
    secret: str
    """The version of the secret that holds the password or token: `projects/P/secrets/S/versions/V`."""

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str) -> str:
        if not _SECRET.fullmatch(value):
            raise ValueError(f"{quoted(value)} isn't a valid secret; write projects/P/secrets/S/versions/V")
        return value


class Upstreams(BaseModel):
    """How one upstream is mirrored."""

    model_config = _STRICT

    repository: Annotated[str, AfterValidator(_repository)]
    """The name of the remote repository, in every location."""
    description: Annotated[str, Field(max_length=_LONGEST_DESCRIPTION)] = ""
    """Its description. Empty: one that names the upstream, given to new repositories only."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that it must have; others are left alone."""
    kms_key: str = ""
    """The Cloud KMS key that encrypts it: `projects/P/locations/L/keyRings/R/cryptoKeys/K`."""
    credentials: Credentials | None = None
    """How to sign in to a private upstream; left out, nobody signs in."""
    locations: Annotated[tuple[Location, ...], Field(strict=False)] = ()
    """The locations of this mirror, instead of those of all."""

    @field_validator("locations")
    @classmethod
    def _locations(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _once(value)
        return value

    @field_validator("labels")
    @classmethod
    def _labels(cls, value: dict[str, str]) -> dict[str, str]:
        validation.refuse(validation.labels_problems(value))
        return value

    @field_validator("kms_key")
    @classmethod
    def _kms_key(cls, value: str) -> str:
        if value and not _KMS_KEY.fullmatch(value):
            raise ValueError(
                f"{quoted(value)} isn't a valid Cloud KMS key; write projects/P/locations/L/keyRings/R/cryptoKeys/K"
            )
        return value


class Registry(BaseModel):
    """Configuration of `replicator registry`: mirrors of other registries in Artifact Registry."""

    model_config = _STRICT

    project: str
    """The project that the mirrors belong to."""
    locations: Annotated[tuple[Location, ...], Field(min_length=1, strict=False)]
    """Where mirrors are: `us`, `europe`, `asia` or regions, in Artifact Registry's words."""
    mirrors: Annotated[dict[Upstream, Upstreams], Field(min_length=1)]
    """The mirrored registries by host: `ghcr.io`, `docker.io`, `quay.io`, `registry.k8s.io`; a repository of Artifact
    Registry by its name `projects/P/locations/L/repositories/R`.
    """
    cleanup_policy: str = ""
    """A file of cleanup policies in gcloud's form, relative to the workspace. Left out: delete what is older than 30
    days, but keep the latest 16 versions.
    """
    cleanup_dry_run: bool = False
    """Whether the policies only log what they would delete."""
    readers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Members that get the role `roles/artifactregistry.reader` on each mirror; nobody loses it."""
    zones: dict[Annotated[str, AfterValidator(_zone_key)], Annotated[str, AfterValidator(_goal)]] = Field(
        default_factory=lambda: dict(mirrors.DEFAULT_ZONES)
    )
    """What zones without a mirror of their own do, by prefix or region: a location, `error`, or `direct`."""

    @field_validator("project")
    @classmethod
    def _project(cls, value: str) -> str:
        if not names.is_project(value):
            raise ValueError(f"{quoted(value)} can't be the id of a project")
        return value

    @field_validator("locations")
    @classmethod
    def _locations(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _once(value)
        return value

    @field_validator("mirrors", mode="before")
    @classmethod
    def _spellings(cls, value: Any) -> Any:
        """Refuse two spellings of one upstream, of which one would be lost."""
        hosts = [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []
        named: dict[str, str] = {}
        problems = []
        for host in hosts:
            try:
                first = named.setdefault(references.upstream(host), host)
            except references.BadReference:
                continue
            if first != host:
                problems.append(f"{quoted(host)} and {quoted(first)} are one upstream; name it once")
        validation.refuse(problems)
        return value

    @field_validator("readers")
    @classmethod
    def _readers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        validation.refuse(
            [
                f"{quoted(each)} isn't a member of a policy, such as group:team@example.com"
                for each in value
                if not _MEMBER.fullmatch(each)
            ]
        )
        return value

    @field_validator("mirrors")
    @classmethod
    def _mirrors(cls, value: dict[str, Upstreams], info: ValidationInfo) -> dict[str, Upstreams]:
        used = [each.repository for each in value.values()]
        own = [
            upstream
            for upstream in value
            if (parts := references.repository(upstream))
            and parts["project"] == info.data.get("project")
            and parts["name"] in used
        ]
        validation.refuse(
            [
                *(f"{quoted(name)} is the repository of two upstreams" for name in {*used} if used.count(name) > 1),
                *(f"{quoted(each)} has the name of a mirror of this file; mirror what is behind it" for each in own),
            ]
        )
        return value

    def declared(self) -> Mirrors:
        """Return the mirrors that the file asks for, whether they exist or not."""
        return Mirrors(
            self.project,
            tuple(
                sorted(
                    Mirror(upstream, location, self.project, how.repository)
                    for upstream, how in self.mirrors.items()
                    for location in how.locations or self.locations
                )
            ),
            MappingProxyType(dict(self.zones)),
        )


def short(project: str, locations: tuple[str, ...], upstream: str) -> dict[str, Any]:
    """Return the configuration that inputs without a file mean: one upstream, `ghcr-mirror` for ghcr.io."""
    return {
        "project": project,
        "locations": list(locations),
        "mirrors": {upstream: {"repository": repository_name(upstream)}},
    }


def repository_name(upstream: str) -> str:
    """Return the usual name of an upstream's mirror: `ghcr-mirror`, `docker-mirror`, `registry-k8s-mirror`."""
    if parts := references.repository(upstream):
        return f"{parts['name'][:56].rstrip('-')}-mirror"
    stem = re.sub("[^a-z0-9]+", "-", upstream.partition(":")[0].rpartition(".")[0] or upstream.partition(":")[0])
    return f"{stem if stem[:1].isalpha() else f'r{stem}'}"[:50].strip("-") + "-mirror"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_ADDRESS}registry-config.schema.json",
        **Registry.model_json_schema(),
        "title": "Configuration of replicator registry",
    }
