"""The inputs of a verification as one typed object; every problem at once, each naming its input, before any call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ValidationError

from replicator.core.errors import BadSettings, InputProblem
from replicator.index import signature_settings
from replicator.index.signature_settings import SignatureSettings
from replicator.inputs.fields import (
    Architecture,
    Endpoint,
    Location,
    Option,
    Variant,
    given_values,
    is_anonymous,
    problem_of,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_INDEX = "an index instead"


class VerifySettings(SignatureSettings):
    """What the user asks for. Field by field what `verify/action.yml` describes; empty inputs never get here."""

    index: Annotated[str, Option(_INDEX, "FILE")]
    """The `image-index.json` to verify."""
    architecture: Annotated[Architecture, Option(_INDEX, "ARCHITECTURE")] = ""
    """The architecture of the image to hand on: `X86_64` or `ARM64`. It can be left out where the index holds one."""
    variant: Annotated[Variant, Option(_INDEX, "VARIANT")] = ""
    """Its variant, where the index holds several."""
    location: Annotated[Location, Option(_INDEX, "LOCATION")] = ""
    """The location that the image to hand on must be in. Without it the index is verified, and no image handed on."""
    compute_endpoint: Endpoint = ""
    """Another endpoint of the Compute Engine API (Private Service Connect, an emulator): `https`, or `http` on
    loopback. Empty: that of `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE`, or Google's.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyInputs:
    """Everything that a verification needs to know before its first call."""

    settings: VerifySettings
    anonymous: bool
    """Whether to call the API without credentials, as gcloud can be told to."""


def load(given: Mapping[str, str], env: Mapping[str, str]) -> VerifyInputs:
    """Check what was given (input → text; empty means not given). Raises BadSettings with every problem.

    What says where replicas come from, on the command line, has no meaning beside an index.
    """
    values: dict[str, Any] = given_values(given, env)
    values = {name: text for name, text in values.items() if name in VerifySettings.model_fields}
    problems = [InputProblem(name, text) for name, text in signature_settings.problems(values)]
    settings = None
    try:
        settings = VerifySettings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    problems = without_secrets(
        problems, {name: text for name, text in given.items() if name in VerifySettings.model_fields}
    )
    if settings is None or problems:
        order = list(VerifySettings.model_fields)
        raise BadSettings(sorted(problems, key=lambda item: order.index(item.input)))
    return VerifyInputs(settings=settings, anonymous=is_anonymous(env))


def refuse_without_index(given: Mapping[str, str]) -> None:
    """Raise BadSettings where something was given that makes sense beside an index only."""
    stray = [
        name for name in VerifySettings.model_fields if name not in {"index", "compute_endpoint"} and given.get(name)
    ]
    if stray:
        raise BadSettings([InputProblem(name, "is about an index: give index as well") for name in stray])
