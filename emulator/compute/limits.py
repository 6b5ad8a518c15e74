"""Limits what is asked for: quotas and organisation policies. Off unless a scenario names them."""

from __future__ import annotations

import json
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
    quota="GlobalResourceReadRequestsPerMinutePerProject",
)
MUTATIONS = Meter(
    key="mutations_per_minute",
    service=SERVICE,
    metric="Write requests",
    quota="GlobalResourceWriteRequestsPerMinutePerProject",
)
WAIT = "compute.globalOperations.wait"
# Methods that are POSTs and change nothing.
READING = (WAIT, "compute.images.testIamPermissions")


def meter(call: Call, method: Method) -> Meter | None:
    """What a request counts against; None for a long poll that is free."""
    if method.id == WAIT and call.scenario.switches.wait_quota == "free":
        return None
    return READS if method.verb == "GET" or method.id in READING else MUTATIONS


def images_exceeded(quotas: Quotas, state: State, project: str, now: float) -> str:
    """The wording for an image too many, or ""."""
    if quotas.images is None or sum(1 for _ in state.images(project, now)) < quotas.images:
        return ""
    return f"Quota 'IMAGES' exceeded.  Limit: {float(quotas.images)} globally."


def copied_too_often(call: Call, source_id: str) -> bool:
    """Whether a source was copied as often as it may be."""
    limit, switches = call.scenario.quotas.copies_per_source, call.scenario.switches
    if limit is None:
        return False
    since = call.now - limit.minutes * 60
    made = (
        each
        for each in call.state.operations(call.project if switches.copies_counted == "by_project" else None)
        if each.inserted > since
        and (each.source_id if switches.copies_counted == "by_project" else each.source_id == source_id)
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
    text = "One or more users named in the policy do not belong to a permitted customer"
    if switches.foreign_domain == "conditionNotMet":
        raise api_errors.condition_not_met(f"{text}.")
    named = f"{text} (constraints/iam.allowedPolicyMemberDomains): {', '.join(dict.fromkeys(strangers))}"
    raise api_errors.bad_request(named, "failedPrecondition")


def _members(bindings: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for binding in bindings:
        key = json.dumps([binding["role"], binding.get("condition")], sort_keys=True)
        for member in binding["members"]:
            yield key, member
