"""Asks which changes of an image are taken, when they show, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.smoke.lab import Lab, operation_path
from scripts.smoke.options import LABEL
from scripts.smoke.probe import Probe, Seen

if TYPE_CHECKING:
    from scripts.smoke.api import Answer

#: No policy ever had this etag; it has the form of those that were recorded.
STALE_ETAG = "BwYAAAAAAAE="
_POLICY = ("compute.images.getIamPolicy", "compute.images.setIamPolicy")
_DELETED = "deleted:user:nobody@example.com?uid=123456789012345678901"


def _head(seen: Seen) -> bool | None:
    head = seen["head"]["status"]
    if head == 200:
        return True if seen["status_after_head"] == "PENDING" else None
    return False if head == 404 and seen["status_after_head"] == "PENDING" else None


def _pending(seen: Seen) -> str | None:
    if seen["patch"]["status"] == 200:
        return "accept" if seen["status_after_patch"] == "PENDING" else None
    return "refuse" if seen["patch"].get("reason") == "resourceNotReady" else None


def _shows(lab: Lab) -> Seen:
    lab.bare()
    answer = lab.send("PATCH", lab.path("bare"), {"description": "changed"})
    shown = lab.image("bare").get("description", "")
    under_way = _under_way(lab, answer)
    lab.finish(answer)
    return {**answer.seen(), "shown": shown, "under_way": under_way}


def _under_way(lab: Lab, answer: Answer) -> bool:
    """Whether an operation has not ended yet."""
    return answer.ok and lab.send("GET", operation_path(answer.body)).body.get("status") != "DONE"


def _visible(seen: Seen) -> str | None:
    if not seen["under_way"]:
        return None
    return "at_once" if seen["shown"] == "changed" else "when_done"


def _goes(lab: Lab) -> Seen:
    lab.marked()
    answer = lab.send("DELETE", lab.path("marked"))
    found = lab.send("GET", lab.path("marked"))
    under_way = _under_way(lab, answer)
    lab.finish(answer)
    return {**answer.seen(), "found": found.status, "shown": found.body.get("status", ""), "under_way": under_way}


def _gone(seen: Seen) -> str | None:
    if not seen["under_way"]:
        return None
    return "gone" if seen["found"] == 404 else "deleting" if seen["shown"] == "DELETING" else None


def _ignored(seen: Seen) -> str | None:
    return {200: "ignore", 400: "refuse"}.get(seen["status"])


def _unknown(lab: Lab) -> Seen:
    lab.bare()
    return lab.changed("PATCH", lab.path("bare"), {"girsUnknown": "x"})


def _read_only(lab: Lab) -> Seen:
    # The value that it has: nothing else about it can be wrong.
    return lab.changed("PATCH", lab.path("bare"), {"status": lab.bare().get("status", "")})


def _unpatchable(lab: Lab) -> Seen:
    lab.bare()
    seen = lab.changed("PATCH", lab.path("bare"), {"diskSizeGb": "20"})
    return {**seen, "size": lab.image("bare").get("diskSizeGb", "")}


def _deprecated(lab: Lab) -> Seen:
    lab.pend()
    seen = lab.changed("PATCH", lab.path("pend"), {"deprecated": {"state": "OBSOLETE"}})
    return {**seen, "state": lab.image("pend").get("deprecated", {}).get("state", "")}


def _patched(seen: Seen) -> str | None:
    if seen["status"] != 200 or seen["failed"]:
        return None
    return "apply" if seen["state"] == "OBSOLETE" else "ignore"


def _no_family(lab: Lab) -> Seen:
    lab.pend()
    before = lab.image("pend").get("family", "")
    seen = lab.changed("PATCH", lab.path("pend"), {"family": ""})
    return {**seen, "before": before, "family": lab.image("pend").get("family", "")}


def _cleared(seen: Seen) -> str | None:
    if not seen["before"]:
        return None
    if seen["status"] == 200:
        return None if seen["family"] else "clear"
    return "refuse" if seen["status"] == 400 else None


def _stale(lab: Lab) -> Seen:
    lab.bare()
    return lab.send("POST", f"{lab.path('bare')}/setIamPolicy", {"policy": {"bindings": [], "etag": STALE_ETAG}}).seen()


def _dead_member(lab: Lab) -> Seen:
    lab.bare()
    return set_members(lab, "bare", _DELETED)


def set_members(lab: Lab, suffix: str, *members: str) -> Seen:
    """Give members the image user's role, and look what is answered; the policy is empty again afterwards."""
    path = lab.path(suffix)
    before = lab.send("GET", f"{path}/getIamPolicy").body.get("etag", "")
    bindings = [{"role": "roles/compute.imageUser", "members": list(members)}]
    answer = lab.send("POST", f"{path}/setIamPolicy", {"policy": {"bindings": bindings, "etag": before}})
    if answer.ok:
        clear_members(lab, suffix)
    return answer.seen()


def clear_members(lab: Lab, suffix: str) -> None:
    """Take everybody out of an image's policy."""
    path = lab.path(suffix)
    etag = lab.send("GET", f"{path}/getIamPolicy").body.get("etag", "")
    lab.send("POST", f"{path}/setIamPolicy", {"policy": {"bindings": [], "etag": etag}})


def _by_id(lab: Lab) -> Seen:
    return lab.send("GET", f"{lab.images}/{lab.image('src').get('id', '')}").seen()


def _labels(lab: Lab) -> Seen:
    return {"labels": sorted(lab.bare().get("labels", {}))}


PROBES = (
    Probe(id="pending_heads_family", steps=lambda lab: lab.pend(), settles=_head),
    Probe(id="pending_changes", steps=lambda lab: lab.pend(), settles=_pending),
    Probe(id="changes_visible", steps=_shows, settles=_visible),
    Probe(id="unknown_fields", steps=_unknown, settles=_ignored),
    Probe(id="read_only_fields", steps=_read_only, settles=_ignored),
    Probe(
        id="patched_fields",
        steps=_unpatchable,
        settles=lambda seen: None if seen["status"] == 200 and seen["size"] == "20" else _ignored(seen),
    ),
    Probe(
        id="stale_etag",
        permissions=_POLICY,
        steps=_stale,
        settles=lambda seen: seen["status"] if seen["status"] in {409, 412} else None,
    ),
    Probe(
        id="deleted_members",
        permissions=_POLICY,
        steps=_dead_member,
        settles=lambda seen: (
            "accept" if seen["status"] == 200 else "refuse" if seen.get("reason") in {"invalid", "badRequest"} else None
        ),
    ),
    Probe(
        id="image_by_id",
        steps=_by_id,
        settles=lambda seen: {200: "accept", 404: "refuse", 400: "refuse"}.get(seen["status"]),
    ),
    Probe(
        id="labels_on_insert",
        guess="Labels in an insert are on the image from the beginning.",
        assumed="yes",
        steps=_labels,
        settles=lambda seen: "yes" if LABEL in seen["labels"] else "no",
    ),
    Probe(
        id="inserted_deprecation",
        steps=lambda lab: lab.marked(),
        settles=lambda seen: "apply" if seen["deprecated"].get("state") == "DEPRECATED" else "ignore",
    ),
    Probe(
        id="repeated_request_id",
        guess="A repeated `requestId` gives the operation of the first request.",
        assumed="the same",
        steps=lambda lab: lab.marked(),
        settles=lambda seen: "the same" if seen["same_operation"] else "another",
    ),
    Probe(id="patched_deprecation", steps=_deprecated, settles=_patched),
    Probe(id="empty_family", steps=_no_family, settles=_cleared),
    Probe(id="deleted_images", steps=_goes, settles=_gone),
)
