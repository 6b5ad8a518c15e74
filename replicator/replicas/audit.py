"""Compares live images with an index, or with a plan, and lists what differs. Changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.compute import lookup, refusals
from replicator.compute.refusals import Refusal
from replicator.core import access, compare, errors
from replicator.core.errors import ExitCode
from replicator.core.images import Difference, Image, ImageRef
from replicator.core.replicas import Action, Lineage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from replicator.compute.retry import Calls
    from replicator.core.images import Policy
    from replicator.core.replicas import Existing, Plan, Replica, Step
    from replicator.index.image_index import Entry, Index, Served


class State(StrEnum):
    """The state in which a location was found."""

    CORRECT = "correct"
    DRIFTED = "drifted"
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    """The image could not be read, so nothing is known about it."""
    UNPROVEN = "unproven"
    NOT_PROMOTED = "not_promoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The finding on one location of one architecture: its state, and each difference by field."""

    location: str
    uri: str
    state: State
    architecture: str
    differences: tuple[Difference, ...] = ()
    message: str = ""
    deprecated: str = ""
    """That the image, or its source, is marked: what its publisher held back, rolled back or retired."""

    @property
    def told(self) -> str:
        """All that is said of it beside the differences."""
        return " ".join(filter(None, (self.message, self.deprecated)))


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """Return the exit code: anything known to be wrong counts before images that could not be read."""
    states = {item.state for item in findings}
    if states & {State.DRIFTED, State.MISSING, State.UNPROVEN, State.NOT_PROMOTED}:
        return ExitCode.FAILED
    return ExitCode.UNREACHABLE if State.UNREACHABLE in states else ExitCode.DONE


def as_dict(finding: Finding) -> dict[str, Any]:
    """Return one finding for machines."""
    return {
        "location": finding.location,
        "architecture": finding.architecture,
        "uri": finding.uri,
        "state": str(finding.state),
        "differences": [
            {"field": item.field, "wanted": item.wanted, "found": item.found} for item in finding.differences
        ],
        "message": finding.told,
    }


def of_step(plan: Plan, step: Step) -> Finding:
    """Make the finding from a plan's step: anything that the plan would do is something wrong."""
    found = partial(
        Finding, location=step.replica.location, uri=step.replica.ref.uri, architecture=plan.source.architecture
    )
    error = step.error
    if step.action is Action.COPY:
        return found(state=State.MISSING)
    if error and not step.existing:
        return found(state=State.UNREACHABLE, message=error.message)
    if step.existing and step.action in {Action.REFUSE, Action.WAIT, Action.REPLACE}:
        state = State.UNPROVEN if isinstance(error, errors.Unproven) else State.DRIFTED
        differences = unfit(plan.source, step.replica, step.existing)
        return found(state=state, differences=differences, message=error.message if error else "")
    only_family = all(change.field == "family" for change in step.changes)
    state = State.NOT_PROMOTED if only_family else State.DRIFTED
    return found(state=state if step.changes else State.CORRECT, differences=step.changes)


def unfit(source: Image, replica: Replica, existing: Existing) -> tuple[Difference, ...]:
    """Return why an image can't serve as the replica: its origin, location, state or content differ."""
    image, ours = existing.image, existing.lineage is Lineage.OURS
    basic = _different(
        *(() if ours else [("sourceImageId", source.id, image.source_image_id)]),
        ("storageLocations", replica.location, ", ".join(image.storage_locations)),
        ("status", "READY", image.status),
        _deprecated(image),
    )
    content = compare.content(source, replica, image) if ours and image.status == "READY" else ()
    return tuple({each.field: each for each in (*basic, *content)}.values())


def of_entry(
    entry: Entry,
    location: str,
    served: Served,
    image: Image | errors.ReplicaError | None,
    policy: Policy | None,
    *,
    source: Image | None = None,
    compare_access: bool = True,
) -> Finding:
    """Compare one location of an index entry with the live image of that name, and with its source if that exists."""
    found = partial(Finding, location=location, uri=served.uri, architecture=entry.architecture)
    if image is None:
        return found(state=State.MISSING)
    if isinstance(image, errors.ReplicaError):
        return found(state=State.UNREACHABLE, message=image.message)
    if image.id != served.id:
        made = image.created.astimezone(UTC)
        found = partial(found, message=f"Another image has its name now, made {made:%Y-%m-%d %H:%M} UTC.")
    # The source serves each location that it is stored in; a copy is stored in one.
    stored = ", ".join(image.storage_locations)
    if served.id == entry.source.id and location in image.storage_locations:
        stored = location
    differences = _different(
        ("id", served.id, image.id),
        ("sourceImageId", served.source_image_id, image.source_image_id),
        ("status", "READY", image.status),
        ("storageLocations", location, stored),
        ("architecture", entry.architecture, image.architecture or "ARCHITECTURE_UNSPECIFIED"),
        ("diskSizeGb", served.disk_size_gb, str(image.disk_size_gb)),
        _deprecated(image),
        *((f"labels.{key}", value, image.labels.get(key)) for key, value in sorted(served.labels.items())),
        *([("access", "public", access.found(policy))] if served.public and compare_access else []),
    )
    if differences:
        return found(state=State.DRIFTED, differences=differences)
    if source and (unlike := compare.shared(source, image)):
        return found(state=State.DRIFTED, differences=unlike)
    family = _different(("family", served.family, image.family)) if served.family else ()
    return found(state=State.NOT_PROMOTED if family else State.CORRECT, differences=family)


def _different(*compared: tuple[str, str, str | None]) -> tuple[Difference, ...]:
    """Return a difference for each (field, wanted, found) whose two values differ."""
    return tuple(
        Difference(field, wanted or "(empty)", found or "nothing")
        for field, wanted, found in compared
        if wanted != found
    )


def _deprecated(image: Image) -> tuple[str, str, str]:
    """Return (field, wanted, found); DEPRECATED counts as nothing, because such an image can still be used."""
    return ("deprecated", "", "" if image.deprecated == "DEPRECATED" else image.deprecated)


async def check(calls: Calls, read: Index) -> list[Seen]:
    """Compare each location that an index serves with the live image, and read its source if that is possible."""
    refs = list(dict.fromkeys([*named(read.images), *(entry.source.ref for entry in read.images)]))
    images = await lookup.read_images(calls, refs)
    # Users of a public image usually can't list the publisher's project or read the image's policy.
    foreign = frozenset(ref for ref in refs if isinstance(images.get(ref), errors.Forbidden))
    read_one = dict(await asyncio.gather(*(_read_one(calls, ref) for ref in foreign)))
    return await look(calls, read.images, {**images, **read_one}, foreign=foreign)


def lacking(read: Index) -> list[Finding]:
    """Return a finding for each location that an index wants but doesn't serve."""
    return [
        Finding(location=location, uri="", state=State.MISSING, architecture=entry.architecture)
        for entry in read.images
        for location in entry.wanted_locations
        if location not in entry.locations
    ]


async def _read_one(calls: Calls, ref: ImageRef) -> tuple[ImageRef, Image | errors.ReplicaError | None]:
    """Read the image of that name; None if there is none. Returns the name, too."""
    doing = f"Reading {ref}"
    try:
        return ref, await calls(calls.compute.get(ref), doing=doing, where=ref.name, patience=lookup.PATIENCE)
    except Refusal as refusal:
        return ref, None if refusal.status == 404 else refusals.error_of(refusal, doing=doing)


def named(entries: Iterable[Entry]) -> list[ImageRef]:
    """Return the references of all images that serve a location in these entries."""
    return [served.ref for entry in entries for served in entry.locations.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an index says about one location, and what was found there."""

    entry: Entry
    location: str
    served: Served
    image: Image | errors.ReplicaError | None
    policy: Policy | None
    """The image's policy, read only if the index says that the image is public."""
    source: Image | None = None
    """The image that it was copied from in the end, if that could be read."""
    foreign: bool = False
    """Whether its project isn't ours: all that is known about access is that we can read the image."""

    @property
    def finding(self) -> Finding:
        """The finding from the comparison of the two."""
        found = of_entry(
            self.entry,
            self.location,
            self.served,
            self.image,
            self.policy,
            source=self.source,
            compare_access=not self.foreign,
        )
        if self.foreign and found.state is State.CORRECT:
            return replace(found, message="who else may use it can't be read")
        return found


async def look(
    calls: Calls,
    entries: Iterable[Entry],
    images: Mapping[ImageRef, Image | errors.ReplicaError | None],
    *,
    foreign: Collection[ImageRef] = (),
) -> list[Seen]:
    """Pair each location of each entry with its image, and read the policies of images that should be public.

    Policies of `foreign` images are not read.
    """

    async def one(entry: Entry, location: str, served: Served) -> Seen:
        if served.ref not in foreign:
            seen = await _look_at(calls, entry, location, served, images)
        else:
            image = images.get(served.ref)
            seen = Seen(entry=entry, location=location, served=served, image=image, policy=None, foreign=True)
        source = images.get(entry.source.ref)
        return replace(seen, source=source) if isinstance(source, Image) and source.id == entry.source.id else seen

    served = [(entry, location, image) for entry in entries for location, image in sorted(entry.locations.items())]
    return await asyncio.gather(*(one(*item) for item in served))


async def _look_at(
    calls: Calls,
    entry: Entry,
    location: str,
    served: Served,
    images: Mapping[ImageRef, Image | errors.ReplicaError | None],
) -> Seen:
    ref = served.ref
    image = images.get(ref)
    policy = None
    if served.public and isinstance(image, Image):
        doing = f"Reading who may use {ref}"
        try:
            policy = await calls(calls.compute.get_policy(ref), doing=doing, where=location, patience=lookup.PATIENCE)
        except Refusal as refusal:
            image = refusals.error_of(refusal, doing=doing)
    return Seen(entry=entry, location=location, served=served, image=image, policy=policy)
