"""Compares an image with the wanted replica field by field; its lineage must show that it is a copy of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.core import access, image_fields
from replicator.core.images import Difference, Image
from replicator.core.replicas import Lineage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.core.images import Binding, Policy
    from replicator.core.replicas import Replica


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
    placed = (
        _unless(
            image.storage_locations == (replica.location,),
            "storageLocations",
            replica.location,
            image.storage_locations,
        ),
        _unless(image.encryption == replica.kms_key, "kmsKeyName", replica.kms_key, image.encryption),
    )
    return (*(difference for difference in placed if difference), *shared(source, image))


def shared(source: Image, image: Image) -> tuple[Difference, ...]:
    """What differs in fields that a copy must share with its source, by the table of fields."""
    return tuple(
        Difference(field.name, _shown(sorted(field.of(source))), _shown(sorted(field.of(image))))
        for field in image_fields.SHARED
        if field.of and not field.right(source, image)
    )


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
