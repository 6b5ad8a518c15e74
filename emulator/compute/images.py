"""Shows images, alone, in lists and as heads of families, and puts those of a scenario in place.

Sources: the discovery document; requests recorded from gcloud 528. What nobody has confirmed is a switch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from emulator.compute import forms, references
from emulator.compute.lists import pages
from emulator.compute.state import Change, Image, Policy, State, fingerprint, label_fingerprint
from emulator.core import api_errors
from emulator.core.clock import timestamp
from emulator.core.service import Answer, Handler

if TYPE_CHECKING:
    from emulator.compute.call import Call
    from emulator.compute.scenario import PlacedImage

ARCHIVE_BYTES_PER_GB = 50_000_000
PUBLIC = {"role": "roles/compute.imageUser", "members": ["allAuthenticatedUsers"]}


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
        "storageLocations": list(spec.locations) or [spec.location],
        "architecture": spec.architecture,
        "family": spec.family,
        "description": spec.description,
        "licenses": list(spec.licenses),
        "licenseCodes": list(spec.license_codes),
        "shieldedInstanceInitialState": dict(spec.shielded_instance_initial_state),
        "enableConfidentialCompute": spec.confidential,
        "guestOsFeatures": [{"type": feature} for feature in spec.guest_os_features],
        "sourceImage": source and references.image_link(source, "source_image", spec.project),
        "sourceImageId": spec.source_image_id,
        "deprecated": dict(spec.deprecated),
    }
    if spec.encrypted:
        key = f"projects/{spec.project}/locations/{spec.location}/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
        fields["imageEncryptionKey"] = {"kmsKeyName": key}
    identifier = state.new_id()
    ends = math.inf if spec.status_seconds is None else now + spec.status_seconds
    bindings = (*(dict(binding) for binding in spec.policy), *([PUBLIC] if spec.public else []))
    image = Image(
        project=spec.project,
        id=identifier,
        name=spec.name,
        created=state.creation_time(now) if spec.created is None else int(spec.created * 1000),
        settles=ends if spec.status == "PENDING" else 0.0,
        becomes="FAILED" if spec.status == "FAILED" else "READY",
        gone=ends if spec.status == "DELETING" else None,
        fields={key: value for key, value in fields.items() if value},
        labels=dict(spec.labels),
        policy=Policy(bindings=bindings, etag=fingerprint(identifier)) if bindings else Policy(),
    )
    state.commit(Change(images=(image,)))
    return image


def found(call: Call, parameter: str = "image") -> Image:
    """The image that a path names. Raises ApiError 404."""
    name = call.parameters[parameter]
    by_id = name.isdecimal() and call.scenario.switches.image_by_id == "refuse"
    image = None if by_id else call.state.image(call.project, name, call.now)
    if image is None:
        raise api_errors.not_found(f"projects/{call.project}/global/images/{name}")
    return image


def get(call: Call) -> Answer:
    """images.get."""
    return Answer(body=render(found(call), call.now))


def listed(call: Call) -> Answer:
    """images.list."""
    path = f"projects/{call.project}/global/images"
    rendered = [render(image, call.now) for image in call.state.images(call.project, call.now)]
    items, rest = pages.page(call, "Image", rendered)
    body: dict[str, Any] = {"kind": "compute#imageList", "id": path, "selfLink": references.link(path)}
    return Answer(body=body | ({"items": items} if items else {}) | rest)


def from_family(call: Call) -> Answer:
    """images.getFromFamily."""
    return Answer(body=render(_head(call), call.now))


def family_view(call: Call) -> Answer:
    """imageFamilyViews.get; roll-outs by zone do not exist here."""
    head = _head(call, f"zones/{call.parameters['zone']}/imageFamilyViews")
    return Answer(body={"image": render(head, call.now)})


def _head(call: Call, place: str = "global/images/family") -> Image:
    family = call.parameters["family"]
    image = call.state.head(call.project, family, call.now)
    if image is None:
        raise api_errors.not_found(f"projects/{call.project}/{place}/{family}")
    return image


def view(call: Call) -> Answer:
    """imageViews.get: an image as a region sees it; here all regions see it at once."""
    name = call.parameters["resourceId"]
    image = call.state.image(call.project, name, call.now)
    if image is None:
        raise api_errors.not_found(f"projects/{call.project}/regions/{call.parameters['region']}/imageViews/{name}")
    return Answer(body={"image": render(image, call.now)})


def views(call: Call) -> Answer:
    """imageViews.list."""
    path = f"projects/{call.project}/regions/{call.parameters['region']}/imageViews"
    rendered = [render(image, call.now) for image in call.state.images(call.project, call.now)]
    items, rest = pages.page(call, "Image", rendered)
    body: dict[str, Any] = {"kind": "compute#imageViewList", "id": path, "selfLink": references.link(path)}
    return Answer(body=body | ({"items": [{"image": item} for item in items]} if items else {}) | rest)


HANDLERS: dict[str, Handler[Call]] = {
    "compute.images.get": get,
    "compute.images.list": listed,
    "compute.images.getFromFamily": from_family,
    "compute.imageFamilyViews.get": family_view,
    "compute.imageViews.get": view,
    "compute.imageViews.list": views,
}
