"""Who may do what, and how often: principals, quotas, organisation policies. Models over state and now, not faults.

Off unless a scenario names them. Which permission a method needs is documented with each method; wordings are those
that clients recorded or match against (gcloud, Terraform's provider).
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from emulator.compute import references
from emulator.core import api_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from emulator.compute.state import Image, Policy, State
    from emulator.core.scenario import OrgPolicy, Principal, Quotas, Scenario
    from emulator.core.service import Call

PERMISSIONS = {
    "compute.images.insert": "compute.images.create",
    "compute.images.patch": "compute.images.update",
    "compute.imageFamilyViews.get": "compute.images.getFromFamily",
    "compute.globalOperations.wait": "compute.globalOperations.get",
    "compute.globalOperations.aggregatedList": "compute.globalOperations.list",
    # Anybody may ask what they may do.
    "compute.images.testIamPermissions": "",
}
USABLE = frozenset({"compute.images.get", "compute.images.useReadOnly", "compute.images.getFromFamily"})
USERS = frozenset({"roles/compute.imageUser", "roles/compute.admin", "roles/owner", "roles/editor"})
LISTS = (".list", ".aggregatedList")
CLASSES = {
    "reads_per_minute": ("Read requests", "GlobalResourceReadRequestsPerMinutePerProject"),
    "mutations_per_minute": ("Write requests", "GlobalResourceWriteRequestsPerMinutePerProject"),
}
SERVICE = "compute.googleapis.com"


def authenticated(scenario: Scenario, authorization: str) -> Principal | None:
    """Who sends a request; None where a scenario names nobody. Raises ApiError 401 for a stranger."""
    if scenario.principals is None:
        return None
    kind, _, token = authorization.partition(" ")
    principal = scenario.principal(token.strip()) if kind.lower() == "bearer" else None
    if principal is None:
        headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
        raise api_errors.ApiError(code=401, reason="authError", message="Invalid Credentials", headers=headers)
    return principal


def may(principal: Principal | None, permission: str, project: str, policy: Policy | None) -> bool:
    """Whether somebody has a permission, in a project or by an image's own policy."""
    if principal is None:
        return True
    granted = (*principal.permissions, *principal.projects.get(project, ()))
    if any(fnmatchcase(permission, pattern) for pattern in granted):
        return True
    if policy is None or permission not in USABLE:
        return False
    members = {"allAuthenticatedUsers", principal.name}
    return any(binding["role"] in USERS and members.intersection(binding["members"]) for binding in policy.bindings)


def check_permissions(call: Call, target: str) -> None:
    """Raises ApiError 403 for the first permission that the caller lacks."""
    if call.principal is None:
        return
    for permission, project, resource, image in _needed(call, target):
        if not may(call.principal, permission, project, image.policy if image else None):
            raise api_errors.forbidden(permission, resource)


def _needed(call: Call, target: str) -> Iterator[tuple[str, str, str, Image | None]]:
    """Permission, project, what refusals name, and the image that is meant, if it exists."""
    admitted = call.scenario.switches.forbidden_missing == 404
    permission = PERMISSIONS.get(call.method, call.method)
    if permission:
        key, family = call.parameters.get("image") or call.parameters.get("resource"), call.parameters.get("family")
        image = call.state.image(call.project, key, call.now) if key else None
        if family:
            image = call.state.head(call.project, family, call.now)
        if image or not (admitted and (key or family)):
            yield permission, call.project, f"projects/{call.project}" if call.method.endswith(LISTS) else target, image
    source = call.body.get("sourceImage")
    if call.method != "compute.images.insert" or not isinstance(source, str):
        return
    if place := references.path(source, call.project):
        image = references.resolved(call.state, source, call.project, call.now)
        if image or not admitted:
            yield "compute.images.useReadOnly", place[0], image.path if image else place[1], image


def check_rate(quotas: Quotas, state: State, project: str, meter: str, now: float) -> None:
    """Raises ApiError 403 once a project has made all the requests of a kind that this minute allows."""
    limit = getattr(quotas, meter)
    if limit is None or state.metered(project, meter, int(now // 60)) < limit:
        return
    name, quota = CLASSES[meter]
    consumer = f"project_number:{int.from_bytes(sha256(project.encode()).digest()[:5], 'big')}"
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "service": SERVICE,
            "consumer": consumer,
            "quota_limit": quota,
            "quota_limit_value": str(limit),
            "quota_location": "global",
        },
    }
    # The wording that Terraform's provider tells a quota per minute by.
    text = (
        f"Quota exceeded for quota metric '{name}' and limit '{name} per minute' of service '{SERVICE}' "
        f"for consumer '{consumer}'."
    )
    raise api_errors.ApiError(code=403, reason="rateLimitExceeded", message=text, details=(detail,))


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
