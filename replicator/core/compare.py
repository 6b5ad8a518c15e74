"""Whether an image is the replica that is wanted: lineage, and every field that counts, wanted against found."""

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
    """What differs in fields that can never be changed: a replica with one of these can't be repaired."""
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
