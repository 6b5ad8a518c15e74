"""Reads cleanup policies as gcloud's files hold them, and compares them with those that a repository has. Pure.

gcloud's file is a list with `name` and `action.type`; the API has a map by id with `action: DELETE`. What gcloud itself
sends keeps the file's spelling (`Delete`, `any`, `2592000.0s`), and Google's library sends enums as numbers, so
everything is compared by meaning.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.quote import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What requirements ask for in every location: delete what is older than 30 days, but keep the latest 16.
DEFAULT = """[
  {
    "name": "delete-older-than-30d",
    "action": {"type": "Delete"},
    "condition": {"tagState": "any", "olderThan": "2592000s"}
  },
  {"name": "keep-latest", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": 16}}
]"""
#: Policies that a repository may have.
_MOST = 10
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")
_DURATION = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,9})?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ACTIONS = {1: "DELETE", 2: "KEEP"}
_TAG_STATES = {1: "TAGGED", 2: "UNTAGGED", 3: "ANY"}
_DURATIONS = ("olderThan", "newerThan")
_PREFIXES = ("packageNamePrefixes", "tagPrefixes", "versionNamePrefixes")
_CONDITION = {"tagState", *_DURATIONS, *_PREFIXES}
_LATEST = {"keepCount", "packageNamePrefixes"}


class BadPolicies(ValueError):
    """A file of policies that the API would refuse, or that gcloud would not read; `problems` says everything."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def parse(text: str) -> dict[str, dict[str, Any]]:
    """Return the policies of a file in gcloud's form as the API wants them, by id. Raises BadPolicies."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise BadPolicies(["isn't valid JSON"]) from None
    if not isinstance(raw, list):
        raise BadPolicies(["must be a list, as `gcloud artifacts repositories set-cleanup-policies` takes it"])
    problems: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for number, item in enumerate(raw, 1):
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problems.append(f"policy {number} needs a `name` of lower case letters, digits and hyphens")
            continue
        if name in found:
            problems.append(f"{quoted(name)} names two policies")
        wrong = _wrong(item)
        problems += [f"{name}: {each}" for each in wrong]
        found[name] = {} if wrong else {"id": name, **meaning(item)}
    if len(raw) > _MOST:
        problems.append(f"has {len(raw)} policies; a repository may have {_MOST}")
    if problems:
        raise BadPolicies(problems)
    return {name: _as_sent(policy) for name, policy in found.items()}


def warning(policies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is odd about policies that are valid; empty if nothing is."""
    actions = {policy["action"] for policy in policies.values()}
    return (
        "The cleanup policies keep versions and delete none, so nothing is ever deleted." if actions == {"KEEP"} else ""
    )


def meaning(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a policy means, whatever its spelling (the API's, gcloud's, enums as numbers); without its id."""
    action = policy.get("action")
    action = action.get("type") if isinstance(action, dict) else action
    found: dict[str, Any] = {"action": _word(action, _ACTIONS)}
    found |= {key: value for key, value in policy.items() if key not in {"id", "name", "action"}}
    condition = policy.get("condition")
    if isinstance(condition, dict):
        found["condition"] = {key: _condition(key, value) for key, value in condition.items()}
    latest = policy.get("mostRecentVersions")
    if isinstance(latest, dict):
        found["mostRecentVersions"] = {
            key: int(value) if key == "keepCount" else sorted(value) for key, value in latest.items()
        }
    return found


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two maps of policies by id mean the same."""
    try:
        return {name: meaning(item) for name, item in one.items()} == {
            name: meaning(item) for name, item in other.items()
        }
    except (TypeError, ValueError, AttributeError):
        return False


def _condition(key: str, value: Any) -> Any:
    if key == "tagState":
        return _word(value, _TAG_STATES)
    if key in _DURATIONS:
        return _seconds(value)
    return sorted(value) if isinstance(value, list) else value


def _word(value: Any, numbers: Mapping[int, str]) -> str:
    return numbers.get(value, str(value)) if isinstance(value, int) else str(value or "").upper()


def _seconds(value: Any) -> float:
    parts = _DURATION.fullmatch(str(value))
    if not parts:
        raise ValueError(value)
    return float(parts[1]) * _SECONDS[parts[2]]


def _as_sent(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy by its meaning in the API's own spelling."""
    sent = dict(policy)
    if "condition" in sent:
        sent["condition"] = {
            key: f"{value:.9f}".rstrip("0").rstrip(".") + "s" if key in _DURATIONS else value
            for key, value in sent["condition"].items()
        }
    return sent


def _wrong(item: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with one policy of gcloud's form."""
    problems = [
        f"unknown key {quoted(key)}" for key in item.keys() - {"name", "action", "condition", "mostRecentVersions"}
    ]
    action = item.get("action")
    kind = str(action.get("type")).upper() if isinstance(action, dict) else ""
    if kind not in _ACTIONS.values():
        problems.append("`action` must be {'type': 'Delete'} or {'type': 'Keep'}")
    if ("condition" in item) == ("mostRecentVersions" in item):
        problems.append("exactly one of `condition` and `mostRecentVersions` is needed")
    if "mostRecentVersions" in item:
        problems += _wrong_latest(item["mostRecentVersions"], kind)
    if "condition" in item:
        problems += _wrong_condition(item["condition"])
    return problems


def _wrong_latest(latest: Any, kind: str) -> list[str]:
    if not isinstance(latest, dict) or latest.keys() - _LATEST:
        return [f"`mostRecentVersions` takes {', '.join(sorted(_LATEST))}"]
    problems = [] if kind != "DELETE" else ["`mostRecentVersions` goes with Keep only"]
    count = latest.get("keepCount")
    if type(count) is not int or count < 1:
        problems.append("`keepCount` must be a number from 1 on")
    return problems + _wrong_prefixes(latest)


def _wrong_condition(condition: Any) -> list[str]:
    if not isinstance(condition, dict) or condition.keys() - _CONDITION:
        return [f"`condition` takes {', '.join(sorted(_CONDITION))}"]
    problems = [
        f"`{key}` must be a time such as 30d or 2592000s"
        for key in _DURATIONS
        if key in condition and not _DURATION.fullmatch(str(condition[key]))
    ]
    if str(condition.get("tagState", "any")).upper() not in _TAG_STATES.values():
        problems.append("`tagState` is one of tagged, untagged, any")
    return problems + _wrong_prefixes(condition)


def _wrong_prefixes(given: Mapping[str, Any]) -> list[str]:
    return [
        f"`{key}` must be a list of texts"
        for key in _PREFIXES
        if key in given and not (isinstance(given[key], list) and all(isinstance(each, str) for each in given[key]))
    ]
