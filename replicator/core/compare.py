"""Whether an image is the replica that is wanted: lineage, and every field that counts, wanted against found."""

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
    """Whether an image was made from the source with that id.

    `parents` are the images that it was copied from, nearest first, as far as they still exist: each must be the
    very image (by id) that its child names, or the chain ends there.
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
    """What differs in fields that can never be changed: a replica with one of these can't be repaired.

    Features and licences that a copy has beside the source's are allowed: Compute Engine may add its own.
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
    """Whether the description must be set."""
    found = _unless(image.description == replica.description, "description", replica.description, image.description)
    return (found,) if found else ()


def labels(replica: Replica, image: Image) -> tuple[Difference, ...]:
    """The labels that are missing or have another value; labels that others put there are left alone."""
    return tuple(
        Difference(f"labels.{key}", value or "(empty)", image.labels.get(key, "") or "nothing")
        for key, value in sorted(replica.labels.items())
        if image.labels.get(key) != value
    )


def readers(wanted: Iterable[Binding], policy: Policy) -> tuple[Difference, ...]:
    """Whether members must be added to the image's own policy."""
    asked = tuple(wanted)
    lacking = access.missing(policy, asked)
    found = (binding for binding in policy.bindings if binding.role == access.READER_ROLE)
    return (Difference("access", access.describe(asked), access.describe(found)),) if lacking else ()


def family(replica: Replica, image: Image) -> tuple[Difference, ...]:
    """Whether the image must still be given its family."""
    if not replica.family or image.family == replica.family:
        return ()
    return (Difference("family", replica.family, image.family or "nothing"),)


def _unless(right: bool, field: str, wanted: object, found: object) -> Difference | None:
    return None if right else Difference(field, _shown(wanted), _shown(found))


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "nothing"
    return str(value) or "nothing"
