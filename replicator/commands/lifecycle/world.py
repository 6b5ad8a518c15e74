"""Reads all images of the projects in scope, and what the families resolve to; refuses any doubtful answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from replicator.commands.lifecycle import releases
from replicator.commands.lifecycle.errors import Doubtful
from replicator.compute import lookup
from replicator.compute.lifecycle import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from replicator.commands.lifecycle.lines import Scope
    from replicator.commands.lifecycle.releases import World
    from replicator.compute.rate_limit import Request
    from replicator.compute.retry import Calls
    from replicator.core.images import Image

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything that was read, told apart."""

    world: World
    heads: Mapping[tuple[str, str], Image | None]
    """What each (project, family) of the lines resolves to."""
    images: tuple[Image, ...] = ()
    """All images of the projects in scope, those of others among them."""

    @property
    def head_ids(self) -> releases.Heads:
        """The ids of the heads."""
        return {family: head.id if head else None for family, head in self.heads.items()}


async def read(calls: Calls, scope: Scope) -> Reading:
    """Read the world. Raises Doubtful, or another ReplicatorError with exit code 3, unless all of it was read."""
    listed = await asyncio.gather(*(_whole(calls, project) for project in scope.projects))
    images = [image for part in listed for image in part]
    world = releases.grouped(scope, images)
    places = {image.home for image in images if image.home} | set(scope.settings.locations)
    wanted = {family for line in scope.families for family in scope.families_of(line, places)}
    wanted |= {family for each in world.sets for family in releases.families_of(each)}
    # Families of locations without any image of theirs resolve to nothing, which needs no call.
    carried = {(image.ref.project, image.family) for image in images}
    # The builds' own are always asked for: a list that lacks their images without a word is noticed so.
    asked = sorted(wanted & carried | {(scope.project, line) for line in scope.families})
    found = await asyncio.gather(*(_head(calls, *family) for family in asked))
    heads = dict(zip(asked, found, strict=True))
    _check(images, heads)
    return Reading(world=world, heads=heads, images=tuple(images))


async def all_pages(
    calls: Calls, ask: Callable[[str], Request[tuple[list[_Item], str]]], *, doing: str, where: str
) -> list[_Item]:
    """Read a list page by page; `ask` makes the request for the page of a token.

    Raises Doubtful, or another ReplicatorError with exit code 3, unless all of it was read.
    """
    found: list[_Item] = []
    token, seen = "", {""}
    with lookup.ending_the_run(doing):
        while True:
            page, token = await calls(ask(token), doing=doing, where=where, patience=lookup.PATIENCE)
            found += page
            if not token:
                return found
            if token in seen:
                raise Doubtful(f"{doing}: the same page came twice")
            seen.add(token)


async def _whole(calls: Calls, project: str) -> list[Image]:
    """List all images of a project."""
    doing = f"Listing all images of {project}"
    pages = partial(calls.compute.list_page, project)
    images = {image.id: image for image in await all_pages(calls, pages, doing=doing, where=project)}
    if not images:
        raise Doubtful(
            f"{doing}: there is none",
            remedy="Check project_id and replica_project, and that the identity of this step may list images there.",
        )
    if wrong := [image.ref for image in images.values() if image.ref.project != project and not project.isdigit()]:
        raise Doubtful(f"{doing}: the answer holds {wrong[0]}")
    return list(images.values())


async def _head(calls: Calls, project: str, family: str) -> Image | None:
    with lookup.ending_the_run(f"Reading what the family {family} of {project} resolves to"):
        return await reading.head(calls, project, family, where=family, patience=lookup.PATIENCE)


def _check(images: Iterable[Image], heads: Mapping[tuple[str, str], Image | None]) -> None:
    """Raise Doubtful where what a family resolves to doesn't fit the lists."""
    by_id = {image.id: image for image in images}
    usable = {
        (image.ref.project, image.family): image
        for image in by_id.values()
        if image.status == "READY" and not image.deprecated
    }
    for family, head in heads.items():
        where = f"The family {family[1]} of {family[0]}"
        known = by_id.get(head.id) if head else None
        if head and known is None:
            raise Doubtful(f"{where} resolves to {head.ref}, which the list of images lacks")
        if known and (known.family != family[1] or known.deprecated):
            raise Doubtful(f"{where} resolves to {known.ref}, which by the list is not in it or is {known.deprecated}")
        if head is None and family in usable:
            raise Doubtful(f"{where} resolves to nothing, but {usable[family].ref} is in it, READY and not deprecated")
