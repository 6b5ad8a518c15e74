"""Validates the values given to resolve, and reports every problem at once, by input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationError

from replicator.bootstrap.quote import quoted
from replicator.core import locations, validation
from replicator.core.errors import BadSettings, InputProblem
from replicator.core.names import is_project
from replicator.index import signature_settings
from replicator.index.signature_settings import SignerSettings
from replicator.inputs import source_reference
from replicator.inputs.fields import (
    Architecture,
    Endpoint,
    Flag,
    Location,
    Option,
    Variant,
    Words,
    given_values,
    in_order,
    is_anonymous,
    problem_of,
    without_secrets,
)
from replicator.inputs.source_reference import FamilyRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WHICH, _WHERE, _HOW = "which image", "where it is needed", "how"
_PLACES = ("zone", "region", "location")
#: What concerns an index only, and what a family only.
_OF_INDEX = ("digest", "variant", "bundle", "attestation", "offline")
_OF_FAMILY = ("replica_project",)
STDIN = "-"
_TERRAFORM, _GITHUB = "tf-external", "github"

Format = Literal["text", "uri", "json", "shell", "tf-external", "github"]


def _zone(value: str) -> str:
    if not locations.region_of_zone(value):
        hint = " (that is a region: give it as region)" if locations.is_location(value) else ""
        raise ValueError(f"{quoted(value)} isn't a zone such as europe-west4-a{hint}")
    return value


def _region(value: str) -> str:
    if value in locations.MULTI_REGIONS:
        raise ValueError(f"{quoted(value)} is a multi-region: give it as location")
    if region := locations.region_of_zone(value):
        raise ValueError(f"{quoted(value)} is a zone: give it as zone, or write its region, '{region}'")
    validation.refuse([problem] if (problem := validation.location_problem(value)) else [])
    return value


def _digest(value: str) -> str:
    if not re.fullmatch("sha256:[0-9a-f]{64}", value):
        raise ValueError(f"{quoted(value)} isn't a digest: write sha256: and 64 digits of 0-9 and a-f")
    return value


class ResolveSettings(SignerSettings):
    """What the user asks for, one field for each input of `resolve/action.yml`. Empty inputs are left out before."""

    index: Annotated[str, Option(_WHICH, "FILE|URL|-")] = ""
    """The `image-index.json` that names the images: a file, or an `https` URL, which needs `digest`, or `bundle` and a
    policy, because a URL alone is nobody's word. On the command line `-` reads standard input.
    """
    family: Annotated[str, Option(_WHICH, "FAMILY")] = ""
    """Instead of an index: `projects/PROJECT/global/images/family/FAMILY`, whose newest image and its proven copies are
    looked up.
    """
    digest: Annotated[str, AfterValidator(_digest), Option(_WHICH, "sha256:…")] = ""
    """The digest that the index must have, as the run that made it output it in `index_digest`."""
    replica_project: Annotated[Words, Option(_WHICH, "PROJECTS")] = ()
    """For `family`: more projects that hold copies."""
    architecture: Annotated[Architecture, Option(_WHICH, "ARCHITECTURE")] = ""
    """The architecture of the image: `X86_64` or `ARM64`. Optional if the index holds only one."""
    variant: Annotated[Variant, Option(_WHICH, "VARIANT")] = ""
    """The variant of the image, if the index holds several."""
    zone: Annotated[str, AfterValidator(_zone), Option(_WHERE, "ZONE")] = ""
    """The zone that the image is needed in. Without zone, region and location: the one of this machine, if it is
    Google's.
    """
    region: Annotated[str, AfterValidator(_region), Option(_WHERE, "REGION")] = ""
    """The region that the image is needed in."""
    location: Annotated[Location, Option(_WHERE, "LOCATION")] = ""
    """The storage location that the image is needed in: a multi-region or a region."""
    fallback: Annotated[Literal["nearest", "continent", "none"], Option(_WHERE, "nearest|continent|none")] = "nearest"
    """What may serve a place without a replica of its own or of its multi-region: the `nearest` replica anywhere, one
    on the same `continent`, or `none`.
    """
    deprecated: Annotated[Literal["warn", "skip", "allow"], Option(_HOW, "warn|skip|allow")] = "warn"
    """What to do with an image that is marked DEPRECATED: use it and `warn`, `skip` it, or `allow` it silently."""
    offline: Annotated[Flag, Option(_HOW)] = False
    """Whether to believe the index, and to ask no API whether the image still is there and the same."""
    format: Annotated[Format | None, Option(_HOW, "text|uri|json|shell|tf-external|github")] = None
    """The form of the answer. `text`: the image on stdout, sentences on stderr; `uri`: the same, silent unless
    something is wrong; `json`; `shell`: variables to evaluate; `tf-external`: Terraform's protocol for external
    programs; `github`: step outputs. Empty: `github` under a runner, else `text`.
    """
    compute_endpoint: Endpoint = ""
    """Another endpoint of the Compute Engine API (Private Service Connect, an emulator): `https`, or `http` on
    loopback. Empty: the one in `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE`, or Google's.
    """

    @property
    def place(self) -> str:
        """The region or multi-region that was given; empty if this machine is meant."""
        return (locations.region_of_zone(self.zone) or "") if self.zone else self.region or self.location


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveInputs:
    """Everything that a run needs to know before its first call."""

    settings: ResolveSettings
    family: FamilyRef | None
    """The family that is looked up; None if an index is given."""
    anonymous: bool
    """Whether to call the API without credentials, as gcloud can be told to."""


def is_url(index: str) -> bool:
    """Return whether an index is named by a URL, also by one that is refused."""
    return "://" in index


def load(given: Mapping[str, str], env: Mapping[str, str]) -> ResolveInputs:
    """Check what was given (input → text; empty means not given). Raises BadSettings with every problem."""
    values: dict[str, Any] = given_values(given, env)
    values = {name: text for name, text in values.items() if name in ResolveSettings.model_fields}
    problems = [InputProblem(name, text) for name, text in (*signature_settings.problems(values), *_together(values))]
    family = _family(values["family"], problems) if values.get("family") else None
    problems += [
        InputProblem("replica_project", f"{quoted(word)} can't be the id of a project")
        for word in re.split(r"[\s,]+", values.get("replica_project", ""))
        if word and not is_project(word)
    ]
    if values.get("format") == _GITHUB and not env.get("GITHUB_OUTPUT"):
        problems.append(InputProblem("format", "'github' writes the outputs of a step, and no runner runs this"))
    settings = None
    try:
        settings = ResolveSettings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    problems = without_secrets(problems, {name: given.get(name, "") for name in ResolveSettings.model_fields})
    if settings is None or problems:
        raise BadSettings(in_order(problems, ResolveSettings.model_fields))
    return ResolveInputs(settings=settings, family=family, anonymous=is_anonymous(env))


def _together(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with inputs together, as (input, text), from unconverted inputs."""
    index = given.get("index", "")
    if index and given.get("family"):
        yield "family", "is given beside index: leave one of the two out"
    elif not index and not given.get("family"):
        yield "index", "is needed, or family"
    else:
        others, kept = (_OF_FAMILY, "index") if index else (_OF_INDEX, "family")
        yield from (
            (name, f"means nothing beside {kept}: leave it out")
            for name in others
            if given.get(name, "").lower() not in {"", "false"}
        )
    places = [name for name in _PLACES if given.get(name)]
    yield from ((name, f"is given beside {places[0]}: one place is enough") for name in places[1:])
    if is_url(index):
        yield from (("index", text) for text in _url_problems(index, given))
    if index == STDIN and given.get("format") == _TERRAFORM:
        yield "index", "can't be read from standard input, from which Terraform gives its query: give a file"


def _url_problems(url: str, given: Mapping[str, str]) -> Iterator[str]:
    if problem := url_problem(url):
        yield problem
    elif not given.get("digest") and not given.get("bundle") and not given.get("attestation"):
        yield (
            "is a URL, and that alone is nobody's word: give digest (sha256:…), or bundle and a policy that says who "
            "must have signed"
        )


def url_problem(url: str) -> str:
    """Return why an index can't be fetched from a URL; empty if it can. Quotes nothing: URLs may hold tokens."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "isn't a valid URL"
    if parts.scheme != "https":
        return "isn't https, and nothing else is fetched"
    if not parts.hostname or parts.username is not None:
        return "isn't a valid URL: write https://HOST/PATH, without a user's name"
    return ""


def _family(text: str, problems: list[InputProblem]) -> FamilyRef | None:
    form = "write projects/PROJECT/global/images/family/FAMILY"
    try:
        found = source_reference.from_reference(text, "", {})
    except source_reference.BadSource:
        found = None
    if isinstance(found, FamilyRef):
        return found
    named = f"names an image, not a family: {form}" if found else f"isn't a family: {form}"
    problems.append(InputProblem("family", f"{quoted(text)} {named}"))
    return None
