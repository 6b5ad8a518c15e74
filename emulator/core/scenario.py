"""Scenarios: what an emulator starts with, and by which rules it goes; read strictly, from YAML or as a mapping.

`python -m emulator.core.scenario` prints the JSON Schema, published as `schemas/emulator-scenario.schema.json`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = "https://json-schema.org/draft/2020-12/schema"
# Ten years; what takes longer is a mistake.
Seconds = Annotated[float, Field(ge=0, le=315_360_000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Location = Annotated[str, Field(pattern=r"^[a-z]+([0-9]+|-[a-z]+[0-9]+)?$")]
Project = Annotated[str, Field(pattern=r"^[-a-z0-9.:]+$")]
Permission = Annotated[str, Field(pattern=r"^[A-Za-z.]*\*?$", min_length=1)]


class Strict(BaseModel):
    """Frozen, without conversions, and without room for what nobody asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class PlacedImage(Strict):
    """An image that exists from the beginning."""

    project: Project
    """Its project."""
    name: str
    """Its name."""
    location: Location = "us"
    """Where it is stored."""
    family: str | None = None
    """Its family."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Its labels."""
    description: str = ""
    """Its description."""
    disk_size_gb: Annotated[int, Field(ge=1, le=65536)] = 10
    """The size of a disk made of it."""
    archive_size_bytes: Annotated[int, Field(ge=0)] | None = None
    """The size stored; left out, 50 MB per GB of disk."""
    architecture: Literal["X86_64", "ARM64"] | None = "X86_64"
    """Its architecture; null for none."""
    guest_os_features: tuple[str, ...] = ()
    """Types of guest features: `GVNIC`, `UEFI_COMPATIBLE`."""
    licenses: tuple[str, ...] = ()
    """Links of licences."""
    public: bool = False
    """Whether `allAuthenticatedUsers` have the image user's role, beside what `policy` says."""
    policy: tuple[dict[str, Any], ...] = ()
    """Bindings of its IAM policy, as the API writes them."""
    status: Literal["READY", "PENDING", "FAILED"] = "READY"
    """Its status; one that is PENDING stays so."""
    source_image: str | None = None
    """The image it is a copy of, by any reference; it need not exist."""
    source_image_id: str | None = None
    """That image's id."""
    deprecated: dict[str, Any] = Field(default_factory=dict)
    """Its deprecation, as the API writes it."""
    created: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """When it was made, in seconds since 1970; left out, later than those before it in the list."""
    encrypted: bool = False
    """Whether a Cloud KMS key encrypts it."""


class Principal(Strict):
    """Who a bearer token stands for, and what that one may do."""

    name: str = ""
    """What journal and policies call it: `serviceAccount:ci@p1.iam.gserviceaccount.com`; left out, the token."""
    permissions: tuple[Permission, ...] = ()
    """Permissions in every project: `compute.images.get`, or several as `compute.images.*`."""
    projects: dict[Project, tuple[Permission, ...]] = Field(default_factory=dict)
    """Project → permissions there, beside those everywhere."""


class CopiesPerSource(Strict):
    """How often one image may be copied."""

    count: Count = 6
    """So many copies …"""
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """… within so many minutes."""


class Quotas(Strict):
    """Limits, for every project alike; what is left out is unlimited."""

    reads_per_minute: Count | None = None
    """Reading requests a project may make in a minute; more are 403 `rateLimitExceeded`."""
    mutations_per_minute: Count | None = None
    """Changing requests a project may make in a minute; more are 403 `rateLimitExceeded`."""
    images: Count | None = None
    """Images a project may have; one more is 403 `quotaExceeded`, or see the switch `images_quota`."""
    copies_per_source: CopiesPerSource | None = None
    """Copies of one image in a time; the operation of one more ends with `RESOURCE_OPERATION_RATE_EXCEEDED`."""


class OrgPolicy(Strict):
    """Organisation policies."""

    allowed_locations: tuple[Location, ...] | None = None
    """Where images may be stored (`constraints/gcp.resourceLocations`); others are 412 `conditionNotMet`."""
    allowed_member_domains: tuple[str, ...] | None = None
    """Domains whose members policies may name (`constraints/iam.allowedPolicyMemberDomains`); 400 otherwise."""


class Switches(Strict):
    """Answers of the service that nobody has confirmed; each default is the likelier one."""

    first_check: Literal["form", "permission"] = "form"
    """What is looked at first: the form of a request, or whether its sender may do such a thing at all."""
    forbidden_missing: Literal[403, 404] = 403
    """The answer to somebody without permission who names an image that does not exist."""
    unknown_fields: Literal["refuse", "ignore"] = "refuse"
    """Fields of a body that the API does not have."""
    read_only_fields: Literal["refuse", "ignore"] = "refuse"
    """Output-only fields in a request's body."""
    pending_heads_family: bool = False
    """Whether an image that is still PENDING can be its family's newest."""
    stale_etag: Literal[412, 409] = 412
    """The answer to a policy with a stale etag: `conditionNotMet` or `aborted`."""
    foreign_domain: Literal["failedPrecondition", "conditionNotMet"] = "failedPrecondition"
    """The answer to a member whose domain the organisation forbids: 400, or 412 without the constraint's name."""
    known_members: Literal["stay", "refuse"] = "stay"
    """Members of a forbidden domain whom a policy names already."""
    insert_checks: Literal["forward", "backward"] = "forward"
    """Which refusal of an insert comes first: name taken, source, location, quota; or the reverse."""
    missing_source: Literal[404, 400] = 404
    """The answer to a copy of an image that does not exist: `notFound` or `invalid`."""
    images_quota: Literal["refuse", "operation"] = "refuse"
    """Where an image too many fails: at once, or its operation with `QUOTA_EXCEEDED`."""
    copies_counted: Literal["by_source", "by_project"] = "by_source"
    """Whether the quota `copies_per_source` is for each source, or for all copies made in a project."""
    failed_copies: Literal["free", "count"] = "free"
    """Whether a copy that began and failed counts against `copies_per_source`."""
    wait_quota: Literal["read", "free"] = "read"
    """Whether globalOperations.wait counts as a read against the quota per minute."""
    failed_request_id: Literal["same", "new"] = "same"
    """Whether the request id of an operation that failed gives that operation again, or starts a new one."""
    source_features: Literal["join", "replace"] = "join"
    """Whether licences and guest features of a copy's request join its source's, or replace them."""
    failed_source: Literal["refuse", "accept"] = "refuse"
    """Copies of an image that is FAILED."""
    smaller_copy: Literal["refuse", "accept"] = "refuse"
    """A copy that asks for a smaller disk than its source's."""
    dual_regions: Literal["refuse", "accept"] = "refuse"
    """Dual regions such as `nam4` as storage locations."""
    patched_fields: Literal["refuse", "ignore"] = "refuse"
    """Other values in a patch for fields that cannot be patched."""
    pending_changes: Literal["accept", "refuse"] = "accept"
    """Changing or deleting an image that is PENDING; refused with `resourceNotReady`."""
    changes_visible: Literal["at_once", "when_done"] = "at_once"
    """Whether a patch, a deprecation or a deletion shows before its operation has ended."""
    filter_case: Literal["mind", "ignore"] = "mind"
    """Whether `=` in a filter minds capitals."""
    filter_has: Literal["part", "whole"] = "part"
    """Whether `:` in a filter finds a part of a text, or wants the whole of it."""


class Scenario(Strict):
    """What an emulator starts with, and by which rules it goes."""

    images: tuple[PlacedImage, ...] = ()
    """Images that exist from the beginning, the oldest first."""
    copy_seconds: Seconds | dict[Location, Seconds] | None = None
    """How long a copy takes: a number, or location → number. Left out, and for other locations: `--copy-seconds`."""
    principals: dict[Annotated[str, Field(min_length=1)], Principal | tuple[Permission, ...]] | None = None
    """Bearer token → a principal, or its permissions everywhere. If given, nobody else is let in."""
    quotas: Quotas = Quotas()
    """How many requests, images and copies are allowed."""
    org_policy: OrgPolicy = OrgPolicy()
    """What the organisation forbids in every project."""
    switches: Switches = Switches()
    """Unconfirmed behaviour."""
    seed: Annotated[int, Field(ge=0, le=8_000_000)] | None = None
    """Makes ids, fingerprints and etags the same each time."""
    faults: tuple[dict[str, Any], ...] = ()
    """Faults in force from the beginning, as `POST /_emulator/faults` takes them."""

    def principal(self, token: str) -> Principal | None:
        """Who a token stands for; None for a stranger."""
        found = (self.principals or {}).get(token)
        if isinstance(found, tuple):
            found = Principal(permissions=found)
        return found and found.model_copy(update={"name": found.name or token})


class BadScenario(ValueError):
    """A scenario that cannot be carried out; one line for each problem."""


def read(raw: Mapping[str, Any]) -> Scenario:
    """A scenario of plain values. Raises BadScenario with every problem."""
    try:
        # By way of JSON, where a list may stand for a tuple and a date for nothing at all.
        return Scenario.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise BadScenario("\n".join(_described(item) for item in error.errors())) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise BadScenario(f"not plain values: {error}") from None


def load(path: Path) -> Scenario:
    """A scenario from a YAML file. Raises BadScenario with every problem."""
    try:
        raw = yaml.load(path.read_text("utf-8-sig"), Loader=_Loader)  # noqa: S506 -- a safe loader, made stricter
    except OSError as error:
        raise BadScenario(f"cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadScenario(f"no YAML that a scenario may use: {error}") from None
    if not isinstance(raw, dict | None):
        raise BadScenario("a mapping is expected")
    return read(raw or {})


def schema() -> dict[str, Any]:
    """The JSON Schema."""
    return {"$schema": SCHEMA, **Scenario.model_json_schema(), "title": "Scenario of the Compute Engine emulator"}


class _Loader(yaml.SafeLoader):
    """Refuses doubled keys, keys that are no text, and aliases (a small file could become huge)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias in item {index} of a collection")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.YAMLError(f"a key must be text, in quotes if need be{key.start_mark}")
            if key.value in seen:
                raise yaml.YAMLError(f"'{key.value}' is given twice{key.start_mark}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _described(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "scenario"
    text = "unknown key" if item["type"] == "extra_forbidden" else item["msg"]
    return f"{where}: {text}"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
