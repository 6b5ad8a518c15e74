"""Asks who may be let in, and what strangers are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.smoke.probe import PUBLIC, STRANGER, Probe, Seen
from scripts.smoke.probes.changes import clear_members, set_members

if TYPE_CHECKING:
    from scripts.smoke.lab import Lab

_POLICY = ("compute.images.getIamPolicy", "compute.images.setIamPolicy")
_EVERYBODY = "allAuthenticatedUsers"


def _all_users(lab: Lab) -> Seen:
    lab.bare()
    return set_members(lab, "bare", "allUsers")


def _everybody(lab: Lab) -> Seen:
    lab.bare()
    return set_members(lab, "bare", _EVERYBODY)


def _by_domain(seen: Seen) -> str | None:
    if seen["status"] == 400 and "constraints/iam.managed." in seen["message"]:
        return "managed"
    if seen["status"] == 400 and seen["reason"] == "failedPrecondition":
        return "failedPrecondition"
    return "conditionNotMet" if seen["status"] == 412 else None


def _stranger(lab: Lab, path: str, **query: str) -> Seen:
    if lab.stranger is None:
        return {"status": 0}
    return lab.stranger.send("GET", path, query=query).seen()


def _family(lab: Lab) -> Seen:
    """The family of an image that is open to everybody for this one question."""
    lab.pend()
    path = lab.path("pend")
    etag = lab.send("GET", f"{path}/getIamPolicy").body.get("etag", "")
    bindings = [{"role": "roles/compute.imageUser", "members": [_EVERYBODY]}]
    opened = lab.send("POST", f"{path}/setIamPolicy", {"policy": {"bindings": bindings, "etag": etag}})
    try:
        image = _stranger(lab, path)
        return {"opened": opened.status, "image": image, "family": _stranger(lab, lab.family("pend"))}
    finally:
        if opened.ok:
            clear_members(lab, "pend")


def _through(seen: Seen) -> str | None:
    if seen["opened"] != 200 or seen["image"]["status"] != 200:
        return None
    return {200: "allow", 403: "refuse"}.get(seen["family"]["status"])


PROBES = (
    Probe(
        id="first_check",
        needs=(STRANGER,),
        steps=lambda lab: _stranger(lab, lab.source, girsUnknown="x"),
        settles=lambda seen: {400: "form", 403: "permission"}.get(seen["status"]),
    ),
    Probe(
        id="forbidden_missing",
        needs=(STRANGER,),
        steps=lambda lab: _stranger(lab, lab.path("none")),
        settles=lambda seen: seen["status"] if seen["status"] in {403, 404} else None,
    ),
    Probe(id="family_by_image_policy", permissions=_POLICY, needs=(PUBLIC, STRANGER), steps=_family, settles=_through),
    Probe(
        id="allusers_refused",
        permissions=_POLICY,
        guess="`allUsers` is refused in an image's policy.",
        assumed="refused",
        needs=(PUBLIC,),
        steps=_all_users,
        settles=lambda seen: {200: "accepted", 400: "refused"}.get(seen["status"]),
    ),
    Probe(id="foreign_domain", permissions=_POLICY, needs=(PUBLIC,), steps=_everybody, settles=_by_domain),
)
