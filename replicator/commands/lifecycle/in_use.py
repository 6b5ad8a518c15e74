"""Reads the instance templates of a project, and says which of them name an image."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from replicator.commands.lifecycle import world

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.compute.retry import Calls
    from replicator.core.images import Image, Template

#: `projects/P/global/images/N` at the end of any URL; `global/images/N`, which is in the template's own project.
_NAMED = re.compile(r"(?:(?:^|/)projects/(?P<project>[^/]+)/)?(?:^|(?<=/))global/images/(?P<key>[^/]+)$")


async def read(calls: Calls, project: str) -> list[Template]:
    """Read all instance templates of a project, global and regional.

    Raises Doubtful, or another ReplicatorError with exit code 3, unless all of them were read.
    """
    doing = f"Listing the instance templates of {project}"
    pages = partial(calls.compute.list_templates, project)
    return await world.all_pages(calls, pages, doing=doing, where=project)


def users(image: Image, templates: Iterable[Template]) -> tuple[Template, ...]:
    """Return the templates that name an image, whether a group uses them or not.

    One that names a family doesn't use an image: a family resolves to its head, which is never touched.
    """
    return tuple(each for each in templates if any(_names(text, each.project, image) for text in each.images))


def _names(text: str, project: str, image: Image) -> bool:
    """Whether a template's text names the image, by its name or its id; doubt about the project means that it does."""
    match = _NAMED.search(unquote(text))
    if match is None:
        # No form that is known names an image, but a bare name or id.
        return text in {image.ref.name, image.id}
    if match["key"] not in {image.ref.name, image.id}:
        return False
    # A project's number can't be compared with its id.
    return (
        match["key"] == image.id or (match["project"] or project) == image.ref.project or _is_number(match["project"])
    )


def _is_number(project: str | None) -> bool:
    return bool(project) and str(project).isdecimal()
