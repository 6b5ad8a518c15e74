"""Tells which permissions a request needs, and which of them an image's own policy gives.

Which permission a method needs is documented with each method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.compute import references
from emulator.core.guard import Need, holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.compute.call import Call
    from emulator.compute.state import Policy
    from emulator.core.scenario import Principal

PERMISSIONS = {
    "compute.images.insert": "compute.images.create",
    "compute.images.patch": "compute.images.update",
    "compute.imageFamilyViews.get": "compute.images.getFromFamily",
    "compute.imageViews.get": "compute.images.get",
    "compute.imageViews.list": "compute.images.list",
    "compute.globalOperations.wait": "compute.globalOperations.get",
    "compute.regionOperations.wait": "compute.regionOperations.get",
    "compute.zoneOperations.wait": "compute.zoneOperations.get",
    "compute.disks.insert": "compute.disks.create",
    "compute.disks.aggregatedList": "compute.disks.list",
    "compute.instanceTemplates.insert": "compute.instanceTemplates.create",
    "compute.instanceTemplates.aggregatedList": "compute.instanceTemplates.list",
    "compute.regionInstanceTemplates.insert": "compute.instanceTemplates.create",
    **{
        f"compute.regionInstanceTemplates.{name}": f"compute.instanceTemplates.{name}"
        for name in ("get", "list", "delete")
    },
    "compute.globalOperations.aggregatedList": "compute.globalOperations.list",
    # Anybody may ask what they may do.
    "compute.images.testIamPermissions": "",
}
USABLE = frozenset({"compute.images.get", "compute.images.useReadOnly", "compute.images.getFromFamily"})
USERS = frozenset({"roles/compute.imageUser", "roles/compute.admin", "roles/owner", "roles/editor"})
NAMES = ("image", "resource", "resourceId")
LISTS = (".list", ".aggregatedList")


def may(principal: Principal | None, permission: str, project: str, policy: Policy) -> bool:
    """Whether somebody has a permission, in a project or by an image's own policy."""
    return principal is None or holds(principal, permission, project) or _granted(principal, permission, policy)


def _granted(principal: Principal, permission: str, policy: Policy, usable: frozenset[str] = USABLE) -> bool:
    """Whether an image's policy gives a permission."""
    if permission not in usable:
        return False
    members = {"allAuthenticatedUsers", principal.name}
    return any(binding["role"] in USERS and members.intersection(binding["members"]) for binding in policy.bindings)


def needs(call: Call, target: str) -> Iterator[Need]:
    """The permissions that a request needs; `target` is what refusals name."""
    principal = call.principal
    if principal is None:
        return
    admitted = call.scenario.switches.forbidden_missing == 404
    permission = PERMISSIONS.get(call.method, call.method)
    if permission:
        key, family = next(filter(None, map(call.parameters.get, NAMES)), None), call.parameters.get("family")
        image = call.state.image(call.project, key, call.now) if key else None
        if family:
            image = call.state.head(call.project, family, call.now)
        if image or not (admitted and (key or family)):
            refuse = call.scenario.switches.family_by_image_policy == "refuse"
            usable = USABLE - {"compute.images.getFromFamily"} if refuse else USABLE
            granted = image is not None and _granted(principal, permission, image.policy, usable)
            resource = f"projects/{call.project}" if call.method.endswith(LISTS) else target
            yield Need(permission=permission, project=call.project, resource=resource, granted=granted)
    if call.method == "compute.images.insert":
        yield from _source_needs(call, principal, admitted=admitted)


def _source_needs(call: Call, principal: Principal, *, admitted: bool) -> Iterator[Need]:
    """What a new image needs of what it is made of."""
    disk = call.body.get("sourceDisk")
    if isinstance(disk, str) and (of := references.disk(disk, call.project)):
        path = f"projects/{of[0]}/zones/{of[1]}/disks/{of[2]}"
        yield Need(permission="compute.disks.useReadOnly", project=call.state.project(of[0]), resource=path)
    source = call.body.get("sourceImage")
    if isinstance(source, str) and (place := references.path(source, call.project)):
        image = references.resolved(call.state, source, call.project, call.now)
        if image or not admitted:
            use = "compute.images.useReadOnly"
            granted = image is not None and _granted(principal, use, image.policy)
            yield Need(
                permission=use,
                project=call.state.project(place[0]),
                resource=image.path if image else place[1],
                granted=granted,
            )
