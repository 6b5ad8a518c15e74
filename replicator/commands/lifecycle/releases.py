"""Groups images into sets by lineage, and says the status of each set. Pure.

A set is a source and its replicas: images whose chain of parents leads to the source, with the name and the place that
the settings give. Nothing of this is stored anywhere: it follows from what Compute Engine says of the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from replicator.commands.lifecycle import dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from replicator.commands.lifecycle.lines import Scope
    from replicator.core.images import Image

    #: What (project, family) resolves to: the id of an image, or None for nothing.
    Heads = Mapping[tuple[str, str], str | None]

#: Within this time of its creation, a replica may still be worked on.
_SETTLED = timedelta(hours=24)


class Status(StrEnum):
    """What a set is to its users; the first that fits, in this order."""

    DEFAULT = "default"
    """Every family of its replicas resolves to it."""
    PARTLY_DEFAULT = "partly_default"
    """Some families of the line resolve to it."""
    BROKEN = "broken"
    """A member FAILED."""
    BUSY = "busy"
    """A member is PENDING or DELETING, or the set is ACTIVE and a member is younger than 24 hours."""
    MIXED = "mixed"
    """Some members are deprecated, others not."""
    WITHDRAWN = "withdrawn"
    """Deprecated, and newer than the default: rolled back."""
    RETIRED = "retired"
    """Deprecated, older than the default, with a date of deletion."""
    DEPRECATED = "deprecated"
    """Deprecated, older than the default, without a date."""
    STAGED = "staged"
    """Newer than the default, and no copy carries a family yet."""
    PUBLISHED = "published"
    """Any other set: mostly one that was the default before."""
    SOURCELESS = "sourceless"
    """Replicas whose source is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSet:
    """A source and its replicas."""

    line: str
    root: Image
    copies: tuple[Image, ...]

    @property
    def members(self) -> tuple[Image, ...]:
        """The source, then its replicas by location."""
        return self.root, *self.copies

    @property
    def age(self) -> tuple[datetime, str]:
        """Orders sets by the creation of their sources."""
        return self.root.created, self.root.id

    def label(self, key: str) -> frozenset[str]:
        """Return the values that the label has on its members."""
        return frozenset(image.labels[key] for image in self.members if key in image.labels)

    def is_marked(self, key: str) -> bool:
        """Whether a member has the label, with any value but `false`."""
        return bool(self.label(key) - {"false"})


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The images of all projects in scope, told apart."""

    sets: tuple[ReplicaSet, ...]
    """Line by line, newest first."""
    strangers: tuple[tuple[ReplicaSet, Image], ...]
    """Images that come from a set's source, but aren't called or stored like its replicas."""
    sourceless: tuple[tuple[str, Image], ...]
    """(line, image) of replicas whose source is gone."""
    lineless: tuple[ReplicaSet, ...] = ()
    """Sets no member of which carries a family, newest first: which line they are of, nothing says but an index."""

    def of_line(self, line: str) -> tuple[ReplicaSet, ...]:
        """Return the sets of a line, newest first."""
        return tuple(each for each in self.sets if each.line == line)


def grouped(scope: Scope, images: Iterable[Image], named: Mapping[str, str] | None = None) -> World:
    """Tell apart what the images of all projects in scope are to the lines. The order of the images is irrelevant.

    `named` is the line of sources by their ids, where neither they nor their copies carry a family that tells it.
    """
    by_id = {image.id: image for image in sorted(images, key=lambda image: (image.created, image.ref))}
    places = {image.home for image in by_id.values() if image.home} | set(scope.settings.locations)
    line_of = {family: line for line in scope.families for family in scope.families_of(line, places)}
    # The source's own family decides over a template that makes the same name for another line's replicas.
    line_of.update({(scope.project, line): line for line in scope.families})
    descent: dict[str, list[Image]] = {}
    orphans: dict[str, list[Image]] = {}
    for image in by_id.values():
        root = _root(image, by_id)
        lost = root.source_image_id and (root.source_image is None or root.source_image.project in scope.projects)
        (orphans if lost else descent).setdefault(root.id, []).append(image)
    sets, strangers = [], []
    for identity, family in descent.items():
        if each := _set(scope, by_id[identity], family, line_of, (named or {}).get(identity, "")):
            sets.append(each)
            known = {image.id for image in each.members}
            strangers += [(each, image) for image in family if each.line and image.id not in known]
    order = {line: number for number, line in enumerate(scope.families)}
    newest_first = sorted(sets, key=lambda each: each.age, reverse=True)
    return World(
        sets=tuple(sorted((each for each in newest_first if each.line), key=lambda each: order[each.line])),
        lineless=tuple(each for each in newest_first if not each.line),
        strangers=tuple(strangers),
        sourceless=tuple(
            (line, image)
            for lost_family in orphans.values()
            for image in lost_family
            if (line := line_of.get((image.ref.project, image.family)))
        ),
    )


def _root(image: Image, by_id: Mapping[str, Image]) -> Image:
    """The oldest image in scope that this one descends from."""
    seen = {image.id}
    while (parent := by_id.get(image.source_image_id)) and parent.id not in seen:
        seen.add(parent.id)
        image = parent
    return image


def _set(
    scope: Scope, root: Image, family: Sequence[Image], line_of: Mapping[tuple[str, str], str], named: str
) -> ReplicaSet | None:
    """The set of a root, if it is of one of the lines, or may be; `family` is everything that descends from it."""
    copies = [image for image in family if image.id != root.id and scope.is_replica(root, image)]
    if root.ref.project != scope.project or (root.family and root.family not in scope.families):
        return None
    carried = (line_of.get((image.ref.project, image.family)) for image in copies)
    line = root.family or next(filter(None, carried), named)
    if not line and (not copies or any(image.family for image in copies)):
        # A single image without a family may be anything.
        return None
    return ReplicaSet(line=line, root=root, copies=tuple(sorted(copies, key=lambda image: (image.home, image.ref))))


def families_of(each: ReplicaSet) -> frozenset[tuple[str, str]]:
    """Return (project, family) of the families that members of a set carry."""
    return frozenset((image.ref.project, image.family) for image in each.members if image.family)


def judged(line: Sequence[ReplicaSet], heads: Heads) -> Heads:
    """Return the heads by which the default of a line is told.

    A build puts its image into the family before anything is verified or copied. So where copies of other sets carry
    families, a family that resolves to the source of a set whose copies carry none doesn't count, if others are left.
    """
    unpromoted = {each.root.id for each in line if not any(image.family for image in each.copies)}
    counting = {family: head for family, head in heads.items() if head and head not in unpromoted}
    return counting or heads


def statuses(line: Sequence[ReplicaSet], heads: Heads, now: datetime) -> dict[str, Status]:
    """Return the status of each set of one line, by the id of its source. `heads` is what was asked."""
    carried = {family for each in line for family in families_of(each)}
    counting = judged(line, {family: head for family, head in heads.items() if family in carried})
    leads = {each.root.id: _leads(each, counting) for each in line}
    default = default_of(line, leads)
    return {each.root.id: _status(each, default, leads[each.root.id], now) for each in line}


def default_of(line: Sequence[ReplicaSet], leads: Mapping[str, Status | None]) -> ReplicaSet | None:
    """Return the newest set that is the default everywhere; else the newest that is it somewhere."""
    for wanted in (Status.DEFAULT, Status.PARTLY_DEFAULT):
        if found := [each for each in line if leads[each.root.id] is wanted]:
            return max(found, key=lambda each: each.age)
    return None


def _leads(each: ReplicaSet, heads: Heads) -> Status | None:
    members = {image.id for image in each.members}
    led = {family for family, head in heads.items() if head in members}
    if not led:
        return None
    return Status.DEFAULT if families_of(each) & heads.keys() <= led else Status.PARTLY_DEFAULT


def _status(each: ReplicaSet, default: ReplicaSet | None, lead: Status | None, now: datetime) -> Status:
    states = {image.status for image in each.members}
    marked = [image for image in each.members if image.deprecated]
    newer = default is None or each.age > default.age
    if lead:
        return lead
    if "FAILED" in states:
        return Status.BROKEN
    if states != {"READY"}:
        return Status.BUSY
    if marked:
        return _deprecated(each, len(marked), newer=default is not None and newer)
    if any(now - image.created < _SETTLED for image in each.members):
        return Status.BUSY
    carried = any(image.family for image in each.copies)
    return Status.STAGED if newer and not carried else Status.PUBLISHED


def _deprecated(each: ReplicaSet, marked: int, *, newer: bool) -> Status:
    if marked < len(each.members):
        return Status.MIXED
    if newer:
        return Status.WITHDRAWN
    dated = all(image.deleted and dates.latest(image.deleted) for image in each.members)
    return Status.RETIRED if dated else Status.DEPRECATED


def until(each: ReplicaSet) -> datetime | None:
    """Return when the whole set may be deleted: the latest date of its members; None if one has none or is unclear."""
    read = [dates.latest(image.deleted) if image.deprecated and image.deleted else None for image in each.members]
    known = [date for date in read if date]
    return max(known) if len(known) == len(read) else None
