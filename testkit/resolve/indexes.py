"""Makes image indexes, as the product writes them, for tests of those who read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replicator.core.replicas import Outcome, ReplicaResult
from replicator.index import image_index
from testkit.make import copy, image, replica

if TYPE_CHECKING:
    from collections.abc import Iterable


def entry(there: Iterable[str], architecture: str = "X86_64", variant: str = "") -> dict[str, Any]:
    """The entry of one image with a replica in each of the locations, named `web-1-LOCATION`."""
    rows = [
        ReplicaResult(
            replica=replica(name), outcome=Outcome.CREATED, image=copy(name, id=str(number), architecture=architecture)
        )
        for number, name in enumerate(there, start=2)
    ]
    (made,) = image_index.build(image(architecture=architecture), [], rows, None, variant)["images"]
    return dict(made)


def text(*entries: dict[str, Any]) -> str:
    """The text of the index that holds these entries."""
    return image_index.to_bytes({"schema": image_index.SCHEMA_VERSION, "images": list(entries)}).decode()
