"""Merges the indexes of several builds (fragments) into one release, or lists what is missing or mixed. Pure.

The builds of one release run in parallel, each on a runner of its architecture, and each writes an index: a fragment.
A release is useful only as a whole, so a merge is all or nothing, and all fragments must be of one commit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from replicator.core import access, compare
from replicator.core.replicas import Access, Action, Lineage, Plan, Replica, Step
from replicator.index import image_index
from replicator.index.image_index import BadIndex, Index
from replicator.replicas.plan import leads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from replicator.core.images import Image
    from replicator.core.replicas import Existing
    from replicator.index.image_index import Entry, IndexedSource, Served
    from replicator.replicas.audit import Seen


#: The word in `required_locations` that means every location that is wanted.
ALL = "all"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Architecture and variant, which together identify an image of a release."""

    architecture: str
    variant: str = ""

    @classmethod
    def of(cls, entry: Entry) -> Key:
        """Return the key of an entry."""
        return cls(entry.architecture, entry.variant)

    def __str__(self) -> str:
        return f"{self.architecture}/{self.variant}" if self.variant else self.architecture


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """An entry of a fragment, with its key and the fragment's file name."""

    key: Key
    fragment: str
    entry: Entry

    def __str__(self) -> str:
        return f"{self.key} ('{self.fragment}')"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A location left out of the index for a variant, because some images of that variant are not there."""

    location: str
    lacking: tuple[Key, ...]

    def __str__(self) -> str:
        return (
            f"{self.location} is left out of the index, because no image of {_and(map(str, self.lacking))} is there: "
            "repeat that build's replication, then merge again"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The release that the fragments make together."""

    parts: tuple[Part, ...]
    """Ordered by key, each with only those locations that all images of its variant are in."""
    left_out: tuple[LeftOut, ...]

    def required(self, wanted: Collection[str]) -> frozenset[str]:
        """Return the locations that `wanted` requires, with `all` resolved."""
        served = {location for part in self.parts for location in part.entry.locations}
        return frozenset(served if ALL in wanted else wanted)

    def document(self) -> dict[str, Any]:
        """Return the merged index."""
        return {"schema": image_index.SCHEMA_VERSION, "images": [part.entry.model_dump() for part in self.parts]}


class NotOne(ValueError):
    """The fragments make no release; `problems` says what is wrong in each and what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def merge(read: Mapping[str, Index | BadIndex], expected: Collection[Key], required: Collection[str]) -> Merged:
    """Merge fragments (file name → index) into a release. Raises NotOne with every problem.

    Every image must be in each `required` location. Other locations that an image lacks are dropped for its variant.
    """
    parts = sorted(
        (
            Part(Key.of(entry), name, entry)
            for name, found in read.items()
            if isinstance(found, Index)
            for entry in found.images
        ),
        key=lambda part: (part.key, part.fragment),
    )
    known = [part for part in parts if part.key in expected]
    problems = [
        *_unreadable(read),
        *_not_as_expected(parts, expected),
        *_mixed(parts),
        *_shared(parts),
        *_lacking(known, required),
    ]
    by_variant = sorted(known, key=_variant)
    whole = [_common(list(group)) for _, group in groupby(by_variant, key=_variant)]
    problems += [
        f"no location is served by each of {_and(map(str, kept))}: replicate all of them to at least one"
        for kept, _ in whole
        if not problems and not kept[0].entry.locations
    ]
    if problems:
        raise NotOne(problems)
    return Merged(
        parts=tuple(sorted(part for kept, _ in whole for part in kept)),
        left_out=tuple(item for _, left_out in whole for item in left_out),
    )


def _unreadable(read: Mapping[str, Index | BadIndex]) -> Iterator[str]:
    for _, found in sorted(read.items()):
        if isinstance(found, BadIndex):
            yield f"{found}; a fragment is the {image_index.FILE_NAME} that a build's run wrote, unchanged"


def _not_as_expected(parts: Sequence[Part], expected: Collection[Key]) -> Iterator[str]:
    listed = _and(map(str, sorted(expected)))
    for part in parts:
        if part.key not in expected:
            todo = "take it out of the folder, or add it to expect"
            if part.key.architecture == "ARCHITECTURE_UNSPECIFIED":
                todo = "its source does not say its architecture: build it with one (Packer: image_architecture)"
            yield f"'{part.fragment}' holds {part.key}, but what is expected is {listed}; {todo}"
        elif not part.entry.locations:
            yield f"{part} serves no location: look at that build's run, which replicated nothing, and repeat it"
    for key, count in sorted(Counter(part.key for part in parts if part.key in expected).items()):
        if count > 1:
            holders = _and(f"'{part.fragment}'" for part in parts if part.key == key)
            yield f"{key} is held {count} times, by {holders}: keep one, or tell the images apart by their variant"
    for key in sorted({*expected} - {part.key for part in parts}):
        yield f"{key} is missing, no fragment holds it: look at the build that makes it; its index belongs here too"


def _mixed(parts: Sequence[Part]) -> Iterator[str]:
    said: dict[str, list[str]] = {}
    for part in parts:
        revision = part.entry.revision
        told = f"commit {revision.commit} of {revision.ref} in {revision.repository}" if revision else "nothing"
        said.setdefault(told, []).append(str(part))
    if len(said) > 1:
        each = "; ".join(f"{_and(those)}: {told}" for told, those in sorted(said.items()))
        yield f"the fragments say different revisions ({each}): take all of them from one run, with one `revision`"


def _shared(parts: Sequence[Part]) -> Iterator[str]:
    """Find names and families that several images share: users would be given the wrong image."""
    holders: dict[str, dict[Key, Part]] = {}
    for part in parts:
        for what in _claims(part.entry):
            holders.setdefault(what, {}).setdefault(part.key, part)
    for what, held in sorted(holders.items()):
        if len(held) > 1:
            todo = "give each image its own families and names, for instance with the architecture in them"
            yield f"{_and(map(str, held.values()))} share {what}: {todo}"


def _claims(entry: Entry) -> set[str]:
    images: list[IndexedSource | Served] = [entry.source, *entry.locations.values()]
    families = {f"the family {image.family} in {image.project}" for image in images if image.family}
    return families | {f"the image {image.uri}" for image in images}


def _lacking(parts: Sequence[Part], required: Collection[str]) -> Iterator[str]:
    everywhere = {location for part in parts for location in part.entry.wanted_locations}
    for location in sorted(everywhere if ALL in required else required):
        lacking = [part for part in parts if part.entry.locations and location not in part.entry.locations]
        if lacking:
            yield (
                f"{location} is required and not served by {_and(map(str, lacking))}: repeat that build's run, then "
                "merge again"
            )


def _common(parts: Sequence[Part]) -> tuple[list[Part], list[LeftOut]]:
    """Reduce the images of one variant to the locations that all of them are in; return the other locations too."""
    wanted = sorted({location for part in parts for location in (*part.entry.wanted_locations, *part.entry.locations)})
    lack = {location: [part for part in parts if location not in part.entry.locations] for location in wanted}
    kept = [
        Part(
            part.key,
            part.fragment,
            part.entry.model_copy(
                update={
                    "wanted_locations": wanted,
                    "locations": {at: part.entry.locations[at] for at in wanted if not lack[at]},
                }
            ),
        )
        for part in parts
    ]
    left_out = [LeftOut(location, tuple(part.key for part in lacking)) for location, lacking in lack.items() if lacking]
    return kept, left_out


def doubts(part: Part, source: Image | None, seen: Iterable[Seen], found: Mapping[str, Existing]) -> Iterator[str]:
    """Yield each difference between the live images and the fragment. Images that could not be read are skipped.

    `source` is the live image under the source's name; `found` maps locations to the image there and its lineage.
    """
    said = part.entry.source
    if source is None or source.id != said.id:
        now = f"has the id {source.id} now" if source else "is gone"
        yield f"{part}: its source {said.uri} (id {said.id}) {now}: build it again"
        return
    for item in seen:
        where = f"{part} in {item.location}: {item.served.uri}"
        existing = found.get(item.location)
        # Families are what a merge moves.
        differences = [difference for difference in item.finding.differences if difference.field != "family"]
        if item.image is None:
            yield f"{where} does not exist: repeat that build's run, then merge again"
        elif differences:
            told = "; ".join(map(str, differences))
            yield f"{where} is not as the fragment says ({told}): repeat that build's run, then merge again"
        elif existing is not None and existing.lineage is not Lineage.OURS:
            yield f"{where} can't be proven to come from {said.uri}: look at it, and repeat that build's run"


def promotion(
    entry: Entry, source: Image, found: Mapping[str, Existing], *, required: Collection[str], promote: bool
) -> Plan:
    """Make the plan for one image of the release whose replicas are all verified: only families are left to move."""
    steps = tuple(
        _step(source, location, served, found[location], required=location in required)
        for location, served in sorted(entry.locations.items())
    )
    public = any(served.public for served in entry.locations.values())
    return Plan(
        source=source,
        source_policy=next((item.policy for item in found.values() if item.image.id == source.id), None),
        readers=access.readers(Access.PUBLIC if public else Access.PRIVATE, None),
        steps=steps,
        leads=leads(source, steps),
        promote=promote,
    )


def _step(source: Image, location: str, served: Served, existing: Existing, *, required: bool) -> Step:
    image = existing.image
    replica = Replica(
        location=location,
        ref=image.ref,
        family=served.family or "",
        labels=served.labels,
        description=image.description,
        required=required,
        kms_key=image.encryption,
    )
    if image.id == source.id:
        return Step(replica=replica, action=Action.SERVE)
    return Step(
        replica=replica,
        action=Action.CHECK,
        existing=existing,
        changes=() if source.deprecated else compare.family(replica, image),
    )


def _variant(part: Part) -> str:
    return part.key.variant


def _and(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
