"""Images: how they come into being, what a copy inherits, and every method on them but the policy's.

Sources: the discovery document; requests recorded from gcloud 528; Terraform's resource, which marks what the service
fills in. No text says what a copy inherits: the list is inferred from that. What nobody has confirmed is a switch.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from emulator.compute import forms, limits, operations, pages, references
from emulator.compute.state import Change, Image, Later, Operation, Policy, State, Update, fingerprint, updated
from emulator.core import api_errors
from emulator.core.clock import timestamp
from emulator.core.discovery.document import decoded
from emulator.core.faults import OPERATION_MESSAGES, OperationFault
from emulator.core.service import Answer, Call, Handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.core.scenario import PlacedImage

INHERITED = (
    "licenses",
    "licenseCodes",
    "guestOsFeatures",
    "architecture",
    "shieldedInstanceInitialState",
    "diskSizeGb",
    "archiveSizeBytes",
)
JOINED = ("licenses", "licenseCodes", "guestOsFeatures")
SOURCES = ("rawDisk", "sourceDisk", "sourceSnapshot", "sourceImage")
UNUSABLE = ("OBSOLETE", "DELETED")
PATCHABLE = frozenset({"family", "description", "deprecated"})

# For images of disks, snapshots and files, which are not there to be asked.
DEFAULT_LOCATION = "us"
DEFAULT_SIZE_GB = 10
DEFAULT_ARCHITECTURE = "X86_64"
ARCHIVE_BYTES_PER_GB = 50_000_000
PUBLIC = {"role": "roles/compute.imageUser", "members": ["allAuthenticatedUsers"]}


def label_fingerprint(labels: Mapping[str, str]) -> str:
    """The fingerprint of a set of labels, base64."""
    return fingerprint(json.dumps(dict(labels), sort_keys=True))


def render(image: Image, now: float) -> dict[str, Any]:
    """The API's form."""
    shown: dict[str, Any] = {
        "kind": "compute#image",
        "id": image.id,
        "creationTimestamp": timestamp(image.created / 1000),
        "name": image.name,
        "selfLink": references.link(image.path),
        "sourceType": "RAW",
        "status": image.status(now),
        "labelFingerprint": label_fingerprint(image.labels),
        **image.fields,
    }
    if image.labels:
        shown["labels"] = dict(image.labels)
    return shown


def place(state: State, spec: PlacedImage, now: float) -> Image:
    """Put an image in place. Raises ValueError if the name is taken, ApiError for malformed ones."""
    forms.check_name("name", spec.name)
    forms.check_labels("labels", spec.labels)
    if state.image(spec.project, spec.name, now):
        raise ValueError(f"projects/{spec.project}/global/images/{spec.name} exists already")
    source = spec.source_image
    fields: dict[str, Any] = {
        "diskSizeGb": str(spec.disk_size_gb),
        "archiveSizeBytes": str(spec.archive_size_bytes or spec.disk_size_gb * ARCHIVE_BYTES_PER_GB),
        "storageLocations": [spec.location],
        "architecture": spec.architecture,
        "family": spec.family,
        "description": spec.description,
        "licenses": list(spec.licenses),
        "guestOsFeatures": [{"type": feature} for feature in spec.guest_os_features],
        "sourceImage": source and references.image_link(source, "source_image", spec.project),
        "sourceImageId": spec.source_image_id,
        "deprecated": dict(spec.deprecated),
    }
    if spec.encrypted:
        key = f"projects/{spec.project}/locations/{spec.location}/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
        fields["imageEncryptionKey"] = {"kmsKeyName": key}
    identifier = state.new_id()
    bindings = (*(dict(binding) for binding in spec.policy), *([PUBLIC] if spec.public else []))
    image = Image(
        project=spec.project,
        id=identifier,
        name=spec.name,
        created=state.creation_time(now) if spec.created is None else int(spec.created * 1000),
        settles=math.inf if spec.status == "PENDING" else 0.0,
        becomes="READY" if spec.status == "PENDING" else spec.status,
        fields={key: value for key, value in fields.items() if value},
        labels=dict(spec.labels),
        policy=Policy(bindings=bindings, etag=fingerprint(identifier)) if bindings else Policy(),
    )
    state.commit(Change(images=(image,)))
    return image


def _found(call: Call, parameter: str = "image") -> Image:
    name = call.parameters[parameter]
    image = call.state.image(call.project, name, call.now)
    if image is None:
        raise api_errors.not_found(f"projects/{call.project}/global/images/{name}")
    return image


def get(call: Call) -> Answer:
    """images.get."""
    return Answer(body=render(_found(call), call.now))


def listed(call: Call) -> Answer:
    """images.list."""
    path = f"projects/{call.project}/global/images"
    items, rest = pages.page(call, [render(image, call.now) for image in call.state.images(call.project, call.now)])
    body: dict[str, Any] = {"kind": "compute#imageList", "id": path, "selfLink": references.link(path)}
    return Answer(body=body | ({"items": items} if items else {}) | rest)


def from_family(call: Call) -> Answer:
    """images.getFromFamily."""
    return Answer(body=render(_head(call), call.now))


def family_view(call: Call) -> Answer:
    """imageFamilyViews.get; roll-outs by zone do not exist here."""
    return Answer(body={"image": render(_head(call), call.now)})


def _head(call: Call) -> Image:
    family = call.parameters["family"]
    image = call.state.head(call.project, family, call.now)
    if image is None:
        raise api_errors.not_found(f"projects/{call.project}/global/images/family/{family}")
    return image


def insert(call: Call) -> Answer:
    """images.insert."""
    body = call.body
    forms.check_name("resource.name", body["name"])
    if family := body.get("family"):
        forms.check_name("resource.family", family)
    labels = dict(body.get("labels") or {})
    forms.check_labels("resource.labels", labels)
    dual = call.scenario.switches.dual_regions == "accept"
    location = forms.location(body.get("storageLocations") or (), dual=dual)
    kind = _source_kind(body)
    path = f"projects/{call.project}/global/images/{body['name']}"
    copied = kind == "sourceImage"
    _check_insert(call, path, location, copied=copied)
    fields = _copied(call, _source(call)) if copied else _made(call, kind)
    fields["storageLocations"] = [location or fields["storageLocations"][0]]
    source_id = fields["sourceImageId"] if copied else ""
    seconds = call.timing.copy_to(fields["storageLocations"][0]) if copied else call.timing.other
    if call.fault is None and (exceeded := _exceeded(call, source_id)):
        # What was not begun does not count as a copy.
        call, seconds, source_id = replace(call, fault=exceeded), call.timing.other, ""
    fields |= forms.encryption(body.get("imageEncryptionKey"))
    for key in ("description", "family"):
        if body.get(key):
            fields[key] = body[key]
    identifier = call.state.new_id()
    operation = operations.start(call, "insert", path, identifier, seconds, source_id)
    image = Image(
        project=call.project,
        id=identifier,
        name=body["name"],
        created=call.state.creation_time(call.now),
        settles=_settles(call, operation, seconds),
        becomes=_becomes(call),
        fields=fields,
        labels=labels,
    )
    return _started(operation, call, Change(images=(image,), operation=operation))


def _check_insert(call: Call, path: str, location: str, *, copied: bool) -> None:
    """Raises ApiError 400, 403, 404, 409 or 412 for what the state of things does not allow."""

    def name() -> None:
        if call.state.image(call.project, call.body["name"], call.now):
            raise api_errors.already_exists(path)

    def source() -> None:
        if copied:
            _source(call)

    def place() -> None:
        found = references.resolved(call.state, call.body["sourceImage"], call.project, call.now) if copied else None
        inherited = found.fields["storageLocations"][0] if found else "" if copied else DEFAULT_LOCATION
        limits.check_location(call.scenario.org_policy, location or inherited, path)

    def quota() -> None:
        text = limits.images_exceeded(call.scenario.quotas, call.state, call.project, call.now)
        if text and call.scenario.switches.images_quota == "refuse":
            raise api_errors.ApiError(code=403, reason="quotaExceeded", message=text)

    checks = (name, source, place, quota)
    for check in checks if call.scenario.switches.insert_checks == "forward" else reversed(checks):
        check()


def _exceeded(call: Call, source_id: str) -> OperationFault | None:
    """How the operation ends where a quota does not allow it."""
    code = ""
    if text := limits.images_exceeded(call.scenario.quotas, call.state, call.project, call.now):
        code = "QUOTA_EXCEEDED"
    elif source_id and limits.copied_too_often(call, source_id):
        code = "RESOURCE_OPERATION_RATE_EXCEEDED"
        text = OPERATION_MESSAGES[code]
    if not code:
        return None
    return OperationFault(code=code, message=text, http_status=403, leaves="nothing", state="")


def _settles(call: Call, operation: Operation, seconds: float) -> float:
    return call.now + seconds if operation.gone else operation.ends


def _becomes(call: Call) -> str:
    """What a PENDING image turns into; an image whose operation is gone becomes READY in its time."""
    if call.fault is None or not call.fault.code:
        return "READY"
    return {"nothing": "", "failed": "FAILED", "ready": "READY"}[call.fault.leaves]


def _started(operation: Operation, call: Call, change: Change) -> Answer:
    return Answer(body=operations.render(operation, call.now, polls=0), change=change)


def _source_kind(body: Mapping[str, Any]) -> str:
    given = [key for key in SOURCES if body.get(key) and (key != "rawDisk" or body[key].get("source"))]
    if len(given) != 1:
        raise api_errors.bad_request("Must specify exactly one source for an image.")
    return given[0]


def _size(body: Mapping[str, Any]) -> int | None:
    """The size asked for, in GB. Raises ApiError 400 for one below 1."""
    if "diskSizeGb" not in body:
        return None
    size = int(body["diskSizeGb"])
    if size < 1:
        raise api_errors.invalid("resource.diskSizeGb", size, "Must be at least 1.")
    return size


def _made(call: Call, kind: str) -> dict[str, Any]:
    """Fields of an image from a disk, snapshot or file, each of which exists."""
    body = call.body
    size = _size(body) or DEFAULT_SIZE_GB
    fields: dict[str, Any] = {
        "diskSizeGb": str(size),
        "archiveSizeBytes": str(size * ARCHIVE_BYTES_PER_GB),
        "architecture": DEFAULT_ARCHITECTURE,
        "storageLocations": [DEFAULT_LOCATION],
    }
    fields |= {key: _plain(body[key]) for key in INHERITED if body.get(key)}
    if kind == "rawDisk":
        fields["rawDisk"] = {"source": "", "containerType": "TAR"}
    else:
        link = references.other(body[kind], kind, call.project)
        # The same disk has the same id each time.
        number = int.from_bytes(sha256(link.encode()).digest()[:7], "big")
        fields |= {kind: link, f"{kind}Id": str(10**18 + number)}
    return fields


def _source(call: Call) -> Image:
    """The image that is to be copied. Raises ApiError 400 or 404 where it can't be."""
    body, switches = call.body, call.scenario.switches
    if switches.missing_source == 400 and not references.resolved(
        call.state, body["sourceImage"], call.project, call.now
    ):
        raise api_errors.invalid(
            "resource.sourceImage", body["sourceImage"], "The referenced image resource was not found."
        )
    source = references.image(call.state, body["sourceImage"], "resource.sourceImage", call.project, call.now)
    usable = ("READY", "FAILED") if switches.failed_source == "accept" else ("READY",)
    if source.status(call.now) not in usable:
        raise api_errors.not_ready(source.path)
    state = source.fields.get("deprecated", {}).get("state", "ACTIVE")
    if state in UNUSABLE:
        why = f"The referenced image resource is {state} and cannot be used."
        raise api_errors.invalid("resource.sourceImage", body["sourceImage"], why)
    size = _size(body)
    if size is not None and size < int(source.fields["diskSizeGb"]) and switches.smaller_copy == "refuse":
        why = f"The image cannot be smaller than its source, {source.fields['diskSizeGb']} GB."
        raise api_errors.invalid("resource.diskSizeGb", size, why)
    return source


def _copied(call: Call, source: Image) -> dict[str, Any]:
    """Fields of a copy of another image."""
    body = call.body
    fields = {key: source.fields[key] for key in INHERITED if key in source.fields}
    # The stored size stays the source's, whatever the client says.
    own = {key: _plain(body[key]) for key in INHERITED if body.get(key) and key != "archiveSizeBytes"}
    fields |= own
    if call.scenario.switches.source_features == "join":
        fields |= {key: _joined(source.fields.get(key, []), own[key]) for key in JOINED if key in own}
    fields |= {"sourceImage": references.link(source.path), "sourceImageId": source.id}
    fields["storageLocations"] = list(source.fields["storageLocations"])
    return fields


def _plain(value: Any) -> Any:
    """A number from a client as the string that the API writes, in lists too."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, int) else value


def _joined(inherited: list[Any], added: list[Any]) -> list[Any]:
    return [*inherited, *(value for value in added if value not in inherited)]


def patch(call: Call) -> Answer:
    """images.patch: family, description and deprecation; null or "" clears."""
    image = _changeable(call)
    shown = render(image, call.now)
    given: dict[str, Any] = {}
    for key, value in call.body.items():
        if key in PATCHABLE:
            given[key] = _deprecation(call, value) if key == "deprecated" and value else value
        elif value is not None and value != shown.get(key) and call.scenario.switches.patched_fields == "refuse":
            raise api_errors.invalid(f"resource.{key}", value, "The field cannot be changed.")
    if given.get("family"):
        forms.check_name("resource.family", given["family"])
    return _changed(call, image, "patch", lambda now: _with_fields(now, given))


def deprecate(call: Call) -> Answer:
    """images.deprecate: `{}` clears; a replacement is kept as a canonical link."""
    image, deprecated = _changeable(call), _deprecation(call, call.body)
    return _changed(call, image, "deprecate", lambda now: _with_fields(now, {"deprecated": deprecated}))


def _with_fields(image: Image, given: Mapping[str, Any]) -> Image:
    """The image with these fields; an empty value takes a field away."""
    fields = {key: value for key, value in {**image.fields, **given}.items() if value or key not in given}
    return replace(image, fields=fields)


def _deprecation(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in body.items() if value}
    if "replacement" in kept:
        kept["replacement"] = references.image_link(kept["replacement"], "resource.replacement", call.project)
    return kept


def set_labels(call: Call) -> Answer:
    """images.setLabels: replaces all labels; without a map, clears them. Needs the fingerprint as read."""
    image = _changeable(call, "resource")
    labels = dict(call.body.get("labels") or {})
    given = call.body.get("labelFingerprint") or ""
    if decoded(given) != decoded(label_fingerprint(image.labels)):
        raise api_errors.condition_not_met("Labels fingerprint either invalid or resource labels have changed")
    forms.check_labels("labels", labels)
    return _changed(call, image, "setLabels", lambda now: replace(now, labels=labels), seconds=0.0)


def delete(call: Call) -> Answer:
    """images.delete: the copies stay."""
    return _changed(call, _changeable(call), "delete", lambda _: None)


def _changeable(call: Call, parameter: str = "image") -> Image:
    image = _found(call, parameter)
    if call.scenario.switches.pending_changes == "refuse" and image.status(call.now) == "PENDING":
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
    return _started(operation, call, replace(change, operation=operation))


HANDLERS: dict[str, Handler] = {
    "compute.images.insert": insert,
    "compute.images.get": get,
    "compute.images.list": listed,
    "compute.images.patch": patch,
    "compute.images.setLabels": set_labels,
    "compute.images.deprecate": deprecate,
    "compute.images.delete": delete,
    "compute.images.getFromFamily": from_family,
    "compute.imageFamilyViews.get": family_view,
}
