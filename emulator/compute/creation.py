"""Makes images: of disks, snapshots and files, and as copies of other images.

No text says what a copy inherits: the list is inferred from Terraform's resource, which marks what the service fills
in. What nobody has confirmed is a switch.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from emulator.compute import forms, limits, operations, references
from emulator.compute.images import ARCHIVE_BYTES_PER_GB
from emulator.compute.state import Change, Image, Operation
from emulator.core import api_errors
from emulator.core.faults.actions import OperationFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.compute.call import Call
    from emulator.compute.disks.store import Disk
    from emulator.core.service import Answer, Handler

INHERITED = (
    "licenses",
    "licenseCodes",
    "guestOsFeatures",
    "architecture",
    "shieldedInstanceInitialState",
    "enableConfidentialCompute",
    "diskSizeGb",
    "archiveSizeBytes",
)
JOINED = ("licenses", "licenseCodes", "guestOsFeatures")
SOURCES = ("rawDisk", "sourceDisk", "sourceSnapshot", "sourceImage")
UNUSABLE = ("OBSOLETE", "DELETED")

# For images of what is not there to be asked: snapshots, files, and disks where none was ever made.
DEFAULT_LOCATION = "us"
DEFAULT_SIZE_GB = 10
DEFAULT_ARCHITECTURE = "X86_64"


def insert(call: Call) -> Answer:
    """images.insert."""
    body = call.body
    forms.check_name("resource.name", body["name"])
    if family := body.get("family"):
        forms.check_name("resource.family", family)
    labels = dict(body.get("labels") or {})
    forms.check_labels("resource.labels", labels)
    switches = call.scenario.switches
    locations = forms.locations(
        body.get("storageLocations") or (),
        dual=switches.dual_regions == "accept",
        several=switches.several_locations == "accept",
    )
    kind = _source_kind(body)
    path = f"projects/{call.project}/global/images/{body['name']}"
    copied = kind == "sourceImage"
    _check_insert(call, path, locations, copied=copied)
    fields = _copied(call, _source(call)) if copied else _made(call, kind)
    fields["storageLocations"] = locations or fields["storageLocations"][:1]
    source_id = fields["sourceImageId"] if copied else ""
    places = fields["storageLocations"]
    seconds = max(map(call.timing.copy_to, places)) if copied else call.timing.other
    if call.fault is None and (exceeded := _exceeded(call, source_id, fields.get("sourceImage", ""))):
        # What was not begun does not count as a copy.
        call, seconds, source_id = replace(call, fault=exceeded), call.timing.other, ""
    fields |= forms.encryption(body.get("imageEncryptionKey"))
    for key in ("description", "family", *(("deprecated",) if switches.inserted_deprecation == "apply" else ())):
        if body.get(key):
            fields[key] = body[key]
    identifier = call.state.new_id()
    warnings = _warnings(_source(call)) if copied else ()
    operation = operations.start(call, "insert", path, identifier, seconds, source_id, warnings=warnings)
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
    return operations.announced(operation, call, Change(images=(image,), operation=operation))


def _warnings(source: Image) -> tuple[Mapping[str, Any], ...]:
    """What the operation warns of: a source that is DEPRECATED."""
    deprecated = source.fields.get("deprecated", {})
    if deprecated.get("state", "ACTIVE") == "ACTIVE":
        return ()
    data = [{"key": "resource_name", "value": source.path}]
    text = f"The resource '{source.path}' is deprecated."
    if replacement := deprecated.get("replacement", "").removeprefix(references.CANONICAL):
        data.append({"key": "replacement_resource", "value": replacement})
        text += f" A suggested replacement is '{replacement}'."
    return ({"code": "DEPRECATED_RESOURCE_USED", "message": text, "data": data},)


def _check_insert(call: Call, path: str, locations: list[str], *, copied: bool) -> None:
    """Raises ApiError 400, 403, 404, 409 or 412 for what the state of things does not allow."""

    def name() -> None:
        if call.state.image(call.project, call.body["name"], call.now):
            raise api_errors.already_exists(path)

    def source() -> None:
        _source(call) if copied else _disk(call)

    def place() -> None:
        found = references.resolved(call.state, call.body["sourceImage"], call.project, call.now) if copied else None
        inherited = found.fields["storageLocations"][0] if found else "" if copied else DEFAULT_LOCATION
        limits.check_custom(call)
        for location in locations or [inherited]:
            limits.check_location(call.scenario.org_policy, location, path)

    def quota() -> None:
        text = limits.images_exceeded(call.scenario.quotas, call.state, call.project, call.now)
        if text and call.scenario.switches.images_quota == "refuse":
            raise api_errors.ApiError(code=403, reason="quotaExceeded", message=text)

    checks = (name, source, place, quota)
    for check in checks if call.scenario.switches.insert_checks == "forward" else reversed(checks):
        check()


def _exceeded(call: Call, source_id: str, source: str) -> OperationFault | None:
    """How the operation ends where a quota does not allow it."""
    code = ""
    if text := limits.images_exceeded(call.scenario.quotas, call.state, call.project, call.now):
        code = "QUOTA_EXCEEDED"
    elif source_id and limits.copied_too_often(call, source_id):
        code = "RESOURCE_OPERATION_RATE_EXCEEDED"
        text = operations.rate_exceeded(source.removeprefix(references.CANONICAL))
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
    """Fields of an image from a disk, snapshot or file. Raises ApiError 404 for a disk that had to exist."""
    body, disk = call.body, _disk(call)
    size = _size(body) or (disk.size_gb if disk else DEFAULT_SIZE_GB)
    fields: dict[str, Any] = {
        "diskSizeGb": str(size),
        "archiveSizeBytes": str(size * ARCHIVE_BYTES_PER_GB),
        "storageLocations": [DEFAULT_LOCATION],
        **({"architecture": DEFAULT_ARCHITECTURE} if disk is None else {}),
        **({key: disk.fields[key] for key in INHERITED if key in disk.fields} if disk else {}),
    }
    fields |= {key: _plain(body[key]) for key in INHERITED if body.get(key)}
    if kind == "rawDisk":
        fields["rawDisk"] = {"source": "", "containerType": "TAR"}
    else:
        link = references.other(body[kind], kind, call.project)
        # The same disk has the same id each time.
        number = int.from_bytes(sha256(link.encode()).digest()[:7], "big")
        fields |= {kind: link, f"{kind}Id": disk.id if disk else str(10**18 + number)}
    return fields


def _disk(call: Call) -> Disk | None:
    """The disk that an image is to be made of; None where no disk was ever made, so that any exists.

    Raises ApiError 404 for one that isn't there.
    """
    place = references.disk(call.body.get("sourceDisk", ""), call.project)
    if place is None or not call.state.disks.counts(call.state.project(place[0])):
        return None
    disk = call.state.disks.find(call.state.project(place[0]), *place[1:])
    if disk is None:
        raise api_errors.not_found(f"projects/{place[0]}/zones/{place[1]}/disks/{place[2]}")
    return disk


def _source(call: Call) -> Image:
    """The image that is to be copied. Raises ApiError 400 or 404 where it can't be."""
    body, switches = call.body, call.scenario.switches
    if switches.missing_source == 400 and not references.resolved(
        call.state, body["sourceImage"], call.project, call.now
    ):
        raise api_errors.invalid(
            "resource.sourceImage", body["sourceImage"], "The referenced image resource cannot be found."
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


HANDLERS: dict[str, Handler[Call]] = {"compute.images.insert": insert}
