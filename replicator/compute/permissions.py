"""Lists which IAM permission each API method needs, for remedies and pages, and a predefined role that holds it."""

from __future__ import annotations

import re
import shlex

from replicator.compute.trouble import named

#: The permission that each call needs (Compute Engine's reference of each method), for messages about a 403.
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
    "compute.images.deprecate": "compute.images.deprecate",
    "compute.instanceTemplates.aggregatedList": "compute.instanceTemplates.list",
    "compute.globalOperations.wait": "compute.globalOperations.get",
}


_READS = frozenset({"compute.images.get", "compute.images.list", "compute.images.getFromFamily"})
_READER = "roles/compute.imageUser"
#: What each of the predefined roles Compute Image User, Compute Viewer and Compute Storage Admin holds of these, the
#: narrowest first ("Compute Engine IAM roles and permissions").
_HELD = {
    _READER: _READS | {"compute.images.useReadOnly"},
    "roles/compute.viewer": _READS
    | {"compute.images.getIamPolicy", "compute.globalOperations.get", "compute.instanceTemplates.list"},
    "roles/compute.storageAdmin": _READS
    | {"compute.images.useReadOnly", "compute.images.getIamPolicy", "compute.globalOperations.get"}
    | {"compute.images.create", "compute.images.setIamPolicy", "compute.images.setLabels", "compute.images.update"}
    | {"compute.images.delete", "compute.images.deprecate"},
}
#: The narrowest role that holds each permission; for messages and the pages about permissions.
ROLES = {name: role for role, held in reversed(_HELD.items()) for name in sorted(held)}
_OF_COMPUTE = re.compile(r"\bcompute\.\w+\.\w+")
#: As answers name what is missing: `Required 'P' permission`, `Permission 'P' denied`, `permission=P` in the details.
_NAMED = re.compile(r"(?i)\b(?:required|permissions?)\W+(\w+\.\w+\.\w+)")
_ROLE = re.compile(r"\broles/[\w.]+\w")
#: As answers name the project, or the image in it, for which a permission is missing: in the message, in the details.
_RESOURCE = re.compile(r"(?:for|resource)\W+projects/([\w.:-]*\w)(?:/global/images/(?!family/)([\w-]+))?")
_NARROW = "the README's section on IAM roles has a role that holds no more than is needed"
#: These hold far more than any call needs.
_BROAD = {"roles/owner", "roles/editor"}


def remedy(method: str, said: str, *, project: str, member: str) -> str:
    """What to grant to whom: what the answer names, else the permissions that the call needs; each with a role.

    `project` was asked; `member` is this step's identity as policies write it, empty if it isn't known.
    """
    who = named.agent(said)
    roles = [role for role in _ROLE.findall(said) if role not in _BROAD]
    what = lacking(method, said)
    if roles and not _missing(said):
        what = roles[0]
    if who:
        return f"Grant {who}, an agent of Google's, {what}: it is not this step's identity that lacks it."
    command = _grant(what if what in roles else _role(method, said), said, project, member)
    return f"Grant this step's identity {what}{command and f': {command}'}; {_NARROW}."


def _grant(role: str, said: str, project: str, member: str) -> str:
    """The command that grants a role: on the image that is to be read, if the answer names it, else in the project."""
    named_place = _RESOURCE.search(said)
    where, image = named_place.groups() if named_place else (project, None)
    if not role or not where:
        return ""
    binding = f"--member={shlex.quote(member or 'MEMBER')} --role={role}"
    if image and role == _READER:
        return f"`gcloud compute images add-iam-policy-binding {image} --project={shlex.quote(where)} {binding}`"
    return f"`gcloud projects add-iam-policy-binding {shlex.quote(where)} {binding}`"


def _role(method: str, said: str) -> str:
    """The narrowest role that holds all that is missing; empty if none does."""
    needed = _OF_COMPUTE.findall(PERMISSIONS.get(method, method))
    missing = {*(_missing(said) or needed)}
    return next((role for role, held in _HELD.items() if missing and held.issuperset(missing)), "")


def lacking(method: str, said: str) -> str:
    """The permissions that are missing, as the answer names them, else those that the call needs; each with a role."""
    missing = ", ".join(dict.fromkeys(_missing(said)))
    return _OF_COMPUTE.sub(
        lambda match: f"{match[0]} ({ROLES[match[0]]} has it)" if match[0] in ROLES else match[0],
        missing or PERMISSIONS.get(method, method),
    )


def _missing(said: str) -> list[str]:
    return [name for name in (*_NAMED.findall(said), *_OF_COMPUTE.findall(said)) if not name.endswith(".com")]
