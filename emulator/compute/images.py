"""Shows images, alone, in lists and as heads of families, and puts those of a scenario in place.

Sources: the discovery document; requests recorded from gcloud 528. What nobody has confirmed is a switch.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from emulator.compute import forms, pages, references
from emulator.compute.state import Change, Image, Policy, State, fingerprint
from emulator.core import api_errors
from emulator.core.clock import timestamp
from emulator.core.service import Answer, Handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.compute.call import Call
    from emulator.compute.scenario import PlacedImage

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


def found(call: Call, parameter: str = "image") -> Image:
    """The image that a path names. Raises ApiError 404."""
    name = call.parameters[parameter]
    image = call.state.image(call.project, name, call.now)
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
    return Answer(body={"image": render(_head(call), call.now)})


def _head(call: Call) -> Image:
    family = call.parameters["family"]
    image = call.state.head(call.project, family, call.now)
    if image is None:
        raise api_errors.not_found(f"projects/{call.project}/global/images/family/{family}")
    return image


HANDLERS: dict[str, Handler[Call]] = {
    "compute.images.get": get,
    "compute.images.list": listed,
    "compute.images.getFromFamily": from_family,
    "compute.imageFamilyViews.get": family_view,
}
