"""Writes and reads `retention-plan.json`: what a sweep would do, so that a person can approve exactly that. Pure.

Canonical JSON without times, so that the same plan has the same bytes; what counts is the ids of the images.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replicator.commands.lifecycle.retain.limits import Approved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.commands.lifecycle.retain.decision import Decided, Plan
    from replicator.commands.lifecycle.retain.policy import Policy


class BadPlan(ValueError):
    """A text that isn't a plan of this version."""


class _Named(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    project: str
    name: str
    id: str


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = Field(alias="schema", ge=1, le=1)
    lines: list[str]
    rules: dict[str, Any]
    retire: list[_Named]
    purge: list[_Named]
    keep: dict[str, int]


def write(plan: Plan, policy: Policy) -> bytes:
    """Return the file."""
    rules = {
        "grace_days": policy.grace_days,
        "max_deletions": policy.max_deletions,
        "retire_as": policy.retire_as,
        "lines": {
            line: {"routine_days": rule.routine_days, "critical_days": rule.critical_days, "keep": rule.keep}
            for line, rule in policy.lines.items()
        },
    }
    whole = {
        "schema": 1,
        "lines": sorted(policy.lines),
        "rules": rules,
        "retire": _named(plan.retire),
        "purge": _named(plan.purge),
        "keep": dict(Counter(str(decided.reason) for decided in plan.sets if decided.reason)),
    }
    return (json.dumps(whole, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def _named(sets: Iterable[Decided]) -> list[dict[str, str]]:
    images = sorted((image.ref, image.id) for decided in sets for image in decided.due)
    return [{"project": ref.project, "name": ref.name, "id": identity} for ref, identity in images]


def read(text: str) -> Approved:
    """Return the images that a plan names. Raises BadPlan; the message quotes nothing of the text."""
    try:
        file = _File.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))[:60]
        raise BadPlan(f"{where + ': ' if where.isascii() and where else ''}{first['type']}") from None
    return Approved(
        retire=frozenset((image.project, image.id) for image in file.retire),
        purge=frozenset((image.project, image.id) for image in file.purge),
    )
