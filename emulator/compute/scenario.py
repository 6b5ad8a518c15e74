"""Adds to a scenario what is Compute Engine's: images, how long copies take, quotas, unconfirmed answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from emulator.core import scenario as core
from emulator.core.scenario import Count, Location, Project, Seconds, Strict


class PlacedImage(Strict):
    """An image that exists from the beginning."""

    project: Project
    """Its project."""
    name: str
    """Its name."""
    location: Location = "us"
    """Where it is stored."""
    locations: tuple[Location, ...] = ()
    """Where it is stored, if in several places; `location` doesn't count then."""
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
    license_codes: tuple[Annotated[str, Field(pattern=r"^[0-9]+$")], ...] = ()
    """Licences by number."""
    shielded_instance_initial_state: dict[str, Any] = Field(default_factory=dict)
    """Its keys of Secure Boot, as the API writes them."""
    confidential: bool = False
    """Whether it was made of a confidential disk."""
    public: bool = False
    """Whether `allAuthenticatedUsers` have the image user's role, beside what `policy` says."""
    policy: tuple[dict[str, Any], ...] = ()
    """Bindings of its IAM policy, as the API writes them."""
    status: Literal["READY", "PENDING", "FAILED", "DELETING"] = "READY"
    """Its status; one that is PENDING or DELETING stays so, or for `status_seconds`."""
    status_seconds: Seconds | None = None
    """How long it stays PENDING, to be READY then, or DELETING, to be gone then; left out, for ever."""
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


class PlacedTemplate(Strict):
    """An instance template that exists from the beginning."""

    project: Project
    """Its project."""
    name: str
    """Its name."""
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]+$")] | None = None
    """Its region; left out, it is a global one."""
    images: tuple[str, ...] = ()
    """What its disks are made of, in any form: the first one is booted from."""


class CopiesPerSource(Strict):
    """How often one image may be copied."""

    count: Count = 6
    """So many copies …"""
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """… within so many minutes."""


class Quotas(core.Quotas):
    """Limits, for every project alike; what is left out is unlimited."""

    images: Count | None = None
    """Images a project may have; one more is 403 `quotaExceeded`, or see the switch `images_quota`."""
    copies_per_source: CopiesPerSource | None = None
    """Copies of one image in a time; the operation of one more ends with `RESOURCE_OPERATION_RATE_EXCEEDED`."""


class Switches(core.Switches):
    """Answers of the service that nobody has confirmed; each default is the likelier one."""

    pending_heads_family: bool = False
    """Whether an image that is still PENDING can be its family's newest."""
    stale_etag: Literal[412, 409] = 409
    """The answer to a policy with a stale etag: `conditionNotMet` or `aborted`."""
    deleted_members: Literal["refuse", "accept"] = "refuse"
    """Members such as `deleted:user:…` in a policy that is set; 400 where they are refused."""
    foreign_domain: Literal["failedPrecondition", "conditionNotMet", "managed"] = "failedPrecondition"
    """The answer to a member whose domain the organisation forbids: 400 with the constraint in its details, 412 without
    its name, or 400 in the words of the managed constraint."""
    known_members: Literal["stay", "refuse"] = "stay"
    """Members of a forbidden domain whom a policy names already."""
    insert_checks: Literal["forward", "backward"] = "forward"
    """Which refusal of an insert comes first: name taken, source, location, quota; or the reverse."""
    missing_source: Literal[404, 400] = 404
    """The answer to a copy of an image that does not exist: `notFound` or `invalid`."""
    several_locations: Literal["refuse", "accept"] = "refuse"
    """More than one storage location in an insert."""
    images_quota: Literal["refuse", "operation"] = "refuse"
    """Where an image too many fails: at once, or its operation with `QUOTA_EXCEEDED`."""
    copies_counted: Literal["by_project_and_source", "by_source", "by_project"] = "by_project_and_source"
    """Whether the quota `copies_per_source` is for the copies of one source made in one project, for those of one
    source made anywhere, or for all copies made in a project."""
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
    dual_regions: Literal["refuse", "accept"] = "accept"
    """Dual regions such as `nam4` as storage locations."""
    patched_fields: Literal["refuse", "ignore"] = "refuse"
    """Other values in a patch for fields that cannot be patched."""
    patched_deprecation: Literal["ignore", "apply"] = "ignore"
    """Whether a patch changes the deprecation, as the API's description says; users found that it doesn't."""
    inserted_deprecation: Literal["apply", "ignore"] = "apply"
    """Whether an insert's deprecation counts."""
    undeprecate: Literal["clear", "body_only", "refuse"] = "clear"
    """What clears a deprecation: `{}` and `{"state": "ACTIVE"}`, `{}` only, or nothing (400)."""
    past_dates: Literal["accept", "refuse"] = "accept"
    """Dates of a deprecation that have passed; 400 where they are refused."""
    date_form: Literal["any", "rfc3339"] = "any"
    """The form of a deprecation's dates: any text, as gcloud writes them without a zone, or RFC 3339; 400 otherwise."""
    replacement: Literal["any", "existing", "same_project"] = "any"
    """Which image a deprecation may name as replacement: any, one that exists, or one of the same project; else 400."""
    image_by_id: Literal["accept", "refuse"] = "accept"
    """Whether an image's path may hold its numeric id, as the pattern says; 404 where it may not."""
    empty_family: Literal["clear", "refuse"] = "clear"
    """Whether a patch takes an image out of its family; 400 where it doesn't."""
    template_images: Literal["any", "existing"] = "any"
    """Whether a new instance template may name an image, or a family, that leads nowhere; 404 where it may not."""
    first_answers: Literal["mixed", "running"] = "mixed"
    """Whether the first answer about an insert is PENDING, or RUNNING like those about other changes."""
    family_by_image_policy: Literal["allow", "refuse"] = "allow"
    """Whether an image's own policy lets people resolve the family that it heads."""
    pending_changes: Literal["accept", "refuse"] = "accept"
    """Changing or deleting an image that is PENDING; refused with `resourceNotReady`."""
    changes_visible: Literal["at_once", "when_done"] = "at_once"
    """Whether a patch, a deprecation or a deletion shows before its operation has ended."""
    deleted_images: Literal["deleting", "gone"] = "deleting"
    """Whether an image is DELETING and its name taken until its deletion has ended, or is gone at once."""
    filter_case: Literal["mind", "ignore"] = "mind"
    """Whether `=` in a filter minds capitals."""
    filter_has: Literal["part", "whole"] = "part"
    """Whether `:` in a filter finds a part of a text, or wants the whole of it."""


class CustomConstraint(Strict):
    """A rule of the organisation's own."""

    method: Annotated[str, Field(min_length=1)]
    """What it forbids: `compute.images.setLabels`, or several as `compute.images.*`."""
    constraint: Annotated[str, Field(pattern=r"^customConstraints/")] = "customConstraints/custom.images"
    """Its name."""
    message: str = "Not allowed here."
    """What the organisation says about it."""


class OrgPolicy(core.OrgPolicy):
    """Organisation policies."""

    custom: tuple[CustomConstraint, ...] = ()
    """Custom constraints; what they forbid is 412 `conditionNotMet`."""


class Contents(core.Strict):
    """The keys that stand before those of every service."""

    images: tuple[PlacedImage, ...] = ()
    """Images that exist from the beginning, the oldest first."""
    instance_templates: tuple[PlacedTemplate, ...] = ()
    """Instance templates that exist from the beginning."""
    project_numbers: dict[Project, Annotated[str, Field(pattern=r"^[0-9]+$")]] = Field(default_factory=dict)
    """Project → its number, by which requests and references may name it, too."""
    copy_seconds: Seconds | dict[Location, Seconds] | None = None
    """How long a copy takes: a number, or location → number. Left out, and for other locations: `--copy-seconds`."""


class Scenario(core.Scenario, Contents):
    """What an emulator starts with, and by which rules it goes."""

    quotas: Quotas = Quotas()
    """How many requests, images and copies are allowed."""
    org_policy: OrgPolicy = OrgPolicy()
    """What the organisation forbids in every project."""
    switches: Switches = Switches()
    """Unconfirmed behaviour."""
