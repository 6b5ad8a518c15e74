"""Limits what is asked for: quotas and organisation policies. Off unless a scenario names them."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from emulator.core import api_errors
from emulator.core.guard import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from emulator.compute.call import Call
    from emulator.compute.scenario import Quotas
    from emulator.compute.state import State
    from emulator.core.discovery.document import Method
    from emulator.core.scenario import OrgPolicy

SERVICE = "compute.googleapis.com"
READS = Meter(
    key="reads_per_minute",
    service=SERVICE,
    metric="Read requests",
    quota="GlobalReadsPerMinutePerProject",
)
MUTATIONS = Meter(
    key="mutations_per_minute",
    service=SERVICE,
    metric="Write requests",
    quota="GlobalWritesPerMinutePerProject",
)
WAITS = ("compute.globalOperations.wait", "compute.regionOperations.wait", "compute.zoneOperations.wait")
# Methods that are POSTs and change nothing.
READING = (*WAITS, "compute.images.testIamPermissions")


def meter(call: Call, method: Method) -> Meter | None:
    """What a request counts against; None for a long poll that is free."""
    if method.id in WAITS and call.scenario.switches.wait_quota == "free":
        return None
    return READS if method.verb == "GET" or method.id in READING else MUTATIONS


def images_exceeded(quotas: Quotas, state: State, project: str, now: float) -> str:
    """The wording for an image too many, or ""."""
    if quotas.images is None or sum(each.gone is None for each in state.images(project, now)) < quotas.images:
        return ""
    return f"Quota 'IMAGES' exceeded.  Limit: {float(quotas.images)} globally."


def copied_too_often(call: Call, source_id: str) -> bool:
    """Whether a source was copied as often as it may be."""
    limit, switches = call.scenario.quotas.copies_per_source, call.scenario.switches
    if limit is None:
        return False
    since, counted = call.now - limit.minutes * 60, switches.copies_counted
    made = (
        each
        for each in call.state.operations(None if counted == "by_source" else call.project)
        if each.inserted > since
        and (each.source_id if counted == "by_project" else each.source_id == source_id)
        and (each.failure is None or switches.failed_copies == "count")
    )
    return sum(1 for _ in made) >= limit.count


def check_location(policy: OrgPolicy, location: str, target: str) -> None:
    """Raises ApiError 412 for a location that the organisation does not allow; "" is none yet."""
    if policy.allowed_locations is not None and location and location not in policy.allowed_locations:
        text = f"Location {location} violates constraint constraints/gcp.resourceLocations on the resource {target}."
        raise api_errors.condition_not_met(text)


def check_members(call: Call, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> None:
    """Raises ApiError 400 or 412 for a member of a foreign domain."""
    domains, switches = call.scenario.org_policy.allowed_member_domains, call.scenario.switches
    if domains is None:
        return
    known = set(_members(before)) if switches.known_members == "stay" else set()
    ends = tuple(f"{mark}{name}" for name in domains for mark in "@:")
    strangers = sorted(member for _, member in set(_members(after)) - known if not member.endswith(ends))
    if not strangers:
        return
    raise _foreign(call, list(dict.fromkeys(strangers)))


def _foreign(call: Call, strangers: Sequence[str]) -> api_errors.ApiError:
    """The refusal of members whose domain the organisation forbids, in the words that were recorded for projects."""
    answer = call.scenario.switches.foreign_domain
    if answer == "managed":
        named = f'["constraints/iam.managed.allowedPolicyMembers": "{strangers[0]} is not allowed."]'
        text = f"Operation denied by org policy on resource 'projects/{call.project}': {named}."
        return api_errors.bad_request(text, "failedPrecondition")
    text = "One or more users named in the policy do not belong to a permitted customer."
    if answer == "conditionNotMet":
        return api_errors.condition_not_met(text)
    violations = [
        {
            "type": "constraints/iam.allowedPolicyMemberDomains",
            "subject": f"orgpolicy:projects/{call.project}?configvalue={member}",
            "description": f"User {member} is not in permitted organization.",
        }
        for member in strangers
    ]
    detail = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": violations}
    return api_errors.ApiError(code=400, reason="failedPrecondition", message=text, details=(detail,))


def check_custom(call: Call) -> None:
    """Raises ApiError 412 for a method that a custom organisation policy forbids."""
    for rule in call.scenario.org_policy.custom:
        if fnmatchcase(call.method, rule.method):
            named = f'["{rule.constraint}": "{rule.message}"]'
            raise api_errors.condition_not_met(f"Operation denied by custom org policies: {named}.")


def _members(bindings: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for binding in bindings:
        key = json.dumps([binding["role"], binding.get("condition")], sort_keys=True)
        for member in binding["members"]:
            yield key, member
