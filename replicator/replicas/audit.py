"""What exists, held against an index, or against what a plan wants. Changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
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
    """How one location was found."""

    CORRECT = "correct"
    DRIFTED = "drifted"
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    """It could not be read, which says nothing about it."""
    UNPROVEN = "unproven"
    NOT_PROMOTED = "not_promoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One location of one architecture: how it was found, and each difference by field."""

    location: str
    uri: str
    state: State
    architecture: str = ""
    differences: tuple[Difference, ...] = ()
    message: str = ""


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """What is known to be wrong counts before what could not be read."""
    states = {item.state for item in findings}
    if states & {State.DRIFTED, State.MISSING, State.UNPROVEN, State.NOT_PROMOTED}:
        return ExitCode.FAILED
    return ExitCode.UNREACHABLE if State.UNREACHABLE in states else ExitCode.DONE


def as_dict(finding: Finding) -> dict[str, Any]:
    """One finding for machines."""
    return {
        "location": finding.location,
        "architecture": finding.architecture,
        "uri": finding.uri,
        "state": str(finding.state),
        "differences": [
            {"field": item.field, "wanted": item.wanted, "found": item.found} for item in finding.differences
        ],
        "message": finding.message,
    }


def of_step(plan: Plan, step: Step) -> Finding:
    """What a plan's step says of its location: whatever the plan would do is what is wrong."""
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
    only_family = step.changes and all(change.field == "family" for change in step.changes)
    state = State.NOT_PROMOTED if only_family else State.DRIFTED
    return found(state=state if step.changes else State.CORRECT, differences=step.changes)


def unfit(source: Image, replica: Replica, existing: Existing) -> tuple[Difference, ...]:
    """Why an image can't be the replica as it is: another origin, another place, its state, or what it holds."""
    image, ours = existing.image, existing.lineage is Lineage.OURS
    basic = _different(
        ("sourceImageId", source.id, image.source_image_id) if not ours else ("", "", ""),
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
    """One entry of an index against the image under its name, and against its source where that is still there."""
    found = partial(Finding, location=location, uri=served.uri, architecture=entry.architecture)
    if image is None:
        return found(state=State.MISSING)
    if isinstance(image, errors.ReplicaError):
        return found(state=State.UNREACHABLE, message=image.message)
    differences = _different(
        ("id", served.id, image.id),
        ("sourceImageId", served.source_image_id, image.source_image_id),
        ("status", "READY", image.status),
        ("storageLocations", location, ", ".join(image.storage_locations)),
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
    if served.family and image.family != served.family:
        return found(state=State.NOT_PROMOTED, differences=(Difference("family", served.family, image.family),))
    return found(state=State.CORRECT)


def _different(*compared: tuple[str, str, str | None]) -> tuple[Difference, ...]:
    """Those of (field, wanted, found) that differ."""
    return tuple(
        Difference(field, wanted or "(empty)", found or "nothing")
        for field, wanted, found in compared
        if wanted != found
    )


def _deprecated(image: Image) -> tuple[str, str, str]:
    """An image that is DEPRECATED can still be used."""
    return ("deprecated", "", "" if image.deprecated == "DEPRECATED" else image.deprecated)


async def check(calls: Calls, read: Index) -> list[Finding]:
    """Each location that an index says is served, held against the live API."""
    refs = [*dict.fromkeys([*named(read.images), *(entry.source.ref for entry in read.images)])]
    images = await lookup.read_images(calls, refs)
    # Whoever may use a public image may mostly neither list the publisher's project nor read who may use it.
    foreign = frozenset(ref for ref in refs if isinstance(images.get(ref), errors.Forbidden))
    found = await asyncio.gather(*(_read_one(calls, ref) for ref in foreign))
    known = {**images, **dict(zip(foreign, found, strict=True))}
    seen = await look(
        calls, read.images, {ref: image for ref, image in known.items() if image is not None}, foreign=foreign
    )
    return [item.finding for item in seen]


def lacking(read: Index) -> list[Finding]:
    """Each location that an index wants, and does not say is served."""
    return [
        Finding(location=location, uri="", state=State.MISSING, architecture=entry.architecture)
        for entry in read.images
        for location in entry.wanted_locations
        if location not in entry.locations
    ]


async def _read_one(calls: Calls, ref: ImageRef) -> Image | errors.ReplicaError | None:
    """The image of that name; None where there is none."""
    doing = f"Reading {ref}"
    try:
        image = await calls(calls.compute.get(ref), doing=doing, where=ref.name, patience=lookup.PATIENCE)
    except Refusal as refusal:
        return None if refusal.status == 404 else refusals.error_of(refusal, doing=doing)
    return image


def named(entries: Iterable[Entry]) -> list[ImageRef]:
    """The images that entries of an index name as serving a location."""
    return [served.ref for entry in entries for served in entry.locations.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an index says of one location, and what was found."""

    entry: Entry
    location: str
    served: Served
    image: Image | errors.ReplicaError | None
    policy: Policy | None
    """Read where the index says that the image is public."""
    source: Image | None = None
    """The entry's source, where that very image can still be read."""
    foreign: bool = False
    """Whether its project is none of ours: that it can be read is all that is known of who may use it."""

    @property
    def finding(self) -> Finding:
        """The one held against the other."""
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
    images: Mapping[ImageRef, Image | errors.ReplicaError],
    *,
    foreign: Collection[ImageRef] = (),
) -> list[Seen]:
    """Each location of each entry beside its image, with the policy of those that are said to be public.

    Nobody is asked for the policies of `foreign` images.
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
    calls: Calls, entry: Entry, location: str, served: Served, images: Mapping[ImageRef, Image | errors.ReplicaError]
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
