"""Asks Artifact Registry; only if REGISTRY=1 is given, for it makes empty repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.smoke.api import REGISTRY as SERVICE
from scripts.smoke.options import LABEL
from scripts.smoke.probe import REGISTRY, Probe, Seen, accepts

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


def _case(lab: Lab) -> Seen:
    policies = {"cleanupPolicies": _policies("Delete", "any"), "cleanupPolicyDryRun": True}
    seen = _made(lab, "std", _body(lab, mode="STANDARD_REPOSITORY", **policies))
    kept = (_show(lab, "std").get("cleanupPolicies") or {}).get("old", {})
    return {**seen, "action": kept.get("action", "")}


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
        settles=lambda seen: {"accept": "no", "refuse": "yes"}.get(accepts(seen) or ""),
    ),
    Probe(
        id="ar_patch_missing",
        needs=_NEEDS,
        permissions=_PERMISSIONS,
        steps=_patched,
        settles=lambda seen: {404: "404", 200: "create"}.get(seen["status"]),
    ),
)
