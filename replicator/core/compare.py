"""Compares an image with the wanted replica field by field; its lineage must show that it is a copy of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.core import access
from replicator.core.images import Difference, Image
from replicator.core.replicas import Lineage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.core.images import Binding, Policy
    from replicator.core.replicas import Replica


_UNKNOWN_ARCHITECTURE = {"", "ARCHITECTURE_UNSPECIFIED"}


def lineage(source_id: str, image: Image, parents: Iterable[Image]) -> Lineage:
    """Return whether an image was made from the source with this id.

    `parents` are the images that it was copied from, nearest first, as far as they still exist. The chain ends at the
    first parent whose id isn't the one that its child names.
    """
    child = image
    for parent in (None, *parents):
        if parent is not None:
            if parent.id != child.source_image_id:
                break
            child = parent
        if child.source_image_id == source_id:
            return Lineage.OURS
        if not child.source_image_id:
            return Lineage.FOREIGN
    return Lineage.UNPROVEN


def content(source: Image, replica: Replica, image: Image) -> tuple[Difference, ...]:
    """Return the differences in fields that can't be changed; a replica with such a difference can't be repaired.

    A copy may have more guest OS features and licences than the source: Compute Engine may add its own.
    """
    differences = [
        _unless(
            image.storage_locations == (replica.location,),
            "storageLocations",
            replica.location,
            image.storage_locations,
        ),
        _unless(image.disk_size_gb == source.disk_size_gb, "diskSizeGb", source.disk_size_gb, image.disk_size_gb),
        _unless(
            source.architecture in _UNKNOWN_ARCHITECTURE or image.architecture == source.architecture,
            "architecture",
            source.architecture,
            image.architecture,
        ),
        _unless(
            image.guest_os_features >= source.guest_os_features,
            "guestOsFeatures",
            sorted(source.guest_os_features),
            sorted(image.guest_os_features),
        ),
        _unless(image.encryption == replica.kms_key, "kmsKeyName", replica.kms_key, image.encryption),
        _unless(image.licenses >= source.licenses, "licenses", sorted(source.licenses), sorted(image.licenses)),
    ]
    return tuple(difference for difference in differences if difference)


def description(replica: Replica, image: Image) -> tuple[Difference, ...]:
    """Return the difference in the description, if there is one."""
    found = _unless(image.description == replica.description, "description", replica.description, image.description)
    return (found,) if found else ()


def labels(replica: Replica, image: Image) -> tuple[Difference, ...]:
    """Return the labels that are missing or have another value. Labels that others set are ignored."""
    return tuple(
        Difference(f"labels.{key}", value or "(empty)", image.labels.get(key, "") or "nothing")
        for key, value in sorted(replica.labels.items())
        if image.labels.get(key) != value
    )


def readers(wanted: Iterable[Binding], policy: Policy) -> tuple[Difference, ...]:
    """Return the difference in access, if the image's own policy lacks wanted members."""
    asked = tuple(wanted)
    lacking = access.missing(policy, asked)
    found = (binding for binding in policy.bindings if binding.role == access.READER_ROLE)
    return (Difference("access", access.describe(asked), access.describe(found)),) if lacking else ()


def family(replica: Replica, image: Image) -> tuple[Difference, ...]:
    """Return the difference in the family, if the replica wants a family that the image doesn't have."""
    if not replica.family or image.family == replica.family:
        return ()
    return (Difference("family", replica.family, image.family or "nothing"),)


def _unless(right: bool, field: str, wanted: object, found: object) -> Difference | None:
    return None if right else Difference(field, _shown(wanted), _shown(found))


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "nothing"
    return str(value) or "nothing"
