"""Reads the inputs of merge into one typed object; reports every problem at once, by input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from replicator.commands.merge.fragments import ALL, Key
from replicator.core import validation
from replicator.core.errors import BadSettings
from replicator.core.replicas import Sign
from replicator.inputs.fields import (
    Endpoint,
    Flag,
    Minutes,
    Option,
    Words,
    duplicates,
    given_values,
    is_anonymous,
    problem_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class MergeSettings(BaseModel):
    """What the user asks for, one field for each input of `merge/action.yml`. Empty inputs are left out before."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    fragments: Annotated[str, Option("what is merged", "FOLDER")]
    """The folder, relative to the workspace, that holds the `image-index.json` of every build of the release, each in
    its own folder. Every `*.json` file below it is read as one.
    """
    expect: Annotated[Words, Option("what is merged", "ARCHITECTURES")]
    """The images that the release is made of: `X86_64, ARM64`, or each with its variant, `X86_64/lts`. The fragments
    must hold exactly these.
    """
    required_locations: Annotated[Words, Option("where", "LOCATIONS")] = ()
    """The locations that every image must be in, or nothing is merged: some of them, or `all` that are wanted. Other
    locations that one image lacks are left out of the index for all, with a warning.
    """
    promote: Annotated[Flag, Option("what may be done")] = True
    """Whether the images get their families once the index is written."""
    sign: Annotated[Sign, Option("what may be done", "off|keyless|key")] = Sign.OFF
    """How the index is signed: `off`, `keyless` (with the identity of this job, which needs `id-token: write` and is
    named in a public log) or `key` (with the P-256 key in the variable SIGNING_KEY, or in the file that
    SIGNING_KEY_FILE names). If signing fails, no family moves and no index is written.
    """
    dry_run: Annotated[Flag, Option("what may be done")] = False
    """Whether to stop once everything is verified, without writing or changing anything."""
    timeout_minutes: Annotated[Minutes, Option("how long it may take", "MINUTES")] = 15.0
    """How long it may take, including waits for quotas."""
    compute_endpoint: Endpoint = ""
    """Another endpoint of the Compute Engine API (Private Service Connect, an emulator): `https`, or `http` on
    loopback. Empty: the one in `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE`, or Google's.
    """

    @field_validator("expect")
    @classmethod
    def _expect(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        problems = duplicates(value)
        for word in dict.fromkeys(value):
            architecture, slash, variant = word.partition("/")
            problems += filter(None, [validation.architecture_problem(architecture)])
            problems += filter(None, [validation.variant_problem(variant)] if slash else [])
        validation.refuse(problems)
        return value

    @field_validator("required_locations")
    @classmethod
    def _required(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != (ALL,):
            wrong = [problem for word in dict.fromkeys(value) if (problem := validation.location_problem(word))]
            validation.refuse([*duplicates(value), *wrong])
        return value

    @property
    def expected(self) -> frozenset[Key]:
        """The images that the fragments must hold."""
        return frozenset(Key(*word.split("/")) for word in self.expect)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeInputs:
    """Everything that a merge needs to know before its first call."""

    settings: MergeSettings
    anonymous: bool
    """Whether to call the API without credentials, as gcloud can be told to."""


def load(given: Mapping[str, str], env: Mapping[str, str]) -> MergeInputs:
    """Check what was given (input → text; empty means not given). Raises BadSettings with every problem."""
    values: dict[str, Any] = given_values(given, env)
    try:
        settings = MergeSettings.model_validate(values)
    except ValidationError as error:
        raise BadSettings([problem_of(item) for item in error.errors()]) from None
    return MergeInputs(settings=settings, anonymous=is_anonymous(env))
