"""Asks how often an image may be copied, and what is said of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.smoke.api import MANAGER, request_id
from scripts.smoke.lab import failed
from scripts.smoke.probe import THOROUGH, Probe, Seen

if TYPE_CHECKING:
    from scripts.smoke.lab import Lab

_MOST_COPIES = 8
_OFTEN = "RATE_EXCEEDED"
_FEWEST = 3


def _first_answers(lab: Lab) -> Seen:
    return {"first_answers": list(lab.firsts)}


def _mixed(seen: Seen) -> str | None:
    if "PENDING" in seen["first_answers"]:
        return "mixed"
    return "running" if len(seen["first_answers"]) >= _FEWEST and set(seen["first_answers"]) == {"RUNNING"} else None


def _too_often(seen: dict[str, Any]) -> bool:
    return _OFTEN in f"{seen['failed']} {seen.get('reason', '')}"


def _copies(lab: Lab) -> Seen:
    """Copies of one image until one is refused; then one of the first of these, which nobody copied yet."""
    lab.bare()
    made, refused, ask_id = 0, {}, ""
    for number in range(1, _MOST_COPIES + 1):
        ask_id = request_id()
        last = lab.copied(f"copy-{number}", lab.path("bare"), ask_id=ask_id, storageLocations=["us"])
        if _too_often(last):
            refused = last
            break
        made += last["status"] == 200
    other: dict[str, Any] = {}
    again: dict[str, Any] = {}
    if refused:
        again = _repeat(lab, f"copy-{number}", ask_id)
        parent = lab.path("copy-1") if made else lab.second
        other = lab.copied("of-copy", parent, storageLocations=["us"])
    return {"made": made, "refused": refused, "again": again, "of_a_copy": other}


def _repeat(lab: Lab, suffix: str, ask_id: str) -> dict[str, Any]:
    """The request whose operation failed, with the same id."""
    answer = lab.insert(suffix, lab.path("bare"), ask_id=ask_id, storageLocations=["us"])
    operation = lab.finish(answer)
    began = [each.get("name") for _, each in lab.inserts if each.get("clientOperationId") == ask_id]
    return {**answer.seen(), "failed": failed(operation), "same": len(set(began)) == 1 and len(began) > 1}


def _counted(seen: Seen) -> str | None:
    if not seen["refused"] or not seen["of_a_copy"]:
        return None
    # One project can't tell the two kinds apart that go by the source.
    return "by_project" if _too_often(seen["of_a_copy"]) else None


def _new_or_same(seen: Seen) -> str | None:
    if not seen["again"] or not seen["refused"].get("failed"):
        return None
    return "same" if seen["again"]["same"] else "new" if seen["again"]["status"] == 200 else None


def _manager(lab: Lab) -> Seen:
    path = f"projects/{lab.options.project}:testIamPermissions"
    return lab.client.send("POST", path, {"permissions": ["compute.images.create"]}, service=MANAGER).seen()


def _on(seen: Seen) -> str | None:
    if seen["status"] == 200:
        return "on"
    off = any(word in f"{seen['reason']} {seen['message']}" for word in ("accessNotConfigured", "has not been used"))
    return "off" if off else None


def _kept(lab: Lab) -> Seen:
    answer = lab.send("GET", lab.first_operation)
    return {"status": answer.status, "inserted": answer.body.get("insertTime", ""), "kept": answer.ok}


PROBES = (
    Probe(id="first_answers", steps=_first_answers, settles=_mixed),
    Probe(id="resource_manager", steps=_manager, settles=_on),
    Probe(
        id="copies_counted",
        needs=(THOROUGH,),
        steps=lambda lab: lab.once("copies", _copies),
        settles=_counted,
    ),
    Probe(
        id="failed_request_id",
        needs=(THOROUGH,),
        steps=lambda lab: lab.once("copies", _copies),
        settles=_new_or_same,
    ),
    Probe(
        id="operation_retention",
        guess="An operation can be read minutes after its end.",
        assumed="yes",
        steps=_kept,
        settles=lambda seen: "yes" if seen["kept"] else "no",
    ),
)
