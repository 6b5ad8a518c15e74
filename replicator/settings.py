"""The inputs as one typed object; every problem at once, each naming its input, before any call."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from replicator import names, source
from replicator.errors import BadSettings
from replicator.index import Revision
from replicator.model import Access

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.source import SourceRef

_LOCATION = re.compile(r"us|eu|asia|[a-z]+-[a-z]+[0-9]+")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_MOST_LABELS = 64
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_MULTI_REGIONS = {"europe": "eu", "america": "us", "usa": "us", "united-states": "us"}
_DUAL_REGIONS = {"nam4", "eur4", "asia1"}

#: Inputs that other parts of the action read: `decide` and `setup.sh`.
READ_ELSEWHERE = frozenset({"distribute", "tag_pattern", "python"})

#: Points gcloud, and this tool, at another endpoint with one variable.
ENDPOINT_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"
ANONYMOUS_VARIABLE = "CLOUDSDK_AUTH_DISABLE_CREDENTIALS"


def _listed(value: Any) -> Any:
    return re.split(r"[\s,]+", value.strip(" \t\r\n,")) if isinstance(value, str) else value


def _boolean(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in _BOOLEANS:
        raise ValueError(f"'{value}' is not one of true, false")
    return _BOOLEANS[value]


Flag = Annotated[bool, BeforeValidator(_boolean)]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Settings(BaseModel):
    """What the user asks for. Field by field what `action.yml` describes; empty inputs never get here."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    source_image: str = ""
    """The image that the build made: a name (with `project_id`), `projects/PROJECT/global/images/NAME`, its full URL,
    or `projects/PROJECT/global/images/family/FAMILY`. Either this or `packer_manifest`.
    """
    packer_manifest: str = ""
    """The file that Packer's manifest post-processor wrote, relative to the workspace. The one `googlecompute` build
    of its last run is the source.
    """
    project_id: str = ""
    """The source's project, where the reference does not say it. Else it comes from the manifest's
    `custom_data.project_id` or from the variables that google-github-actions/auth sets.
    """
    locations: Words = ("us", "eu", "asia")
    """The storage locations in which the image must be available: `us`, `eu`, `asia` or regions."""
    required_locations: Words = ()
    """Those whose failure fails the run and keeps every family where it was: part of `locations`, or `all`. The others
    are best effort.
    """
    replica_project: str = ""
    """The project that replicas are made in; `{project}` and `{location}` are filled in. Empty: the source's."""
    name_template: str = "{name}-{location}"
    """The name of a replica; `{name}` and `{location}` are filled in. Too long a name is cut in its stem and gets a
    hash.
    """
    family_template: str = "{family}-{location}"
    """The family of a replica; `{family}` and `{location}` are filled in. `{family}` alone shares one family, which
    then stays at home. A source without family has replicas without.
    """
    home_copy: Literal["auto", "true"] = "auto"
    """`auto`: the source itself serves the location that it is stored in. `true`: a copy is made there as well."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels on top of the source's, `key=value`, one a line or by commas."""
    access: Access = Access.SOURCE
    """Who may use the replicas: `source` (whoever may use the source by its own policy), `public`
    (`allAuthenticatedUsers` too) or `private` (nobody is added). Members are only ever added.
    """
    promote: Flag = True
    """Whether verified replicas get their family."""
    replace_failed: Flag = False
    """Whether a copy of the source that is in state FAILED may be deleted and made anew. Nothing else is ever
    deleted.
    """
    revision: Revision | None = None
    """What the image was built from, for the index: empty, `auto` (repository, ref and commit of this run), or a JSON
    object with these three.
    """
    config: str = ""
    """Reserved for a configuration file; this version accepts none."""
    dry_run: Flag = False
    """Whether to stop after the plan, with nothing changed."""
    timeout_minutes: float = 60.0
    """How long copies may take, waits for quotas included. What is not ready by then is reported as interrupted, and a
    rerun takes it over.
    """
    compute_endpoint: str = ""
    """Another endpoint of the Compute Engine API (Private Service Connect, an emulator): `https`, or `http` on
    loopback. Empty: that of `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE`, or Google's.
    """

    @field_validator("locations")
    @classmethod
    def _locations(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = (location for location in dict.fromkeys(value) if not _LOCATION.fullmatch(location))
        _refuse([*_duplicates(value), *(f"'{word}' is no storage location{_location_hint(word)}" for word in wrong)])
        return value

    @field_validator("required_locations")
    @classmethod
    def _required(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        wanted = info.data.get("locations")
        if value == ("all",) and wanted is not None:
            return tuple(wanted)
        stray = [word for word in dict.fromkeys(value) if wanted is not None and word not in wanted]
        allowed = f"is not among locations ({', '.join(wanted or ())}); write part of them, or all"
        _refuse([*_duplicates(value), *(f"'{word}' {allowed}" for word in stray)])
        return value

    @field_validator("replica_project")
    @classmethod
    def _replica_project(cls, value: str, info: ValidationInfo) -> str:
        names.check(value, frozenset({"project", "location"}))
        for location in info.data.get("locations", ()):
            project = value.format(project="project", location=location)
            if value and not source.is_project(project):
                raise ValueError(f"'{value}' makes '{project}', which can't be the id of a project")
        return value

    @field_validator("name_template")
    @classmethod
    def _name_template(cls, value: str, info: ValidationInfo) -> str:
        names.check(value, frozenset({"name", "location"}))
        locations, project = info.data.get("locations", ()), info.data.get("replica_project", "{location}")
        places = [
            (project.format(project="project", location=location), names.make(value, "name", location=location))
            for location in locations
        ]
        if len(set(places)) < len(places):
            raise ValueError(
                f"'{value}' gives several locations the same name, and names are unique in a project: "
                "put {location} into it, or into replica_project"
            )
        return value

    @field_validator("family_template")
    @classmethod
    def _family_template(cls, value: str, info: ValidationInfo) -> str:
        names.check(value, frozenset({"family", "location"}))
        for location in info.data.get("locations", ()):
            names.make(value, "family", location=location)
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
            raise ValueError(f"'{value}' is neither auto nor a JSON object with the strings {', '.join(keys)}")
        return Revision(**read)

    @field_validator("config")
    @classmethod
    def _config(cls, value: str) -> str:
        if value:
            raise ValueError(f"'{value}': this version reads no config file; leave it empty and use the other inputs")
        return value

    @field_validator("timeout_minutes", mode="before")
    @classmethod
    def _timeout(cls, value: Any) -> float:
        try:
            minutes = float(value)
        except (TypeError, ValueError):
            minutes = math.nan
        if not 0 < minutes < math.inf:
            raise ValueError(f"'{value}' is no positive number of minutes (0.5 is half a minute)")
        return minutes

    @field_validator("compute_endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        if not value:
            return value
        bare = re.sub(r"/+(compute/v1/*)?$", "", value)
        try:
            parts = urlsplit(bare)
            port_is_right = parts.port is None or parts.port > 0
        except ValueError:
            parts, port_is_right = urlsplit(""), False
        if parts.scheme not in {"https", "http"} or not parts.hostname or not port_is_right or parts.path:
            raise ValueError(f"'{value}' is no endpoint; write https://HOST, or http://127.0.0.1:PORT for an emulator")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError(f"'{value}' would get credentials unencrypted: use https (http is for loopback only)")
        return bare


class Request(BaseModel):
    """Everything that a run needs to know before its first call."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    settings: Settings
    source: Any
    """A reference to an image or a family: `source.SourceRef`."""
    anonymous: bool


def load(given: Mapping[str, str], env: Mapping[str, str]) -> Request:
    """Check what was given (input → text; empty means not given) together with the environment.

    Raises BadSettings with every problem.
    """
    values = {name: text.strip() for name, text in given.items() if text.strip() and name not in READ_ELSEWHERE}
    if values.get("revision") == "auto":
        values["revision"] = json.dumps(
            {
                "repository": env.get("GITHUB_REPOSITORY", ""),
                "ref": env.get("GITHUB_REF", ""),
                "commit": env.get("GITHUB_SHA", ""),
            }
        )
    if not values.get("compute_endpoint") and env.get(ENDPOINT_VARIABLE):
        values["compute_endpoint"] = env[ENDPOINT_VARIABLE]
    problems: list[tuple[str, str]] = []
    settings = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(item) for item in error.errors()]
    reference = None
    try:
        reference = _source(values, env)
    except source.BadSource as error:
        problems.append((error.input, str(error)))
    if settings is None or reference is None or problems:
        order = list(Settings.model_fields)
        raise BadSettings(sorted(problems, key=lambda problem: order.index(problem[0]) if problem[0] in order else -1))
    anonymous = env.get(ANONYMOUS_VARIABLE, "").lower() in {"true", "1", "yes", "on"}
    return Request(settings=settings, source=reference, anonymous=anonymous)


def _source(values: Mapping[str, str], env: Mapping[str, str]) -> SourceRef:
    image, manifest = values.get("source_image", ""), values.get("packer_manifest", "")
    project = values.get("project_id", "")
    if bool(image) == bool(manifest):
        problem = "both are given" if image else "none is given"
        raise source.BadSource(
            "source_image", f"or packer_manifest says which image to replicate; exactly one is needed, {problem}"
        )
    if image:
        return source.from_reference(image, project, env)
    path = Path(env.get("GITHUB_WORKSPACE", "")) / manifest
    return source.from_manifest(source.read_manifest(path), project, env)


def _problem(item: Any) -> tuple[str, str]:
    name = str(item["loc"][0]) if item["loc"] else "settings"
    if item["type"] == "value_error":
        return name, str(item["ctx"]["error"])
    if item["type"] in {"enum", "literal_error"}:
        return name, f"'{item['input']}' is not one of {item['ctx']['expected'].replace(chr(39), '')}"
    if item["type"] == "extra_forbidden":
        return name, "is no input of this version"
    return name, f"'{item['input']}': {item['msg']}"


def _duplicates(values: Sequence[str]) -> list[str]:
    return [f"'{word}' is given {count} times" for word, count in Counter(values).items() if count > 1]


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise ValueError("; ".join(problems))


def _location_hint(location: str) -> str:
    lower = location.lower()
    if lower in _DUAL_REGIONS:
        return ": that is a dual-region of Cloud Storage; images take us, eu, asia or one region"
    if lower in _MULTI_REGIONS:
        return f": write '{_MULTI_REGIONS[lower]}'"
    if lower != location and _LOCATION.fullmatch(lower):
        return f": write '{lower}'"
    if re.fullmatch(r"[a-z]+-[a-z]+[0-9]+-[a-z]", lower):
        return f": that is a zone; write its region, '{lower[:-2]}'"
    return ": write us, eu, asia or a region such as us-central1"


def _read_labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    problems = []
    for item in filter(None, (part.strip() for part in re.split(r"[\n,]", text))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            problems.append(f"'{item}' has no '='; write key=value, one a line or by commas")
            continue
        if not _LABEL_KEY.fullmatch(key):
            problems.append(f"'{key}' is no label key: a lower case letter, then at most 62 of a-z, 0-9, _ and -")
        if not _LABEL_VALUE.fullmatch(value):
            problems.append(f"'{value}' (of '{key}') is no label value: at most 63 of a-z, 0-9, _ and -")
        if key in labels:
            problems.append(f"'{key}' is given twice")
        labels[key] = value
    if len(labels) > _MOST_LABELS:
        problems.append(f"{len(labels)} labels are given; an image can have {_MOST_LABELS}")
    _refuse(problems)
    return labels


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
