"""Lists the IAM permissions that each call needs, and a predefined role that holds each permission."""

from __future__ import annotations

import re

#: The permissions that each call needs (Compute Engine's reference of each method), for messages about a 403.
PERMISSIONS = {
    "compute.images.insert": "compute.images.create (on the replica's project), "
    "compute.images.useReadOnly (on what is copied)",
    "compute.images.get": "compute.images.get",
    "compute.images.list": "compute.images.list",
    "compute.images.getFromFamily": "compute.images.getFromFamily",
    "compute.images.getIamPolicy": "compute.images.getIamPolicy",
    "compute.images.setIamPolicy": "compute.images.setIamPolicy",
    "compute.images.setLabels": "compute.images.setLabels",
    "compute.images.patch": "compute.images.update",
    "compute.images.delete": "compute.images.delete",
    "compute.globalOperations.wait": "compute.globalOperations.get",
}


#: A predefined role that holds each permission, the narrowest of Compute Image User, Compute Viewer and Compute Storage
#: Admin ("Compute Engine IAM roles and permissions"; tests/test_faults.py lists what each holds); for messages and the
#: pages about permissions.
ROLES = {
    "compute.images.get": "roles/compute.imageUser",
    "compute.images.list": "roles/compute.imageUser",
    "compute.images.getFromFamily": "roles/compute.imageUser",
    "compute.images.useReadOnly": "roles/compute.imageUser",
    "compute.images.getIamPolicy": "roles/compute.viewer",
    "compute.globalOperations.get": "roles/compute.viewer",
    "compute.images.create": "roles/compute.storageAdmin",
    "compute.images.setIamPolicy": "roles/compute.storageAdmin",
    "compute.images.setLabels": "roles/compute.storageAdmin",
    "compute.images.update": "roles/compute.storageAdmin",
    "compute.images.delete": "roles/compute.storageAdmin",
}
_PERMISSION = re.compile(r"\bcompute\.\w+\.\w+")


def lacking(method: str, message: str) -> str:
    """Return the missing permission that the message names, else those that the call needs; each with a role."""
    needed = PERMISSIONS.get(method, method)
    named = [name for name in _PERMISSION.findall(message) if name in ROLES]
    return _PERMISSION.sub(
        lambda match: f"{match[0]} ({ROLES[match[0]]} has it)" if match[0] in ROLES else match[0],
        named[0] if named else needed,
    )
