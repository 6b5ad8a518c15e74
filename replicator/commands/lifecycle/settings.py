"""Reads the options of `list` into one typed object; reports every problem at once, by option."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from replicator.bootstrap.quote import quoted
from replicator.commands.lifecycle.lines import Scope, Shared
from replicator.core import names, validation
from replicator.core.errors import BadSettings, InputProblem
from replicator.index import signature_settings
from replicator.index.signature_settings import SignerSettings
from replicator.inputs import source_reference
from replicator.inputs.fields import (
    Endpoint,
    Flag,
    Minutes,
    Option,
    Words,
    duplicates,
    given_values,
    in_order,
    is_anonymous,
    problem_of,
    without_secrets,
)
from replicator.replicas.settings import Settings, take_config

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The settings of replicate that say where replicas are and what they are called.
_WHERE = ("locations", "config", "replica_project", "name_template", "family_template")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class Lines(BaseModel):
    """What every verb is told of the lines, beside the families."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    project_id: Annotated[str, Option("which releases", "PROJECT")] = ""
    """The project of the sources. Left out, it comes from the variables that google-github-actions/auth sets."""
    release_label: Annotated[str, Option("which releases", "KEY")] = "release"
    """The label whose value is the release's version. Without it a release has the name of its source."""
    compute_endpoint: Endpoint = ""
    """Another endpoint of the Compute Engine API (Private Service Connect, an emulator): `https`, or `http` on
    loopback. Empty: the one in `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE`, or Google's.
    """


class Places(Lines):
    """The same of a verb with an action, and where replicas are."""

    config: Annotated[str, Option("where", "FILE")] = ""
    """The YAML file that the releases were replicated with: it says where replicas are and what they are called."""
    replica_project: Annotated[str, Option("where", "TEMPLATE")] = ""
    """The project of the replicas, as for replicate."""
    name_template: Annotated[str, Option("where", "TEMPLATE")] = "{name}-{location}"
    """The name of a replica, as for replicate."""
    family_template: Annotated[str, Option("where", "TEMPLATE")] = "{family}-{location}"
    """The family of a replica, as for replicate."""


class ListSettings(SignerSettings, Lines):
    """What the user asks for, one field for each option of `list`, except where replicas are."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    families: Annotated[Words, Option("which releases", "FAMILIES")]
    """The families that the builds give their images: `web, web-arm64`. Releases of nothing else are read."""
    critical_label: Annotated[str, Option("which releases", "KEY")] = "critical"
    """The label that marks critical releases; any value but `false` counts."""
    hold_label: Annotated[str, Option("which releases", "KEY")] = "hold"
    """The label that holds a release; any value but `false` counts."""
    indexes: Annotated[str, Option("which releases", "FOLDER")] = ""
    """A folder with the `image-index.json` of releases: they say versions, and the lines of releases without a family.
    With a policy of who must have signed, the signatures beside them are verified.
    """
    all: Annotated[Flag, Option("which releases")] = False
    """Whether to list copies that aren't replicas by name and place (strangers), and those whose source is gone."""
    timeout_minutes: Annotated[Minutes, Option("how long it may take", "MINUTES")] = 15.0
    """How long it may take, including waits for quotas."""

    @field_validator("families")
    @classmethod
    def _families(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        rule = "isn't a valid family: at most 63 lower case letters, digits and hyphens, a letter first"
        wrong = [f"{quoted(word)} {rule}" for word in dict.fromkeys(value) if not names.is_valid(word)]
        validation.refuse([*duplicates(value), *wrong])
        return value

    @field_validator("project_id")
    @classmethod
    def _project(cls, value: str) -> str:
        if value and not names.is_project(value):
            raise ValueError(f"{quoted(value)} isn't a valid project id")
        return value

    @field_validator("release_label", "critical_label", "hold_label")
    @classmethod
    def _label(cls, value: str) -> str:
        if not _LABEL.fullmatch(value):
            raise ValueError(f"{quoted(value)} isn't a valid label key: lower case letters, digits, `_` and `-`")
        return value


#: What other verbs hand on to be checked here. They verify the signatures of an index themselves.
OPTIONS = frozenset({*ListSettings.model_fields, *_WHERE}) - frozenset(SignerSettings.model_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInputs:
    """Everything that a list needs to know before its first call."""

    settings: ListSettings
    scope: Scope
    anonymous: bool
    """Whether to call the API without credentials, as gcloud can be told to."""


def load(given: Mapping[str, str], env: Mapping[str, str]) -> ListInputs:
    """Check what was given (option → text; empty means not given). Raises BadSettings with every problem."""
    values: dict[str, Any] = given_values(given, env)
    where = {name: values.pop(name) for name in _WHERE if name in values}
    problems: list[InputProblem] = take_config(where, env)
    if any(values.get(name) for name in signature_settings.POLICY):
        problems += [InputProblem(name, text) for name, text in signature_settings.problems(values, ["indexes"])]
    own = places = None
    try:
        own = ListSettings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    try:
        places = Settings.model_validate(where)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    project = values.get("project_id") or source_reference.project_from(env)
    if not project:
        problems.append(InputProblem("project_id", "is needed: the project of the sources"))
    elif not values.get("project_id") and not names.is_project(project):
        problems.append(InputProblem("project_id", "is needed: the variables of the environment name no valid one"))
    scope = None
    if own and places and not problems:
        try:
            scope = Scope.of(project, own.families, places)
        except Shared as error:
            problems.append(InputProblem("families", str(error)))
        except names.BadTemplate as error:
            problems.append(InputProblem("family_template", str(error)))
    problems = without_secrets(problems, given)
    if own is None or scope is None or problems:
        raise BadSettings(in_order(problems, [*ListSettings.model_fields, *_WHERE]))
    return ListInputs(settings=own, scope=scope, anonymous=is_anonymous(env))
