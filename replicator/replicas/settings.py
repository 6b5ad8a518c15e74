"""Reads the inputs of replicate, plan and verify into one typed object; reports every problem at once, by input."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from replicator.bootstrap.quote import quoted
from replicator.core import names, validation
from replicator.core.errors import BadSettings, InputProblem
from replicator.core.replicas import Access, Revision, Sign
from replicator.inputs import ci_build, price_list, source_reference
from replicator.inputs.config_file import BadConfig, Config, Place
from replicator.inputs.config_file import read as read_config
from replicator.inputs.fields import (
    Amount,
    Count,
    Endpoint,
    Flag,
    Minutes,
    Option,
    Variant,
    Words,
    duplicates,
    given_values,
    in_order,
    is_anonymous,
    listed,
    problem_of,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from replicator.inputs.price_list import PriceList
    from replicator.inputs.source_reference import SourceRef

#: The value of the input `prices` that tells no cost.
NO_PRICES = "off"


class Settings(BaseModel):
    """What the user asks for, one field for each input of `action.yml`. Empty inputs are left out before."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    source_image: Annotated[str, Option("which image", "IMAGE")] = ""
    """The image that the build made: a name (with `project_id`), `projects/PROJECT/global/images/NAME`, its full URL,
    or `projects/PROJECT/global/images/family/FAMILY`. Either this or `packer_manifest`.
    """
    packer_manifest: Annotated[str, Option("which image", "FILE")] = ""
    """The file that Packer's manifest post-processor wrote, relative to the workspace. The source is the one
    `googlecompute` build of its last run.
    """
    project_id: Annotated[str, Option("which image", "PROJECT")] = ""
    """The source's project, if the reference doesn't name it. Left out, it comes from the manifest's
    `custom_data.project_id` or from the variables that google-github-actions/auth sets.
    """
    locations: Annotated[Words, Option("where", "LOCATIONS")] = ("us", "eu", "asia")
    """The storage locations in which the image must be available: `us`, `eu`, `asia` or regions."""
    required_locations: Annotated[Words, Option("where", "LOCATIONS")] = ()
    """The locations whose failure fails the run and keeps every family where it was: some of `locations`, or `all`.
    The others are best effort.
    """
    config: Annotated[Config | None, Option("where", "FILE")] = None
    """A YAML file (`gce-image-replicator.yaml`), relative to the workspace, that lists the locations and what differs
    in each: required or not, project, name, family, labels, kms_key. Its JSON Schema is
    `schemas/replicate-config.schema.json`.
    """
    replica_project: Annotated[str, Option("where", "TEMPLATE")] = ""
    """The project that replicas are made in; `{project}` and `{location}` are filled in. Empty: the source's."""
    name_template: Annotated[str, Option("what it is called", "TEMPLATE")] = "{name}-{location}"
    """The name of a replica; `{name}` and `{location}` are filled in. A name that is too long is cut before its suffix
    and gets a hash.
    """
    family_template: Annotated[str, Option("what it is called", "TEMPLATE")] = "{family}-{location}"
    """The family of a replica; `{family}` and `{location}` are filled in. `{family}` alone shares one family, which
    then stays at home. A source without family has replicas without, unless the template does without `{family}`.
    """
    home_copy: Annotated[Literal["auto", "true"], Option("where", "auto|true")] = "auto"
    """`auto`: the source itself serves each location that it is stored in, unless `access` is `public` and it is not.
    `true`: a copy is made there as well.
    """
    labels: Annotated[dict[str, str], Option("what it is called", "KEY=VALUE,...")] = Field(default_factory=dict)
    """Labels in addition to the source's: `key=value`, one per line or separated by commas."""
    access: Annotated[Access, Option("what may be done", "source|public|private")] = Access.SOURCE
    """Who may use the replicas: `source` (everyone who may use the source by its own policy), `public`
    (`allAuthenticatedUsers` too) or `private` (nobody is added). Members are only ever added.
    """
    promote: Annotated[Flag, Option("what may be done")] = True
    """Whether verified replicas get their family."""
    replace_failed: Annotated[Flag, Option("what may be done")] = False
    """Whether a copy of the source that is in state FAILED may be deleted and made again. Nothing else is ever
    deleted.
    """
    revision: Revision | None = None
    """What the image was built from, for the index: empty, `auto` (repository, ref and commit of this run, on GitHub,
    Forgejo, Gitea, GitLab or Cloud Build), or a JSON object with these three keys.
    """
    variant: Variant = ""
    """A word for the index that distinguishes this image from others of the same release and architecture, such as
    `lts`. Empty if there is only one.
    """
    sign: Annotated[Sign, Option("what may be done", "off|keyless|key")] = Sign.OFF
    """How the index is signed: `off`, `keyless` (with the identity of this job, which needs `id-token: write` and is
    named in a public log) or `key` (with the P-256 key in the variable SIGNING_KEY, or in the file that
    SIGNING_KEY_FILE names). If signing fails, no family moves and no index is written.
    """
    dry_run: Annotated[Flag, Option("what may be done")] = False
    """Whether to stop after the plan, without changing anything."""
    prices: Annotated[str, Option("what it may cost", "FILE|off")] = ""
    """The prices that the plan tells the cost by: a file that `gce-image-replicator prices update` wrote, relative to
    the workspace, or `off` to tell no cost. Empty: the few prices that come with this version.
    """
    max_monthly_cost: Annotated[Amount | None, Option("what it may cost", "AMOUNT")] = None
    """The most that the copies may cost a month, in the currency of the prices: `5.00`. If they cost more, or that
    can't be told, the run fails before anything is changed. Empty: any amount.
    """
    copies_per_source: Annotated[Count | None, Option("how long it may take", "COPIES")] = None
    """How many copies of one image to make within an hour. If more locations wait, verified replicas are copied in
    turn, nearest first. Empty: as many as Compute Engine makes, and 6 after it first refuses one.
    """
    timeout_minutes: Annotated[Minutes, Option("how long it may take", "MINUTES")] = 60.0
    """How long copies may take, including waits for quotas. Copies that aren't ready by then are reported as
    interrupted, and a rerun takes them over.
    """
    compute_endpoint: Endpoint = ""
    """Another endpoint of the Compute Engine API (Private Service Connect, an emulator): `https`, or `http` on
    loopback. Empty: the one in `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE`, or Google's.
    """

    @field_validator("locations")
    @classmethod
    def _locations(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [problem for word in dict.fromkeys(value) if (problem := validation.location_problem(word))]
        validation.refuse([*duplicates(value), *wrong])
        return value

    @field_validator("required_locations")
    @classmethod
    def _required(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        wanted = info.data.get("locations")
        if value == ("all",) and wanted is not None:
            return tuple(wanted)
        words = () if value == ("all",) else tuple(dict.fromkeys(value))
        if wanted is None:
            wrong = [problem for word in words if (problem := validation.location_problem(word))]
        else:
            allowed = f"is not among locations ({', '.join(wanted)}); name some of them, or all"
            wrong = [f"{quoted(word)} {allowed}" for word in words if word not in wanted]
        validation.refuse([*duplicates(value), *wrong])
        return value

    @field_validator("replica_project")
    @classmethod
    def _replica_project(cls, value: str, info: ValidationInfo) -> str:
        names.check(value, frozenset({"project", "location"}))
        for location in info.data.get("locations", ()):
            template = _place(info, location).project or value
            project = template.format(project="project", location=location)
            if template and not names.is_project(project):
                raise ValueError(f"{quoted(template)} makes {quoted(project)}, which can't be the id of a project")
        return value

    @field_validator("name_template")
    @classmethod
    def _name_template(cls, value: str, info: ValidationInfo) -> str:
        names.check(value, frozenset({"name", "location"}))
        general = info.data.get("replica_project", "{location}")
        taken: dict[tuple[str, str], str] = {}
        for location in info.data.get("locations", ()):
            place = _place(info, location)
            project = (place.project or general or "{project}").format(project="project", location=location)
            name = names.make(place.name or value, "name", location=location)
            other = taken.setdefault((project, name), location)
            if other != location:
                raise ValueError(
                    f"{quoted(place.name or value)} gives {other} and {location} the same name, and names are unique "
                    "in a project: put {location} into it, or into replica_project"
                )
        return value

    @field_validator("family_template")
    @classmethod
    def _family_template(cls, value: str, info: ValidationInfo) -> str:
        names.check(value, frozenset({"family", "location"}))
        for location in info.data.get("locations", ()):
            names.make(_place(info, location).family or value, "family", location=location)
        return value

    @field_validator("max_monthly_cost")
    @classmethod
    def _max_monthly_cost(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if value is not None and info.data.get("prices") == NO_PRICES:
            raise ValueError("needs prices, and prices is off: give a file there, or leave one of the two out")
        return value

    @field_validator("labels", mode="before")
    @classmethod
    def _labels(cls, value: Any) -> Any:
        return _read_labels(value) if isinstance(value, str) else value

    @field_validator("revision", mode="before")
    @classmethod
    def _revision(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = None
        keys = ("repository", "ref", "commit")
        if not isinstance(read, dict) or set(read) != set(keys) or not all(isinstance(read[key], str) for key in keys):
            raise ValueError(f"{quoted(value)} is neither auto nor a JSON object with the strings {', '.join(keys)}")
        if not all(read.values()):
            raise ValueError(f"leaves out {', '.join(key for key in keys if not read[key])}")
        return Revision(**read)

    def wanted(self, location: str) -> Place:
        """Return what is wanted in a location: from the config file, else from the inputs."""
        place = self.config.place(location) if self.config else Place()
        return Place(
            required=place.required or location in self.required_locations,
            project=place.project or self.replica_project or "{project}",
            name=place.name or self.name_template,
            family=place.family or self.family_template,
            labels={**self.labels, **place.labels},
            kms_key=place.kms_key,
        )


def _place(info: ValidationInfo, location: str) -> Place:
    config = info.data.get("config")
    return config.place(location) if config else Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a run needs to know before its first call."""

    settings: Settings
    source: SourceRef
    built: datetime | None
    """When the build ended that Packer's manifest tells of; None where none is given or it doesn't say."""
    anonymous: bool
    """Whether to call the API without credentials, as gcloud can be told to."""
    note: str = ""
    """For people: where the source's project was taken from, where a variable alone says it."""
    given_prices: PriceList | None = None
    """The prices in the file that the input `prices` names."""

    def price_list(self) -> PriceList | None:
        """Return the prices to tell the cost by; None if no cost is to be told. Reads those of this version."""
        if self.settings.prices == NO_PRICES:
            return None
        return self.given_prices or price_list.shipped()


def load(given: Mapping[str, str], env: Mapping[str, str]) -> Inputs:
    """Check what was given (input → text; empty means not given) together with the environment.

    Raises BadSettings with every problem.
    """
    values = given_values(given, env)
    problems = [*_take_revision(values, env), *take_config(values, env)]
    settings = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    prices = _prices(str(values.get("prices", "")), env, problems)
    reference, built, note = None, None, ""
    try:
        reference, built, note = _source(values, env)
    except source_reference.BadSource as error:
        problems.append(InputProblem(error.input, str(error)))
    problems = without_secrets(problems, given)
    if settings is None or reference is None or problems:
        raise BadSettings(in_order(problems, Settings.model_fields))
    return Inputs(
        settings=settings,
        source=reference,
        built=built,
        anonymous=is_anonymous(env),
        note=note,
        given_prices=prices,
    )


def empty_inputs(settings: Settings, env: Mapping[str, str]) -> list[InputProblem]:
    """The inputs of an action that were given as an empty text, of those that say where and for whom images are.

    The runner hands on the default where an input is left out, so that only the caller's own line is empty.
    """
    asked = {"locations": ", ".join(settings.locations), "access": str(settings.access)}
    if settings.config:
        del asked["locations"]
    return [
        InputProblem(
            name,
            f"is empty, so that its default counts: {default}. An empty text mostly comes from a variable that is not "
            "set; where the default is meant, leave the input out.",
        )
        for name, default in asked.items()
        if not env.get(f"INPUT_{name.upper()}", default).strip()
    ]


def _prices(given: str, env: Mapping[str, str], problems: list[InputProblem]) -> PriceList | None:
    """Read the file that the input names, if any; what is wrong is added to the problems."""
    if given in {"", NO_PRICES}:
        return None
    try:
        return price_list.read(given, env)
    except BadConfig as error:
        problems += [InputProblem("prices", text, given if line else "", line) for line, text in error.problems]
        return None


def _source(values: Mapping[str, str], env: Mapping[str, str]) -> tuple[SourceRef, datetime | None, str]:
    """The source; when it was built, if a manifest says so; and where its project was taken from, for people."""
    image, manifest = values.get("source_image", ""), values.get("packer_manifest", "")
    project = values.get("project_id", "")
    if bool(image) == bool(manifest):
        given = "it and packer_manifest are both given" if image else "neither it nor packer_manifest is given"
        raise source_reference.BadSource("source_image", f"{given}; exactly one of them says which image to replicate")
    text = "" if image else source_reference.read_manifest(manifest, env)
    note = source_reference.project_note(project, image, text, env)
    if image:
        return source_reference.from_reference(image, project, env), None, note
    return source_reference.from_manifest(text, project, env), source_reference.built_at(text), note


def _take_revision(values: dict[str, Any], env: Mapping[str, str]) -> list[InputProblem]:
    """Replace `revision: auto` in `values` by what the CI system says. Returns problems."""
    if values.get("revision") != "auto":
        return []
    del values["revision"]
    build, instead = ci_build.of(env), "give a JSON object with repository, ref and commit"
    if build is None:
        return [InputProblem("revision", f"auto is for {ci_build.KNOWN}, and this is none of them: {instead}")]
    values["revision"] = Revision(build.repository, build.ref, build.commit)
    empty = [f"{key} ({variable})" for key, variable in build.variables.items() if not getattr(values["revision"], key)]
    if not empty:
        return []
    return [InputProblem("revision", f"auto doesn't find what {build.title} says of {', '.join(empty)}: {instead}")]


def take_config(values: dict[str, Any], env: Mapping[str, str]) -> list[InputProblem]:
    """Replace the config file's path in `values` by its content, which lists the locations too. Returns problems."""
    given = values.pop("config", "")
    if not given:
        return []
    try:
        config = read_config(given, env)
    except BadConfig as error:
        return [InputProblem("config", text, given if line else "", line) for line, text in error.problems]
    values["config"] = config
    # The runner always passes the default of action.yml, so the default counts as not given.
    if tuple(listed(values.pop("locations", ""))) not in {("",), Settings.model_fields["locations"].default}:
        return [
            InputProblem(
                "locations", "can't be combined with config: the file lists the locations. Remove one of the two"
            )
        ]
    values["locations"] = tuple(config.locations)
    return []


def _read_labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    problems = []
    for item in filter(None, (part.strip() for part in re.split(r"[\n,]", text))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            problems.append(f"{quoted(item)} has no '='; write key=value, one per line or separated by commas")
            continue
        if key in labels:
            problems.append(f"{quoted(key)} is given twice")
        problems += validation.label_problems(key, value)
        labels[key] = value
    if not problems:
        problems = validation.labels_problems(labels)
    validation.refuse(problems)
    return labels
