"""Reads the index that names a release, after its signature if one is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.core.errors import BadSettings, InputProblem
from replicator.index import image_index
from replicator.replicas import audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.commands.lifecycle.turn.settings import TurnInputs
    from replicator.core.images import Image
    from replicator.index.image_index import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What an index says of its release."""

    entries: tuple[Entry, ...]
    digest: str = ""
    """The digest of the index, if its signature was verified; else empty: anybody can write a file."""
    refs: Mapping[str, str] = field(default_factory=dict)
    """The id of each source, and the git ref that it was built from."""

    @property
    def locations(self) -> dict[str, frozenset[str]]:
        """The locations that it serves, by the id of the source."""
        return {entry.source.id: frozenset(entry.locations) for entry in self.entries}


def read(inputs: TurnInputs, env: Mapping[str, str]) -> Indexed | None:
    """Read the index, if one is given. Raises SignatureWrong before anything is parsed, then BadSettings."""
    wanted = inputs.settings
    if not wanted.index:
        return None
    path = Path(wanted.index)
    digest = ""
    try:
        data = image_index.read_bytes(path)
        if wanted.signatures:
            # Without a signature, nothing pays for this import.
            from replicator.index import verify_signature

            verify_signature.verify(data, wanted.signatures, verify_signature.policy(inputs.signature, env))
            digest = image_index.digest(data)
        entries = tuple(image_index.parse(data, path).images)
    except image_index.BadIndex as error:
        raise BadSettings([InputProblem("index", str(error))]) from None
    refs = {entry.source.id: entry.revision.ref if entry.revision else "" for entry in entries}
    return Indexed(entries=entries, digest=digest, refs=refs)


def differences(held: Indexed, images: Iterable[Image]) -> dict[str, str]:
    """What differs between each image that an index names and the live one, by its id; "" where nothing does.

    Who may use an image is not compared, and a deprecation is judged elsewhere.
    """
    by_id = {image.id: image for image in images}
    found: dict[str, str] = {}
    for entry in held.entries:
        for location, served in entry.locations.items():
            if live := by_id.get(served.id):
                finding = audit.of_entry(entry, location, served, live, None, compare_access=False)
                others = [item for item in finding.differences if item.field not in {"deprecated", "family"}]
                found[live.id] = f"{live.ref} is not what the index says: {others[0]}" if others else ""
    return found
