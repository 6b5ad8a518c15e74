"""Reads the options of `retain`, and its rules file, into one typed object; reports every problem at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationError

from replicator.bootstrap.quote import quoted
from replicator.commands.lifecycle import settings as list_settings
from replicator.commands.lifecycle.retain import plan_file
from replicator.commands.lifecycle.retain.policy import Policy, Rules
from replicator.commands.lifecycle.retain.rules_file import RulesFile
from replicator.commands.lifecycle.settings import Places
from replicator.core.errors import BadSettings, InputProblem
from replicator.inputs import files
from replicator.inputs.config_file import BadConfig, read_as
from replicator.inputs.fields import (
    Flag,
    Minutes,
    Option,
    Words,
    given_values,
    in_order,
    problem_of,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.commands.lifecycle.retain.limits import Approved
    from replicator.commands.lifecycle.settings import ListInputs

_WHICH, _WHERE, _WHEN, _MAY = "which releases", "where", "how long they are kept", "what may be done"
#: Bytes. A plan for ten thousand images has one million.
_LARGEST_PLAN = 2**24


def _number(lowest: int, what: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not re.fullmatch("[0-9]{1,5}", str(value)) or int(value) < lowest:
            raise ValueError(f"{quoted(value)} isn't a valid number of {what}; write {lowest} or more")
        return int(value)

    return read


Days = Annotated[int, BeforeValidator(_number(0, "days"))]


class RetainSettings(Places):
    """What the user asks for, one field for each input of `retain/action.yml`. Empty inputs are left out before."""

    families: Annotated[Words, Option(_WHICH, "FAMILIES")] = ()
    """The families that the builds give their images: `web, web-arm64`. Releases of nothing else are touched. Either
    this or `rules`.
    """
    rules: Annotated[str, Option(_WHICH, "FILE")] = ""
    """A YAML file that lists the families, and how long the releases of each are kept. Its JSON Schema is
    `schemas/retention-rules.schema.json`.
    """
    critical_label: Annotated[str, Option(_WHICH, "KEY")] = "critical"
    """The label that marks critical releases; any value but `false` counts."""
    hold_label: Annotated[str, Option(_WHICH, "KEY")] = "hold"
    """The label that holds a release; any value but `false` counts."""
    routine_days: Annotated[Days, Option(_WHEN, "DAYS")] = 90
    """Days from the creation of the source until a release may be retired."""
    critical_days: Annotated[Days, Option(_WHEN, "DAYS")] = 365
    """The same of a release with the critical label."""
    keep: Annotated[int, BeforeValidator(_number(1, "releases")), Option(_WHEN, "RELEASES")] = 3
    """The newest usable releases of each family that are never retired."""
    grace_days: Annotated[int, BeforeValidator(_number(1, "days")), Option(_WHEN, "DAYS")] = 7
    """Days between retiring and deleting."""
    in_use: Annotated[Literal["check", "off"], Option(_WHEN, "check|off")] = "check"
    """Whether an image that an instance template of the projects names is kept. What other projects use can't be
    seen.
    """
    locations: Annotated[Words, Option(_WHERE, "LOCATIONS")] = ("us", "eu", "asia")
    """The storage locations of the replicas, as for replicate."""
    apply: Annotated[Flag, Option(_MAY)] = False
    """Whether to retire and delete; else the plan is shown, and nothing is changed."""
    max_deletions: Annotated[int, BeforeValidator(_number(1, "images")), Option(_MAY, "IMAGES")] = 20
    """The most images that one sweep retires, and the most that it deletes."""
    retire_as: Annotated[Literal["DEPRECATED", "OBSOLETE"], Option(_MAY, "DEPRECATED|OBSOLETE")] = "DEPRECATED"
    """What a retired image is marked. Nobody can make a machine of an OBSOLETE one."""
    approved_plan: Annotated[str, Option(_MAY, "FILE")] = ""
    """A `retention-plan.json` that was approved: nothing is done that it doesn't name."""
    timeout_minutes: Annotated[Minutes, Option("how long it may take", "MINUTES")] = 30.0
    """How long it may take, including waits for quotas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainInputs:
    """Everything that a sweep needs to know before its first call."""

    settings: RetainSettings
    listed: ListInputs
    policy: Policy
    approved: Approved | None


def load(given: Mapping[str, str], env: Mapping[str, str]) -> RetainInputs:
    """Check what was given (option → text; empty means not given). Raises BadSettings with every problem."""
    values: dict[str, Any] = given_values(given, env)
    problems: list[InputProblem] = []
    rules = _take_rules(values, env, problems)
    if not values.get("families") and not any(problem.input == "rules" for problem in problems):
        problems.append(InputProblem("families", "is needed, or rules: which releases to look at"))
        values["families"] = "needed"
    own = listed = None
    try:
        listed = list_settings.load({name: values[name] for name in list_settings.OPTIONS if name in values}, env)
    except BadSettings as error:
        problems += [problem for problem in error.problems if problem not in problems]
    try:
        own = RetainSettings.model_validate(values)
    except ValidationError as error:
        found = map(problem_of, error.errors())
        told = {problem.input for problem in problems}
        problems += [problem for problem in found if problem.input not in told]
    approved = _approved(str(values.get("approved_plan", "")), env, problems)
    problems = without_secrets(problems, given)
    if own is None or listed is None or problems:
        raise BadSettings(in_order(problems, RetainSettings.model_fields))
    return RetainInputs(settings=own, listed=listed, policy=_policy(own, rules), approved=approved)


def _take_rules(values: dict[str, Any], env: Mapping[str, str], problems: list[InputProblem]) -> RulesFile | None:
    """Put what the rules file says in the place of inputs; an input that says something else is a problem."""
    given = str(values.get("rules", ""))
    if not given:
        return None
    try:
        rules = read_as(RulesFile, given, env)
    except BadConfig as error:
        problems += [InputProblem("rules", text, given if line else "", line) for line, text in error.problems]
        return None
    for name, value in rules.inputs().items():
        usual = RetainSettings.model_fields[name].default
        # The runner always passes the defaults of action.yml, so a default counts as not given.
        if name in values and str(values[name]) not in {value, str(usual)}:
            problems.append(
                InputProblem(name, "is given, and the rules file says something else: remove one of the two")
            )
        values[name] = value
    return rules


def _approved(given: str, env: Mapping[str, str], problems: list[InputProblem]) -> Approved | None:
    if not given:
        return None
    try:
        return plan_file.read(files.given(given, env, largest=_LARGEST_PLAN))
    except files.Unfit as error:
        problems.append(InputProblem("approved_plan", str(error)))
    except plan_file.BadPlan as error:
        problems.append(InputProblem("approved_plan", f"isn't a retention-plan.json of this version ({error})"))
    return None


def _policy(own: RetainSettings, file: RulesFile | None) -> Policy:
    lines = {}
    for line in own.families:
        special = file.lines.get(line) if file else None
        mine = {name: value for name, value in special or () if value is not None}
        usual = {"routine_days": own.routine_days, "critical_days": own.critical_days, "keep": own.keep}
        lines[line] = Rules(**{**usual, **mine})
    return Policy(
        lines=lines,
        grace_days=own.grace_days,
        max_deletions=own.max_deletions,
        retire_as=own.retire_as,
        release_label=own.release_label,
        critical_label=own.critical_label,
        hold_label=own.hold_label,
    )
