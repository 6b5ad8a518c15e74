"""Validates the values given to verify, and reports every problem at once, by input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import TypeAdapter, ValidationError

from replicator.core.errors import BadSettings, InputProblem
from replicator.index import signature_settings
from replicator.index.signature_settings import SignatureSettings
from replicator.inputs.fields import (
    Architecture,
    Endpoint,
    Flag,
    Location,
    Option,
    Variant,
    given_values,
    in_order,
    is_anonymous,
    problem_of,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_INDEX = "an index instead"


class VerifySettings(SignatureSettings):
    """What the user asks for, one field for each input of `verify/action.yml`. Empty inputs are left out before."""

    index: Annotated[str, Option(_INDEX, "FILE")]
    """The `image-index.json` to verify."""
    architecture: Annotated[Architecture, Option(_INDEX, "ARCHITECTURE")] = ""
    """The architecture of the image to output: `X86_64` or `ARM64`. Optional if the index holds only one."""
    variant: Annotated[Variant, Option(_INDEX, "VARIANT")] = ""
    """The variant of the image to output, if the index holds several."""
    location: Annotated[Location, Option(_INDEX, "LOCATION")] = ""
    """The location of the image to output. Without it the index is verified, but no image is output."""
    refuse_deprecated: Annotated[Flag, Option("what may be done")] = False
    """Whether an image counts as drifted that is marked DEPRECATED, or whose source is: its publisher held the release
    back, rolled it back or retired it. Without it that is reported only.
    """
    compute_endpoint: Endpoint = ""
    """Another endpoint of the Compute Engine API (Private Service Connect, an emulator): `https`, or `http` on
    loopback. Empty: the one in `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE`, or Google's.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyInputs:
    """Everything that a verification needs to know before its first call."""

    settings: VerifySettings
    anonymous: bool
    """Whether to call the API without credentials, as gcloud can be told to."""


def load(given: Mapping[str, str], env: Mapping[str, str]) -> VerifyInputs:
    """Check what was given (input → text; empty means not given). Raises BadSettings with every problem.

    On the command line, options about the source and its replicas are ignored if an index is given.
    """
    values: dict[str, Any] = given_values(given, env)
    values = {name: text for name, text in values.items() if name in VerifySettings.model_fields}
    problems = [InputProblem(name, text) for name, text in signature_settings.problems(values)]
    if values.get("offline_only", "").lower() == "true" and not (values.get("bundle") or values.get("attestation")):
        text = "verifies only the signature: give bundle or attestation"
        problems.append(InputProblem("offline_only", text))
    settings = None
    try:
        settings = VerifySettings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    problems = without_secrets(
        problems, {name: text for name, text in given.items() if name in VerifySettings.model_fields}
    )
    if settings is None or problems:
        raise BadSettings(in_order(problems, VerifySettings.model_fields))
    return VerifyInputs(settings=settings, anonymous=is_anonymous(env))


def refuse_without_index(given: Mapping[str, str]) -> None:
    """Raise BadSettings if an input was given that makes sense only together with an index."""
    about_both = {"index", "compute_endpoint", "refuse_deprecated"}
    stray = [name for name in VerifySettings.model_fields if name not in about_both and given.get(name)]
    if stray:
        raise BadSettings([InputProblem(name, "needs an index: give index as well") for name in stray])


def refuses_deprecated(given: Mapping[str, str]) -> bool:
    """Return whether images marked DEPRECATED are refused, where no index is given. Raises BadSettings."""
    try:
        return TypeAdapter(Flag).validate_python(given.get("refuse_deprecated", "").strip() or False)
    except ValidationError as error:
        problems = [replace(problem_of(item), input="refuse_deprecated") for item in error.errors()]
        raise BadSettings(problems) from None
