"""Tells of images that are marked DEPRECATED, or whose source is: their publisher held the release back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.core.images import Difference, Image
from replicator.replicas.audit import State

if TYPE_CHECKING:
    from replicator.core.errors import ReplicaError
    from replicator.replicas.audit import Finding

#: The fields that are told, and what they belong to.
_WORDS = {"deprecated": "", "source.deprecated": "Its source"}


def with_deprecation(
    finding: Finding, image: Image | ReplicaError | None, source: Image | None, *, refuse: bool
) -> Finding:
    """The finding with what is marked DEPRECATED (or worse) of the image and its source; drift, if it is to `refuse`.

    Neither is an Image where it could not be read, which says nothing.
    """
    marked = {
        "deprecated": image if isinstance(image, Image) and image.deprecated else None,
        "source.deprecated": source if isinstance(source, Image) and source.deprecated else None,
    }
    if isinstance(image, Image) and isinstance(source, Image) and image.id == source.id:
        del marked["source.deprecated"]
    found = {field: of for field, of in marked.items() if of is not None}
    if not found:
        return finding
    if not refuse:
        told = [
            f"{'Its source ' if 'source' in field else ''}{of.ref} is marked {of.deprecated}."
            for field, of in found.items()
        ]
        return replace(finding, deprecated=" ".join(told))
    known = {each.field for each in finding.differences}
    more = [Difference(field, "(empty)", of.deprecated) for field, of in found.items() if field not in known]
    wrong = finding.state in {State.CORRECT, State.NOT_PROMOTED}
    state = State.DRIFTED if wrong else finding.state
    return replace(finding, state=state, differences=(*finding.differences, *more))
