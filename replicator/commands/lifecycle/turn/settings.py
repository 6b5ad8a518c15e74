"""Reads the options of `promote` and `rollback` into one typed object; reports every problem at once, by option."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ValidationError, field_validator

from replicator.bootstrap.quote import quoted
from replicator.commands.lifecycle import settings as list_settings
from replicator.commands.lifecycle.settings import Places
from replicator.core import validation
from replicator.core.errors import BadSettings, InputProblem
from replicator.index import signature_settings
from replicator.index.signature_settings import SignerSettings
from replicator.inputs import files
from replicator.inputs.fields import (
    Flag,
    Minutes,
    Option,
    Words,
    duplicates,
    given_values,
    in_order,
    problem_of,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.lifecycle.settings import ListInputs

_WHICH, _WHERE, _MAY = "which releases", "where", "what may be done"
_RELEASE = re.compile(r"[\w.-]{0,63}")
#: The settings that name files.
FILES = ("index", "bundle", "attestation", "key", "trusted_root")
#: What only one of the two verbs takes.
_ONLY = {"promote": ("release", "required_locations", "reactivate"), "rollback": ("to",)}


class TurnSettings(SignerSettings, Places):
    """What the user asks for, one field for each input of `promote/action.yml`. Empty inputs are left out before."""

    verb: Annotated[Literal["promote", "rollback"], Option(_MAY, "promote|rollback")] = "promote"
    """What to do: `promote` gives the families to a release, `rollback` puts them back to an older one."""
    families: Annotated[Words, Option(_WHICH, "FAMILIES")]
    """The families that the builds give their images: `web, web-arm64`. They are changed together."""
    release: Annotated[str, Option(_WHICH, "RELEASE")] = ""
    """The release to promote: its version, or the name of its source. Not beside `index`."""
    to: Annotated[str, Option(_WHICH, "RELEASE")] = ""
    """The release to roll back to: its version, or the name of its source. Empty, and no `index`: the one before."""
    index: Annotated[str, Option(_WHICH, "FILE")] = ""
    """The `image-index.json` of the release, which names its images by their ids."""
    locations: Annotated[Words, Option(_WHERE, "LOCATIONS")] = ()
    """The locations whose families are changed. Empty: all that the release is in."""
    required_locations: Annotated[Words, Option(_WHERE, "LOCATIONS")] = ()
    """The locations that every image of the release must be in, or nothing is promoted; `all` are the `locations`."""
    reactivate: Annotated[Flag, Option(_MAY)] = False
    """Whether a release that was rolled back or retired may be promoted: its deprecation is cleared first."""
    dry_run: Annotated[Flag, Option(_MAY)] = False
    """Whether to stop after the plan, without changing anything."""
    timeout_minutes: Annotated[Minutes, Option("how long it may take", "MINUTES")] = 15.0
    """How long it may take, including waits for quotas."""

    @field_validator("locations", "required_locations")
    @classmethod
    def _locations(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value == ("all",):
            return value
        wrong = [problem for word in dict.fromkeys(value) if (problem := validation.location_problem(word))]
        validation.refuse([*duplicates(value), *wrong])
        return value

    @field_validator("release", "to")
    @classmethod
    def _release(cls, value: str) -> str:
        if not _RELEASE.fullmatch(value):
            raise ValueError(f"{quoted(value)} isn't a valid release: the value of a label, or the name of an image")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnInputs:
    """Everything that a promotion or a rollback needs to know before its first call."""

    settings: TurnSettings
    listed: ListInputs
    """The same as `list` takes it: the lines, and where their replicas are."""
    only: frozenset[str]
    """The locations whose families are changed; empty for all."""


def load(given: Mapping[str, str], env: Mapping[str, str], *, of_action: bool) -> TurnInputs:
    """Check what was given (option → text; empty means not given). Raises BadSettings with every problem.

    An action's files must be in the workspace or in RUNNER_TEMP.
    """
    values: dict[str, Any] = given_values(given, env)
    problems: list[InputProblem] = []
    if of_action:
        placed, problems = files.placed(values, FILES, env)
        values |= placed
    problems += [InputProblem(name, text) for name, text in signature_settings.problems(values)]
    own = None
    try:
        own = TurnSettings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    problems += _together(values)
    problems = without_secrets(problems, given)
    listed = None
    try:
        listed = list_settings.load(_as_list(values, own), env)
    except BadSettings as error:
        named = {problem.input for problem in problems}
        problems += [problem for problem in error.problems if problem.input not in named]
    if own is None or listed is None or problems:
        raise BadSettings(in_order(problems, TurnSettings.model_fields))
    return TurnInputs(settings=own, listed=listed, only=frozenset(own.locations))


def _as_list(values: Mapping[str, Any], own: TurnSettings | None) -> dict[str, str]:
    """The options of `list` among the values: with a config file, it alone lists the locations."""
    listed = {name: str(values[name]) for name in list_settings.OPTIONS if values.get(name)}
    if own is None or values.get("config"):
        # What is wrong with these was said, or the file alone says where replicas are.
        listed.pop("locations", None)
    return listed


def _together(values: Mapping[str, Any]) -> list[InputProblem]:
    """What is wrong with options beside each other."""
    verb = values.get("verb", "promote")
    problems = [
        InputProblem(name, f"is for {other}, not for {verb}")
        for other, names in _ONLY.items()
        if other != verb and verb in _ONLY
        for name in names
        if str(values.get(name, "false")).lower() != "false"
    ]
    word = "to" if verb == "rollback" else "release"
    if values.get(word) and values.get("index"):
        problems.append(InputProblem(word, "can't be given beside index: one of them says which release"))
    if verb == "promote" and not values.get("release") and not values.get("index"):
        problems.append(InputProblem("release", "is needed, or index: one of them says which release"))
    if not values.get("index"):
        problems += [InputProblem(name, "needs index") for name in ("bundle", "attestation") if values.get(name)]
    if values.get("locations") == "all":
        problems.append(InputProblem("locations", "'all' isn't a location: leave it out for all"))
    return problems
