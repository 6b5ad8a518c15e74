"""Asks which deprecations of an image are taken, and whether one can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.smoke.probe import Probe, Seen

if TYPE_CHECKING:
    from scripts.smoke.lab import Lab

_PERMISSIONS = ("compute.images.deprecate",)
_PAST, _WITHOUT_ZONE, _FUTURE = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00", "2099-01-01T00:00:00Z"
#: An image of another project; whether it exists is asked by another name first.
_ELSEWHERE = "projects/debian-cloud/global/images/{name}"


def _deprecate(lab: Lab, **body: Any) -> Seen:
    lab.bare()
    return lab.changed("POST", f"{lab.path('bare')}/deprecate", body)


def _accepts(yes: str, no: str) -> Any:
    return lambda seen: {200: yes, 400: no}.get(seen["status"]) if not seen["failed"] else None


def _replacement(lab: Lab) -> Seen:
    def named(reference: str) -> Seen:
        return _deprecate(lab, state="ACTIVE", deleted=_FUTURE, replacement=reference)

    missing, own = named(lab.path("none")), named(lab.path("src"))
    foreign = named(_ELSEWHERE.format(name=lab.name("none")))
    return {"missing": missing, "own": own, "foreign": foreign}


def _which(seen: Seen) -> str | None:
    taken = {key: each["status"] == 200 and not each["failed"] for key, each in seen.items()}
    if not taken["own"]:
        return None
    if not taken["missing"]:
        return "existing"
    return "any" if taken["foreign"] else "same_project"


def _back(lab: Lab) -> Seen:
    marked = _deprecate(lab, state="DEPRECATED")
    state = _state(lab)
    active = _deprecate(lab, state="ACTIVE")
    after_active = _state(lab)
    _deprecate(lab, state="DEPRECATED")
    empty = _deprecate(lab)
    return {
        "marked": marked,
        "state": state,
        "active": active,
        "after_active": after_active,
        "empty": empty,
        "after_empty": _state(lab),
    }


def _state(lab: Lab) -> str:
    return str(lab.image("bare").get("deprecated", {}).get("state", ""))


def _undone(seen: Seen) -> str | None:
    if seen["state"] != "DEPRECATED":
        return None
    clear = [seen[key] in {"", "ACTIVE"} for key in ("after_active", "after_empty")]
    if clear == [True, True]:
        return "clear"
    if clear == [False, True]:
        return "body_only"
    return "refuse" if clear == [False, False] else None


PROBES = (
    Probe(
        id="past_dates",
        permissions=_PERMISSIONS,
        steps=lambda lab: _deprecate(lab, state="ACTIVE", deleted=_PAST),
        settles=_accepts("accept", "refuse"),
    ),
    Probe(
        id="date_form",
        permissions=_PERMISSIONS,
        steps=lambda lab: _deprecate(lab, state="ACTIVE", deleted=_WITHOUT_ZONE),
        settles=_accepts("any", "rfc3339"),
    ),
    Probe(id="replacement", permissions=_PERMISSIONS, steps=_replacement, settles=_which),
    Probe(id="undeprecate", permissions=_PERMISSIONS, steps=_back, settles=_undone),
)
