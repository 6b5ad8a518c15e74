"""Answers for repositories: make, show, list, change, delete, and their policies.

Shapes are those of the discovery document and of what gcloud 528 sent and took. Format, mode, upstream and key of a
repository can't be changed (mode: documented; the others: inferred).
"""

from __future__ import annotations

import base64
import copy
import math
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from emulator.artifact_registry import forms, operations
from emulator.artifact_registry.state import Change, Repository
from emulator.core import api_errors
from emulator.core.guard import holds
from emulator.core.service import Answer, Handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.artifact_registry.call import Call

FIXED = frozenset({"format", "mode", "kmsKeyName"})
UPSTREAMS = ("commonRepository", "dockerRepository")


def parent_of(call: Call) -> str:
    """`projects/P/locations/L`."""
    return f"projects/{call.project}/locations/{call.parameters['location']}"


def name_of(call: Call) -> str:
    """`projects/P/locations/L/repositories/R`."""
    return f"{parent_of(call)}/repositories/{call.parameters['repository']}"


def there(call: Call) -> Repository:
    """The repository that a request names. Raises ApiError 404."""
    found = call.state.find(name_of(call), call.now)
    if found is None:
        raise api_errors.not_found(name_of(call))
    return found


def create(call: Call) -> Answer:
    """repositories.create: an operation; the name is taken at once."""
    identity = call.query.get("repositoryId", "")
    if not forms.REPOSITORY.fullmatch(identity):
        raise api_errors.invalid("repositoryId", identity, "Must be a name of at most 63 letters, digits and hyphens.")
    name = f"{parent_of(call)}/repositories/{identity}"
    fields = forms.read(call.body, keep_case=call.rules.switches.ar_enum_case == "keep")
    _check(call, fields)
    if call.state.taken(name, call.now):
        raise api_errors.already_exists(name)
    operation = operations.start(call, "create", name)
    made = call.fault is None or call.fault.state == "gone" or call.fault.leaves == "ready"
    try:
        _validate_upstream(call, fields)
    except api_errors.ApiError as error:
        if call.rules.switches.ar_refusals == "at_once":
            raise
        operation, made = replace(operation, failure=operations.failure("FAILED_PRECONDITION", error.message)), False
    shown = call.now if call.rules.switches.ar_unfinished == "shown" else call.now + call.rules.repository_seconds
    begins = shown if made else math.inf
    repository = Repository(name=name, fields=fields, created=call.now, updated=call.now, begins=begins)
    change = Change(repository=repository if made else None, operation=operation)
    return Answer(body=operations.render(operation, call, polled=False), change=change)


def get(call: Call) -> Answer:
    """repositories.get."""
    return Answer(body=forms.repository(there(call)))


def listed(call: Call) -> Answer:
    """repositories.list, page by page; `filter` and `orderBy` are the client's business with gcloud."""
    for name in ("filter", "orderBy"):
        if call.query.get(name):
            raise api_errors.not_implemented(f"parameter '{name}'")
    found = [forms.repository(each) for each in call.state.below(parent_of(call), call.now)]
    size, first = call.query.get("pageSize") or 100, int(call.query.get("pageToken") or 0)
    page = found[first : first + size]
    more = {"nextPageToken": str(first + size)} if first + size < len(found) else {}
    return Answer(body={**({"repositories": page} if page else {}), **more})


def patch(call: Call) -> Answer:
    """repositories.patch: changes what the mask names, at once; a masked field that is not sent is cleared.

    Without a mask the whole repository is replaced (read in gcloud's source, which removes policies that way).
    """
    found = call.state.find(name_of(call), call.now)
    fixed = found is not None
    if found is None:
        if call.rules.switches.ar_patch_missing == "404":
            raise api_errors.not_found(name_of(call))
        found = Repository(name=name_of(call), fields={}, created=call.now, updated=call.now, begins=call.now)
    given = forms.read(call.body, keep_case=call.rules.switches.ar_enum_case == "keep")
    mask = call.query.get("updateMask", "")
    ignores = call.rules.switches.ar_fixed_fields == "ignore"
    fields = copy.deepcopy(dict(found.fields)) if mask else _replacement(found, given, ignores=ignores)
    for path in forms.paths(mask):
        whole = path[0] == "remoteRepositoryConfig" and (len(path) == 1 or path[1] in UPSTREAMS)
        if fixed and (whole or path[0] in FIXED):
            if ignores:
                continue
            raise api_errors.invalid("updateMask", ".".join(path), "The field can't be changed.")
        _set(fields, given, path)
    _check(call, fields)
    _check_secret(call, fields)
    after = replace(found, fields=fields, updated=call.now)
    return Answer(body=forms.repository(after), change=Change(repository=after))


def delete(call: Call) -> Answer:
    """repositories.delete: an operation."""
    found = there(call)
    operation = operations.start(call, "delete", found.name)
    done = call.fault is None or call.fault.state == "gone" or call.fault.leaves == "ready"
    after = replace(found, ends=call.now + call.rules.repository_seconds) if done else None
    return Answer(
        body=operations.render(operation, call, polled=False), change=Change(repository=after, operation=operation)
    )


def policy(each: Repository) -> dict[str, Any]:
    """The API's form of a policy; one that was never set has an etag only."""
    if not each.bindings:
        return {"etag": each.etag}
    conditional = any("condition" in binding for binding in each.bindings)
    return {"bindings": [dict(item) for item in each.bindings], "etag": each.etag, "version": 3 if conditional else 1}


def get_policy(call: Call) -> Answer:
    """repositories.getIamPolicy."""
    return Answer(body=policy(there(call)))


def set_policy(call: Call) -> Answer:
    """repositories.setIamPolicy: replaces the whole policy; a stale etag is 409."""
    found, wanted = there(call), call.body.get("policy") or {}
    if wanted.get("etag") and wanted["etag"] != found.etag:
        text = (
            "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."
        )
        as_412 = call.rules.switches.ar_stale_etag == "412"
        reason = "conditionNotMet" if as_412 else "aborted"
        raise api_errors.ApiError(code=412 if as_412 else 409, reason=reason, message=text)
    call.state.serial += 1
    etag = base64.b64encode(sha256(f"{found.name} {call.state.serial}".encode()).digest()[:8]).decode()
    after = replace(found, bindings=tuple(wanted.get("bindings", ())), etag=etag)
    return Answer(body=policy(after), change=Change(repository=after))


def test_permissions(call: Call) -> Answer:
    """repositories.testIamPermissions: everybody may do everything, unless a scenario names principals."""
    there(call)
    asked, who = call.body.get("permissions") or (), call.principal
    held = [each for each in asked if who is None or holds(who, each, call.project)]
    return Answer(body={"permissions": held} if held else {})


def _replacement(found: Repository, given: Mapping[str, Any], *, ignores: bool) -> dict[str, Any]:
    """What a patch without a mask makes of a repository. Raises ApiError 400 for what can't be changed."""
    before, after = found.fields, {**{key: found.fields[key] for key in FIXED if key in found.fields}, **given}
    changed = [key for key in FIXED if after.get(key) != before.get(key)]
    upstreams = [each.get("remoteRepositoryConfig", {}) for each in (before, after)]
    changed += [key for key in UPSTREAMS if upstreams[0].get(key) != upstreams[1].get(key)]
    if before and changed and ignores:
        remote = {key: upstreams[0][key] for key in UPSTREAMS if key in upstreams[0]}
        kept = {key: before[key] for key in FIXED if key in before}
        return {**after, **kept, "remoteRepositoryConfig": {**upstreams[1], **remote}}
    if before and changed:
        raise api_errors.invalid("repository", ", ".join(sorted(changed)), "The field can't be changed.")
    return after


def _set(fields: dict[str, Any], given: Mapping[str, Any], path: list[str]) -> None:
    *parents, last = path
    source: Any = given
    for part in parents:
        fields = fields.setdefault(part, {})
        source = source.get(part, {})
    if last in source:
        fields[last] = source[last]
    else:
        fields.pop(last, None)


def _check(call: Call, fields: Mapping[str, Any]) -> None:
    """Reject requests that the service refuses from everybody."""
    remote = fields.get("mode") == "REMOTE_REPOSITORY"
    if remote and not any(key in fields.get("remoteRepositoryConfig", {}) for key in UPSTREAMS):
        raise api_errors.invalid("remoteRepositoryConfig", "", "A remote repository needs an upstream.")
    if fields.get("format", "FORMAT_UNSPECIFIED") == "FORMAT_UNSPECIFIED":
        raise api_errors.invalid("format", "FORMAT_UNSPECIFIED", "A format is needed.")
    if remote and fields.get("cleanupPolicies") and call.rules.switches.ar_policies_on_remote == "refuse":
        raise api_errors.invalid("cleanupPolicies", "", "Cleanup policies are for standard repositories.")


def _validate_upstream(call: Call, fields: Mapping[str, Any]) -> None:
    config = fields.get("remoteRepositoryConfig", {})
    if call.rules.switches.ar_validates_upstream == "yes" and not config.get("disableUpstreamValidation"):
        docker = config.get("dockerRepository", {})
        uri = config.get("commonRepository", {}).get("uri") or docker.get("customRepository", {}).get("uri", "")
        host = uri.removeprefix("https://").strip("/")
        if "publicRepository" not in docker and host not in call.rules.upstreams:
            text = f"The upstream {uri} could not be reached."
            raise api_errors.ApiError(code=400, reason="failedPrecondition", message=text)
    _check_secret(call, fields)


def _check_secret(call: Call, fields: Mapping[str, Any]) -> None:
    credentials = fields.get("remoteRepositoryConfig", {}).get("upstreamCredentials", {})
    secret = credentials.get("usernamePasswordCredentials", {}).get("passwordSecretVersion")
    if secret is None or call.rules.secrets is None or call.rules.secrets.get(secret) == "readable":
        return
    text = f"The Artifact Registry service agent may not access the secret version {secret}, or it does not exist."
    raise api_errors.ApiError(code=400, reason="failedPrecondition", message=text)


HANDLERS: dict[str, Handler[Call]] = {
    "artifactregistry.repositories.create": create,
    "artifactregistry.repositories.get": get,
    "artifactregistry.repositories.list": listed,
    "artifactregistry.repositories.patch": patch,
    "artifactregistry.repositories.delete": delete,
    "artifactregistry.repositories.getIamPolicy": get_policy,
    "artifactregistry.repositories.setIamPolicy": set_policy,
    "artifactregistry.repositories.testIamPermissions": test_permissions,
}
