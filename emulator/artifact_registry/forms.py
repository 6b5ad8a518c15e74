"""Reads what clients send (enumerations in any spelling, durations, names, field masks), and shows repositories.

gcloud 528 sends cleanup policies as its file spells them (`Delete`, `any`, `2592000.0s`, recorded); Google's client
libraries send enumerations as numbers, in the order of the document.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator.core import api_errors
from emulator.core.clock import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emulator.artifact_registry.state import Repository

FORMATS = (
    "FORMAT_UNSPECIFIED", "DOCKER", "MAVEN", "NPM", "", "APT", "YUM", "GOOGET", "PYTHON", "KFP", "GO",
    "GENERIC", "RUBY", "CONDA",
)  # fmt: skip
MODES = ("MODE_UNSPECIFIED", "STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY")
ACTIONS = ("ACTION_UNSPECIFIED", "DELETE", "KEEP")
TAG_STATES = ("TAG_STATE_UNSPECIFIED", "TAGGED", "UNTAGGED", "ANY")
PUBLIC = ("PUBLIC_REPOSITORY_UNSPECIFIED", "DOCKER_HUB")
#: Fields that only the service sets; gcloud sends them back.
OUTPUT = frozenset({"name", "createTime", "updateTime", "registryUri", "sizeBytes", "satisfiesPzi", "satisfiesPzs"})
POLICIES_AT_MOST = 10
LABELS_AT_MOST = 64

REPOSITORY = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
DURATION = re.compile(r"[0-9]+(\.[0-9]{1,9})?s")


def word(name: str, value: Any, words: Sequence[str]) -> str:
    """An enumeration's word for a word in any case, or its number. Raises ApiError 400."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(words) and words[value]:
        return words[value]
    if isinstance(value, str) and value.upper() in words and value:
        return value.upper()
    raise api_errors.invalid(name, value, f"Must be one of {sorted(filter(None, words))}.")


def read(body: Mapping[str, Any], *, keep_case: bool) -> dict[str, Any]:
    """A repository's fields, with enumerations as words. Raises ApiError 400."""
    fields = {key: value for key, value in body.items() if key not in OUTPUT}
    for key, words in (("format", FORMATS), ("mode", MODES)):
        if key in fields:
            fields[key] = word(key, fields[key], words)
    docker = fields.get("remoteRepositoryConfig", {}).get("dockerRepository", {})
    if "publicRepository" in docker:
        docker["publicRepository"] = word("publicRepository", docker["publicRepository"], PUBLIC)
    if len(fields.get("labels", {})) > LABELS_AT_MOST:
        raise api_errors.invalid("labels", len(fields["labels"]), f"At most {LABELS_AT_MOST} labels.")
    if "cleanupPolicies" in fields:
        policies = fields["cleanupPolicies"]
        if len(policies) > POLICIES_AT_MOST:
            raise api_errors.invalid("cleanupPolicies", len(policies), f"At most {POLICIES_AT_MOST} policies.")
        fields["cleanupPolicies"] = {name: _policy(name, item, keep_case=keep_case) for name, item in policies.items()}
    return fields


def _policy(name: str, policy: Mapping[str, Any], *, keep_case: bool) -> dict[str, Any]:
    """A cleanup policy; `condition` and `mostRecentVersions` exclude each other."""
    if ("condition" in policy) == ("mostRecentVersions" in policy):
        why = "Exactly one of condition and mostRecentVersions is needed."
        raise api_errors.invalid(f"cleanupPolicies.{name}", "", why)
    action = word("action", policy.get("action"), ACTIONS)
    if "mostRecentVersions" in policy and action != "KEEP":
        raise api_errors.invalid(f"cleanupPolicies.{name}.action", action, "mostRecentVersions needs KEEP.")
    given_id = policy.get("id", name)
    if given_id != name:
        raise api_errors.invalid(f"cleanupPolicies.{name}.id", given_id, "Must be the key of the map.")
    condition = dict(policy.get("condition", {}))
    for key in ("olderThan", "newerThan"):
        if key in condition and not DURATION.fullmatch(condition[key]):
            raise api_errors.invalid(key, condition[key], "Must be a duration.")
    if "tagState" in condition:
        state = word("tagState", condition["tagState"], TAG_STATES)
        kept = keep_case and isinstance(condition["tagState"], str)
        condition["tagState"] = condition["tagState"] if kept else state
    for key in ("olderThan", "newerThan"):
        if key in condition and not keep_case:
            condition[key] = re.sub(r"\.0+s$", "s", condition[key])
    shown = policy["action"] if keep_case and isinstance(policy["action"], str) else action
    return {**policy, "id": name, "action": shown, **({"condition": condition} if condition else {})}


def repository(each: Repository) -> dict[str, Any]:
    """The API's form."""
    _, project, _, location, _, name = each.name.split("/")
    host = f"{location}-docker.pkg.dev"
    return {
        **each.fields,
        "name": each.name,
        "createTime": timestamp(each.created),
        "updateTime": timestamp(each.updated),
        "registryUri": f"{host}/{project.replace(':', '/')}/{name}",
        "sizeBytes": "0",
    }


def paths(mask: str) -> list[list[str]]:
    """The paths of a field mask, in the API's camel case."""
    return [[_camel(part) for part in path.split(".")] for path in mask.split(",") if path]


def _camel(part: str) -> str:
    first, *rest = part.split("_")
    return first + "".join(each.capitalize() for each in rest)
