"""Shows, changes and tests IAM policies of images.

From the discovery document and gcloud's requests: read, change and write with an etag, version 3 for conditions. That
`allUsers` is refused for images, and `allAuthenticatedUsers` is not, is public knowledge (prowler #9718, CAPG #152).
The answers to a stale etag and to members of a foreign domain are switches.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulator.compute import limits, permissions
from emulator.compute.images import found
from emulator.compute.state import Change, Image, Policy, fingerprint
from emulator.core import api_errors
from emulator.core.discovery.checks import decoded
from emulator.core.service import Answer, Handler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emulator.compute.call import Call

_MEMBER = re.compile(
    r"allAuthenticatedUsers"
    r"|(?:user|group|serviceAccount|domain|principal|principalSet):\S+"
    r"|project(?:Owner|Editor|Viewer):\S+"
)
_DELETED = "deleted:"
_ROLE = re.compile(r"roles/[\w.]+|(?:projects|organizations)/[^/\s]+/roles/[\w.]+")


def render(policy: Policy, version: int) -> dict[str, Any]:
    """The API's form of a policy, for a client that understands a version.

    Below 3 a conditional binding is shown under a changed role and without its condition, as IAM's documentation says.
    """
    bindings: list[dict[str, Any]] = []
    for binding in policy.bindings:
        shown = dict(binding)
        condition = shown.get("condition")
        if condition is not None and version < 3:
            del shown["condition"]
            suffix = fingerprint(json.dumps(condition, sort_keys=True)).encode().hex()[:20]
            shown["role"] += f"_withcond_{suffix}"
        bindings.append(shown)
    conditional = any("condition" in binding for binding in bindings)
    body: dict[str, Any] = {"etag": policy.etag}
    if bindings or policy.etag != Policy().etag:
        body["version"] = 3 if conditional else 1
    return body | ({"bindings": bindings} if bindings else {})


def _image(call: Call) -> Image:
    return found(call, "resource")


def get_policy(call: Call) -> Answer:
    """images.getIamPolicy."""
    version = call.query.get("optionsRequestedPolicyVersion", 1)
    if version not in {0, 1, 3}:
        raise api_errors.invalid("optionsRequestedPolicyVersion", version, "Must be 0, 1 or 3.")
    return Answer(body=render(_image(call).policy, version))


def set_policy(call: Call) -> Answer:
    """images.setIamPolicy: replaces the whole policy; without an etag, whatever it was before."""
    image = _image(call)
    wanted: Mapping[str, Any] = call.body.get("policy") or call.body
    etag = wanted.get("etag") or call.body.get("etag")
    if etag and decoded(etag) != decoded(image.policy.etag):
        text = (
            "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "
            f"The request's ETag '{etag}' did not match the current policy's ETag '{image.policy.etag}'."
        )
        if call.scenario.switches.stale_etag == 409:
            raise api_errors.ApiError(code=409, reason="aborted", message=text)
        raise api_errors.condition_not_met(text)
    version = int(wanted.get("version") or 0)
    if version not in {0, 1, 3}:
        raise api_errors.invalid("policy.version", version, "Must be 0, 1 or 3.")
    living = call.scenario.switches.deleted_members == "refuse"
    bindings = _bindings(wanted.get("bindings") or (), version, living=living)
    limits.check_custom(call)
    limits.check_members(call, image.policy.bindings, bindings)
    etag = fingerprint(json.dumps([image.id, call.state.new_id()]))
    policy = Policy(bindings=bindings, etag=etag)
    return Answer(body=render(policy, 3), change=Change(images=(replace(image, policy=policy),)))


def test_permissions(call: Call) -> Answer:
    """images.testIamPermissions: everybody may do everything, unless a scenario names principals."""
    policy = _image(call).policy
    asked = call.body.get("permissions") or ()
    held = [each for each in asked if permissions.may(call.principal, each, call.project, policy)]
    return Answer(body={"permissions": held} if held else {})


def _bindings(raw: Sequence[Mapping[str, Any]], version: int, *, living: bool) -> tuple[Mapping[str, Any], ...]:
    merged: dict[str, dict[str, Any]] = {}
    for number, binding in enumerate(raw):
        where = f"policy.bindings[{number}]"
        role, members = binding.get("role") or "", binding.get("members") or ()
        if not _ROLE.fullmatch(role):
            raise api_errors.invalid(f"{where}.role", role, "Not a role.")
        for member in members:
            _check_member(f"{where}.members", member if living else member.removeprefix(_DELETED))
        condition = binding.get("condition")
        if condition and version != 3:
            raise api_errors.invalid(f"{where}.condition", "", "Conditions need policy version 3.")
        entry: dict[str, Any] = {"role": role, "members": []} | ({"condition": condition} if condition else {})
        entry = merged.setdefault(json.dumps([role, condition], sort_keys=True), entry)
        entry["members"] += [member for member in dict.fromkeys(members) if member not in entry["members"]]
    return tuple(binding for binding in merged.values() if binding["members"])


def _check_member(where: str, member: str) -> None:
    if member == "allUsers":
        raise api_errors.invalid(where, member, "allUsers cannot be granted access to this resource type.")
    if not _MEMBER.fullmatch(member):
        raise api_errors.invalid(where, member, 'Policy members must be of the form "<type>:<value>".')


HANDLERS: dict[str, Handler[Call]] = {
    "compute.images.getIamPolicy": get_policy,
    "compute.images.setIamPolicy": set_policy,
    "compute.images.testIamPermissions": test_permissions,
}
