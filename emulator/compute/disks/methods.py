"""Makes, shows, lists and deletes blank disks.

Sources: the discovery document; requests of gcloud 528. A disk of an image or of a snapshot can't be made here: it
would have to have the licences and features of its source, and nothing that replicates images makes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.compute import forms, operations, references
from emulator.compute.disks.store import Disk
from emulator.compute.lists import pages
from emulator.compute.state import Change, label_fingerprint
from emulator.core import api_errors
from emulator.core.clock import timestamp
from emulator.core.service import Answer, Handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.compute.call import Call

KEPT = ("architecture", "description", "guestOsFeatures", "licenses", "licenseCodes", "enableConfidentialCompute")
SOURCES = ("sourceDisk", "sourceImage", "sourceInstantSnapshot", "sourceMachineImage", "sourceSnapshot")
# What a disk has where nothing is said (the page on pd-standard).
DEFAULT_SIZE_GB = 500
MOST_GB = 65536
NO_RESULTS = {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope '{}' on this page."}


def render(disk: Disk) -> dict[str, Any]:
    """The API's form."""
    shown: dict[str, Any] = {
        "kind": "compute#disk",
        "id": disk.id,
        "creationTimestamp": timestamp(disk.created / 1000),
        "name": disk.name,
        "sizeGb": str(disk.size_gb),
        "zone": references.link(f"projects/{disk.project}/{disk.scope}"),
        "status": "READY",
        "selfLink": references.link(disk.path),
        "labelFingerprint": label_fingerprint(disk.labels),
        "physicalBlockSizeBytes": "4096",
        **disk.fields,
    }
    if disk.labels:
        shown["labels"] = dict(disk.labels)
    return shown


def insert(call: Call) -> Answer:
    """disks.insert, of a blank disk."""
    body, zone = call.body, call.parameters["zone"]
    forms.check_name("resource.name", body.get("name", ""))
    labels = dict(body.get("labels") or {})
    forms.check_labels("resource.labels", labels)
    if given := next((key for key in SOURCES if body.get(key) or call.query.get(key)), ""):
        raise api_errors.not_implemented(f"a disk with '{given}'")
    size = int(body.get("sizeGb") or DEFAULT_SIZE_GB)
    if not 1 <= size <= MOST_GB:
        raise api_errors.invalid("resource.sizeGb", size, f"Must be 1 to {MOST_GB}.")
    kind = _type(str(body.get("type") or ""))
    disk = Disk(
        project=call.project,
        zone=zone,
        id=call.state.new_id(),
        name=body["name"],
        created=int(call.now * 1000),
        size_gb=size,
        labels=labels,
        fields={
            "type": references.link(f"projects/{call.project}/zones/{zone}/diskTypes/{kind}"),
            **{key: body[key] for key in KEPT if body.get(key)},
        },
    )
    if call.state.disks.find(call.project, zone, disk.name):
        raise api_errors.already_exists(disk.path)
    operation = operations.start(call, "insert", disk.path, disk.id, call.timing.other, scope=disk.scope)
    made = (disk,) if operations.applies(call) else ()
    return operations.announced(operation, call, Change(operation=operation, disks=made))


def _type(reference: str) -> str:
    """The name of a type of disks, given as a name or a link; a disk without one is a standard one."""
    return reference.rpartition("/")[2] or "pd-standard"


def get(call: Call) -> Answer:
    """disks.get."""
    return Answer(body=render(_found(call)))


def delete(call: Call) -> Answer:
    """disks.delete: images that were made of it stay."""
    disk = _found(call)
    operation = operations.start(call, "delete", disk.path, disk.id, call.timing.other, scope=disk.scope)
    removed = (disk,) if operations.applies(call) else ()
    return operations.announced(operation, call, Change(operation=operation, removed_disks=removed))


def _found(call: Call) -> Disk:
    zone, name = call.parameters["zone"], call.parameters["disk"]
    disk = call.state.disks.find(call.project, zone, name)
    if disk is None:
        raise api_errors.not_found(f"projects/{call.project}/zones/{zone}/disks/{name}")
    return disk


def aggregated(call: Call) -> Answer:
    """disks.aggregatedList: the zones that have disks; one that has none on the page with a warning."""
    path = f"projects/{call.project}/aggregated/disks"
    own = list(call.state.disks.of(call.project))
    shown, rest = pages.page(call, "Disk", [render(each) for each in own])
    scopes: dict[str, Mapping[str, Any]] = {}
    for scope in sorted({each.scope for each in own}):
        there = [each for each in shown if f"/{scope}/disks/" in each["selfLink"]]
        warning = {**NO_RESULTS, "message": NO_RESULTS["message"].format(scope)}
        scopes[scope] = {"disks": there} if there else {"warning": warning}
    body = {"kind": "compute#diskAggregatedList", "id": path, "selfLink": references.link(path)}
    return Answer(body={**body, **({"items": scopes} if scopes else {}), **rest})


HANDLERS: dict[str, Handler[Call]] = {
    "compute.disks.aggregatedList": aggregated,
    "compute.disks.delete": delete,
    "compute.disks.get": get,
    "compute.disks.insert": insert,
}
