"""Reads all that a sweep decides by, at one moment, and again what concerns one set right before a change."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from replicator.commands.lifecycle import clock, in_use, releases, world
from replicator.commands.lifecycle.retain import retention
from replicator.commands.lifecycle.retain.standing import newest
from replicator.compute import lookup
from replicator.compute.lifecycle import reading
from replicator.compute.lifecycle.changes import telling
from replicator.compute.lifecycle.errors import Changed
from replicator.core import names
from replicator.core.errors import ReplicaError
from replicator.core.images import Image, ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from replicator.commands.lifecycle.lines import Scope
    from replicator.commands.lifecycle.releases import ReplicaSet
    from replicator.commands.lifecycle.retain.decision import Plan
    from replicator.commands.lifecycle.retain.limits import Approved
    from replicator.commands.lifecycle.retain.policy import Policy
    from replicator.commands.lifecycle.retain.retention import Uses
    from replicator.commands.lifecycle.retain.standing import Newest
    from replicator.commands.lifecycle.world import Reading
    from replicator.compute.retry import Calls
    from replicator.core.images import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What was read, and what it means for each family and image."""

    reading: Reading
    newest: Newest
    uses: Uses

    def plan(self, policy: Policy, now: datetime, approved: Approved | None) -> Plan:
        """Decide by it."""
        return retention.decide(
            self.reading.world,
            heads=self.reading.heads,
            newest=self.newest,
            uses=self.uses,
            policy=policy,
            now=now,
            approved=approved,
        )


async def read(calls: Calls, scope: Scope, now: datetime, *, check_use: bool) -> Situation:
    """Read the world. Raises Doubtful, or another ReplicatorError with exit code 3, unless all of it was read."""
    found = await world.read(calls, scope)
    clock.check(calls.compute, found.images, now)
    uses = await _uses(calls, scope, found.images) if check_use else None
    return Situation(reading=found, newest=newest(found.images), uses=uses)


async def again(calls: Calls, scope: Scope, before: Situation, each: ReplicaSet, label: str) -> Situation:
    """Read the members of a set and of its release again, what its families resolve to, and the templates.

    Raises Changed where the source is gone but not its replicas, or answers don't fit; a Failure where one is refused.
    """
    group = [
        other for other in before.reading.world.sets if other is each or other.label(label) & each.label(label) - {""}
    ]
    now = {other.root.id: await _set_again(calls, scope, other) for other in group}
    families = sorted(
        {*releases.families_of(each), *(f for one in now.values() if one for f in releases.families_of(one))}
    )
    with telling(f"Reading what the families of {each.root.ref.name} resolve to"):
        asked = await asyncio.gather(
            *(reading.head(calls, *family, where=each.line, patience=lookup.PATIENCE) for family in families)
        )
    sets = (now.get(other.root.id, other) for other in before.reading.world.sets)
    heads = {**before.reading.heads, **dict(zip(families, asked, strict=True))}
    members = [image for one in now.values() if one for image in one.members]
    uses = None if before.uses is None else {**before.uses, **await _uses(calls, scope, members)}
    fresh = replace(before.reading, world=replace(before.reading.world, sets=tuple(filter(None, sets))), heads=heads)
    return replace(before, reading=fresh, uses=uses)


async def _set_again(calls: Calls, scope: Scope, each: ReplicaSet) -> ReplicaSet | None:
    """Return a set as it is now, with replicas that came meanwhile; None if all of it is gone."""
    known = {image.ref: image for image in each.members}
    found = await lookup.read_images(calls, {*known, *_expected(scope, each.root)})
    for error in found.values():
        if isinstance(error, ReplicaError):
            raise error
    images = {ref: image for ref, image in found.items() if isinstance(image, Image)}
    for ref in known.keys() - images.keys():
        # A list may lack images; only the image itself tells that it is gone.
        with telling(f"Reading {ref}"):
            if await reading.same(calls, known[ref], where=each.line, patience=lookup.PATIENCE):
                raise Changed(f"{ref} is there, and the list of images lacks it")
    root = images.get(each.root.ref)
    root = root if root and root.id == each.root.id else None
    mine = {image.id for image in each.members}
    copies = [
        image
        for image in images.values()
        if image.id != each.root.id
        and (image.id in mine or (scope.is_replica(each.root, image) and _comes(image, mine)))
    ]
    if root is None:
        if copies:
            raise Changed(f"The source {each.root.ref} is gone, and {copies[0].ref} isn't")
        return None
    return replace(each, root=root, copies=tuple(sorted(copies, key=lambda image: (image.home, image.ref))))


def _comes(image: Image, members: Iterable[str]) -> bool:
    return image.source_image_id in members


def _expected(scope: Scope, root: Image) -> set[ImageRef]:
    """The addresses that replicas of a source have, where one may have come since the plan."""
    found = set()
    for location in scope.settings.locations:
        try:
            name = names.make(scope.settings.wanted(location).name, root.ref.name, location=location)
        except names.BadTemplate:
            continue
        found.add(ImageRef(scope.replica_project(location), name))
    return found


async def _uses(calls: Calls, scope: Scope, images: Iterable[Image]) -> dict[str, str]:
    """The templates that name each image, by the image's id, of all projects in scope."""
    found = await asyncio.gather(*(in_use.read(calls, project) for project in scope.projects))
    by_key: dict[str, set[Template]] = defaultdict(set)
    for template in (template for part in found for template in part):
        for text in template.images:
            # The name or the id is the last part of every form, so that only few pairs are compared in full.
            by_key[unquote(text).rsplit("/", 1)[-1]].add(template)
    uses = {}
    for image in images:
        named = in_use.users(image, by_key.get(image.ref.name, set()) | by_key.get(image.id, set()))
        if named:
            uses[image.id] = f"instance template {', '.join(sorted(template.uri for template in named))}"
    return uses
