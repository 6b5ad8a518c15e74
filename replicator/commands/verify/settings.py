"""The inputs of a verification as one typed object; every problem at once, each naming its input, before any call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from replicator.core import validation
from replicator.core.errors import BadSettings, InputProblem
from replicator.inputs.fields import Endpoint, Flag, given_values, is_anonymous, problem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


#: What says whose a keyless signature must be.
_WHO = ("certificate_identity_regexp", "certificate_oidc_issuer")


class VerifySettings(BaseModel):
    """What the user asks for. Field by field what `verify/action.yml` describes; empty inputs never get here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    index: str
    """The `image-index.json` to verify."""
    bundle: str = ""
    """The signature over the index, `image-index.json.sigstore.json`. It needs a policy: whose it must be, by
    `certificate_identity_regexp` and `certificate_oidc_issuer`, or by `key`.
    """
    attestation: str = ""
    """The signed statement about the index, `image-index.json.intoto.sigstore.json`. It needs a policy, too."""
    certificate_identity_regexp: str = ""
    """Who must have signed, keyless: a regular expression for the whole identity."""
    certificate_oidc_issuer: str = ""
    """Who must have confirmed that identity: `https://token.actions.githubusercontent.com` for GitHub."""
    key: str = ""
    """A file with the public key, in PEM, that must have signed."""
    trusted_root: str = ""
    """A file with a trusted root of Sigstore, for verifying offline, or for another Sigstore than the public one."""
    offline_only: Flag = False
    """Whether to verify the signature alone, and ask no API."""
    architecture: str = ""
    """The architecture of the image to hand on: `X86_64` or `ARM64`. It can be left out where the index holds one."""
    variant: str = ""
    """Its variant, where the index holds several."""
    location: str = ""
    """The location that the image to hand on must be in. Without it the index is verified, and no image handed on."""
    compute_endpoint: Endpoint = ""
    """Another endpoint of the Compute Engine API (Private Service Connect, an emulator): `https`, or `http` on
    loopback. Empty: that of `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE`, or Google's.
    """

    @field_validator("architecture")
    @classmethod
    def _architecture(cls, value: str) -> str:
        validation.refuse([problem] if (problem := validation.architecture_problem(value)) else [])
        return value

    @field_validator("variant")
    @classmethod
    def _variant(cls, value: str) -> str:
        validation.refuse([problem] if (problem := validation.variant_problem(value)) else [])
        return value

    @field_validator("location")
    @classmethod
    def _location(cls, value: str) -> str:
        validation.refuse([problem] if (problem := validation.location_problem(value)) else [])
        return value

    @property
    def signatures(self) -> dict[str, str]:
        """The files that sign the index, by their inputs."""
        return {name: file for name in ("bundle", "attestation") if (file := getattr(self, name))}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """Everything that a verification needs to know before its first call."""

    settings: VerifySettings
    anonymous: bool
    """Whether to call the API without credentials, as gcloud can be told to."""


def load(given: Mapping[str, str], env: Mapping[str, str]) -> VerifyRequest:
    """Check what was given (input → text; empty means not given). Raises BadSettings with every problem.

    What says where replicas come from, on the command line, has no meaning beside an index.
    """
    values: dict[str, Any] = given_values(given, env)
    values = {name: text for name, text in values.items() if name in VerifySettings.model_fields}
    problems = [InputProblem(name, text) for name, text in _problems(values)]
    settings = None
    try:
        settings = VerifySettings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    if settings is None or problems:
        order = list(VerifySettings.model_fields)
        raise BadSettings(sorted(problems, key=lambda item: order.index(item.input)))
    return VerifyRequest(settings=settings, anonymous=is_anonymous(env))


def refuse_without_index(given: Mapping[str, str]) -> None:
    """Raise BadSettings where something was given that makes sense beside an index only."""
    stray = [
        name for name in VerifySettings.model_fields if name not in {"index", "compute_endpoint"} and given.get(name)
    ]
    if stray:
        raise BadSettings([InputProblem(name, "is about an index: give index as well") for name in stray])


def _problems(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    named = [name for name in (*_WHO, "key", "trusted_root") if given.get(name)]
    if not given.get("bundle") and not given.get("attestation"):
        yield from ((name, "is a policy for a signature: give bundle or attestation as well") for name in named)
        if given.get("offline_only", "false").lower() == "true":
            yield "offline_only", "leaves the signature alone to verify: give bundle or attestation"
        return
    if given.get("key"):
        yield from ((name, "is for keyless signatures; leave it out beside key") for name in named if name != "key")
        return
    yield from (
        (name, "is missing: a signature says nothing until it is said whose it must be; or give key")
        for name in _WHO
        if not given.get(name)
    )
    try:
        re.compile(given.get(_WHO[0], ""))
    except (re.error, OverflowError, RecursionError) as error:
        yield _WHO[0], f"'{given[_WHO[0]]}' is no regular expression: {error}"
