"""Asks Artifact Registry; only if REGISTRY=1 is given, for it makes empty repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.smoke.api import REGISTRY as SERVICE
from scripts.smoke.options import LABEL
from scripts.smoke.probe import REGISTRY, Probe, Seen, accepts
from scripts.smoke.probes.changes import STALE_ETAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scripts.smoke.api import Answer
    from scripts.smoke.lab import Lab

LOCATION = "us"
_LONGEST = 120.0
_NEEDS = (REGISTRY,)
_PERMISSIONS = tuple(f"artifactregistry.repositories.{verb}" for verb in ("create", "delete", "get", "list", "update"))
_MONTH = "2592000s"


def parent(project: str) -> str:
    """Where the repositories are made."""
    return f"projects/{project}/locations/{LOCATION}/repositories"


def _body(lab: Lab, **more: Any) -> dict[str, Any]:
    return {"format": "DOCKER", "labels": {LABEL: lab.options.run}, **more}


def _policies(action: str, tag_state: str) -> dict[str, Any]:
    return {"old": {"id": "old", "action": action, "condition": {"tagState": tag_state, "olderThan": _MONTH}}}


def _remote(uri: str) -> dict[str, Any]:
    return {"mode": "REMOTE_REPOSITORY", "remoteRepositoryConfig": {"commonRepository": {"uri": uri}}}


def _path(lab: Lab, suffix: str) -> str:
    return f"{parent(lab.options.project)}/{lab.name(suffix)}"


def _made(lab: Lab, suffix: str, body: Mapping[str, Any]) -> Seen:
    answer = lab.client.send(
        "POST", parent(lab.options.project), body, {"repositoryId": lab.name(suffix)}, service=SERVICE
    )
    return {**answer.seen(), "failed": finish(lab, answer)}


def finish(lab: Lab, answer: Answer) -> str:
    """What the operation of an accepted request failed with, when it has ended; "" if it did not."""
    if not answer.ok:
        return ""
    operation, until = answer.body, lab.clock.now() + _LONGEST
    while not operation.get("done") and lab.clock.now() < until:
        lab.clock.sleep(1.0)
        operation = lab.client.send("GET", str(operation.get("name", "")), service=SERVICE).body
    return str((operation.get("error") or {}).get("message", ""))


def _show(lab: Lab, suffix: str) -> Mapping[str, Any]:
    return lab.client.send("GET", _path(lab, suffix), service=SERVICE).body


def _standard(lab: Lab) -> Seen:
    """What making a repository showed, with policies in gcloud's spelling."""
    policies = {"cleanupPolicies": _policies("Delete", "any"), "cleanupPolicyDryRun": True}
    body, query = _body(lab, mode="STANDARD_REPOSITORY", **policies), {"repositoryId": lab.name("std")}
    answer = lab.client.send("POST", parent(lab.options.project), body, query, service=SERVICE)
    early = lab.client.send("GET", _path(lab, "std"), service=SERVICE).status
    done = answer.ok and lab.client.send("GET", str(answer.body.get("name", "")), service=SERVICE).body.get("done")
    failed = finish(lab, answer)
    kept = (_show(lab, "std").get("cleanupPolicies") or {}).get("old", {})
    return {
        **answer.seen(),
        "failed": failed,
        "early": early,
        "under_way": answer.ok and not done,
        "action": kept.get("action", ""),
    }


def _case(lab: Lab) -> Seen:
    return lab.once("std", _standard)


def _unfinished(seen: Seen) -> str | None:
    return {404: "hidden", 200: "shown"}.get(seen["early"]) if seen["under_way"] else None


def _fixed(lab: Lab) -> Seen:
    lab.once("std", _standard)
    body, mask = {"mode": "VIRTUAL_REPOSITORY"}, {"updateMask": "mode"}
    answer = lab.client.send("PATCH", _path(lab, "std"), body, mask, service=SERVICE)
    return {**answer.seen(), "mode": _show(lab, "std").get("mode", "")}


def _kept(seen: Seen) -> str | None:
    if seen["status"] == 200:
        return "ignore" if seen["mode"] == "STANDARD_REPOSITORY" else None
    return "refuse" if seen["status"] == 400 else None


def _stale(lab: Lab) -> Seen:
    lab.once("std", _standard)
    body = {"policy": {"bindings": [], "etag": STALE_ETAG}}
    return lab.client.send("POST", f"{_path(lab, 'std')}:setIamPolicy", body, service=SERVICE).seen()


def _without_secret(lab: Lab) -> Seen:
    """A remote repository whose password is in a secret that isn't there."""
    version = f"projects/{lab.options.project}/secrets/{lab.name('none')}/versions/1"
    remote = _remote("https://ghcr.io")
    remote["remoteRepositoryConfig"]["upstreamCredentials"] = {
        "usernamePasswordCredentials": {"username": "nobody", "passwordSecretVersion": version}
    }
    return _made(lab, "secret", _body(lab, **remote))


def _where_refused(seen: Seen) -> str | None:
    if seen["failed"]:
        return "operation"
    return "at_once" if seen["status"] == 400 else None


def _validated(seen: Seen) -> str | None:
    if _where_refused(seen):
        return "yes"
    return "no" if seen["status"] == 200 else None


def _on_remote(lab: Lab) -> Seen:
    policies = {"cleanupPolicies": _policies("DELETE", "ANY"), "cleanupPolicyDryRun": True}
    return _made(lab, "remote", _body(lab, **_remote("https://ghcr.io"), **policies))


def _of_nowhere(lab: Lab) -> Seen:
    return _made(lab, "nowhere", _body(lab, **_remote(f"https://{lab.name('nowhere')}.invalid")))


def _patched(lab: Lab) -> Seen:
    body = _body(lab, mode="STANDARD_REPOSITORY", description="Made by a patch")
    mask = {"updateMask": "description,format,mode,labels"}
    return lab.client.send("PATCH", _path(lab, "patched"), body, mask, service=SERVICE).seen()


PROBES = (
    Probe(
        id="ar_enum_case",
        needs=_NEEDS,
        permissions=_PERMISSIONS,
        steps=_case,
        settles=lambda seen: {"DELETE": "normalise", "Delete": "keep"}.get(seen["action"]),
    ),
    Probe(id="ar_policies_on_remote", needs=_NEEDS, permissions=_PERMISSIONS, steps=_on_remote, settles=accepts),
    Probe(
        id="ar_validates_upstream",
        needs=_NEEDS,
        permissions=_PERMISSIONS,
        steps=_of_nowhere,
        settles=_validated,
    ),
    Probe(
        id="ar_patch_missing",
        needs=_NEEDS,
        permissions=_PERMISSIONS,
        steps=_patched,
        settles=lambda seen: {404: "404", 200: "create"}.get(seen["status"]),
    ),
    Probe(id="ar_unfinished", needs=_NEEDS, permissions=_PERMISSIONS, steps=_case, settles=_unfinished),
    Probe(id="ar_fixed_fields", needs=_NEEDS, permissions=_PERMISSIONS, steps=_fixed, settles=_kept),
    Probe(
        id="ar_stale_etag",
        needs=_NEEDS,
        permissions=(*_PERMISSIONS, "artifactregistry.repositories.setIamPolicy"),
        steps=_stale,
        settles=lambda seen: {409: "409", 412: "412"}.get(seen["status"]),
    ),
    Probe(id="ar_refusals", needs=_NEEDS, permissions=_PERMISSIONS, steps=_without_secret, settles=_where_refused),
)
