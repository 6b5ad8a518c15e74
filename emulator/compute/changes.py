"""Changes and deletes images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulator.compute import deprecation, forms, limits, operations
from emulator.compute.images import found, render
from emulator.compute.state import Change, Image, Later, Update, label_fingerprint, updated
from emulator.core import api_errors
from emulator.core.discovery.checks import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.compute.call import Call
    from emulator.core.service import Answer, Handler

PATCHABLE = frozenset({"family", "description", "deprecated"})


def patch(call: Call) -> Answer:
    """images.patch: family, description and deprecation; null or "" clears."""
    image = _changeable(call)
    shown = render(image, call.now)
    given: dict[str, Any] = {}
    for key, value in call.body.items():
        if key == "deprecated" and call.scenario.switches.patched_deprecation == "ignore":
            continue
        if key in PATCHABLE:
            given[key] = deprecation.given(call, image, value or {}) if key == "deprecated" else value
        elif value is not None and value != shown.get(key) and call.scenario.switches.patched_fields == "refuse":
            raise api_errors.invalid(f"resource.{key}", value, "The field cannot be changed.")
    if given.get("family"):
        forms.check_name("resource.family", given["family"])
    elif "family" in given and image.fields.get("family") and call.scenario.switches.empty_family == "refuse":
        raise api_errors.invalid("resource.family", given["family"] or "", "An image can't be taken out of its family.")
    return _changed(call, image, "patch", lambda now: _with_fields(now, given))


def deprecate(call: Call) -> Answer:
    """images.deprecate: `{}` clears; a replacement is kept as a canonical link."""
    image = _changeable(call)
    deprecated = deprecation.given(call, image, call.body)
    return _changed(call, image, "deprecate", lambda now: _with_fields(now, {"deprecated": deprecated}))


def _with_fields(image: Image, given: Mapping[str, Any]) -> Image:
    """The image with these fields; an empty value takes a field away."""
    fields = {key: value for key, value in {**image.fields, **given}.items() if value or key not in given}
    return replace(image, fields=fields)


def set_labels(call: Call) -> Answer:
    """images.setLabels: replaces all labels; without a map, clears them. Needs the fingerprint as read."""
    image = _changeable(call, "resource")
    labels = dict(call.body.get("labels") or {})
    given = call.body.get("labelFingerprint") or ""
    if decoded(given) != decoded(label_fingerprint(image.labels)):
        text = "Labels fingerprint either invalid or resource labels have changed"
        raise replace(api_errors.condition_not_met(text), location="If-Match", location_type="header")
    forms.check_labels("labels", labels)
    return _changed(call, image, "setLabels", lambda now: replace(now, labels=labels), seconds=0.0)


def delete(call: Call) -> Answer:
    """images.delete: the copies stay. Until it is done the image is DELETING, and its name is taken."""
    image, switches = _changeable(call), call.scenario.switches
    if switches.deleted_images == "gone" or switches.changes_visible == "when_done":
        return _changed(call, image, "delete", lambda _: None)
    operation = operations.start(call, "delete", image.path, image.id, call.timing.other)
    deleting = updated(image, lambda now: replace(now, gone=operation.ends))
    change = deleting if operations.applies(call) else Change()
    return operations.announced(operation, call, replace(change, operation=operation))


def _changeable(call: Call, parameter: str = "image") -> Image:
    limits.check_custom(call)
    image = found(call, parameter)
    status = image.status(call.now)
    if status == "DELETING" or (status == "PENDING" and call.scenario.switches.pending_changes == "refuse"):
        raise api_errors.not_ready(image.path)
    return image


def _changed(call: Call, image: Image, kind: str, update: Update, *, seconds: float | None = None) -> Answer:
    """Start an operation that changes an image, now or when it ends; labels, and what is gone, are there at once."""
    seconds = call.timing.other if seconds is None else seconds
    operation = operations.start(call, kind, image.path, image.id, seconds)
    if not operations.applies(call):
        change = Change()
    elif seconds and not operation.gone and call.scenario.switches.changes_visible == "when_done":
        change = Change(later=Later(moment=operation.ends, image=image, update=update))
    else:
        change = updated(image, update)
    return operations.announced(operation, call, replace(change, operation=operation))


HANDLERS: dict[str, Handler[Call]] = {
    "compute.images.patch": patch,
    "compute.images.setLabels": set_labels,
    "compute.images.deprecate": deprecate,
    "compute.images.delete": delete,
}
