"""Reads references to resources in the many forms clients write, and writes links in the service's one form.

Hosts and what stands before `projects/` are ignored: clients with an endpoint of their own send that endpoint's host,
gcloud's `--replacement` even without `/compute/v1`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from emulator.core import api_errors

if TYPE_CHECKING:
    from emulator.compute.state import Image, State

CANONICAL = "https://www.googleapis.com/compute/v1/"

_PREFIX = r"(?:(?:https?://[^/]+/|/)?(?:compute/(?:v1|beta|alpha)/)?)"
_PROJECT = r"(?:projects/(?P<project>[-a-z0-9.:]+)/)"
_IMAGE = re.compile(rf"{_PREFIX}{_PROJECT}?global/images/(?:(?P<family>family)/)?(?P<name>[-a-z0-9]+)")
_OTHERS = {
    "sourceDisk": re.compile(
        rf"{_PREFIX}{_PROJECT}?(?P<rest>(?:zones|regions)/[^/]+/disks/(?P<name>[a-z](?:[-a-z0-9]*[a-z0-9])?))"
    ),
    "sourceSnapshot": re.compile(
        rf"{_PREFIX}{_PROJECT}?(?P<rest>global/snapshots/(?P<name>[a-z](?:[-a-z0-9]*[a-z0-9])?))"
    ),
}


def link(path: str) -> str:
    """The full URL of `projects/…`, whatever host was called."""
    return CANONICAL + path


def image(state: State, reference: str, field: str, project: str, now: float) -> Image:
    """The image that a reference names, through its family if need be.

    Raises ApiError 400 if it isn't a valid reference, 404 if it leads nowhere.
    """
    place = path(reference, project)
    if place is None:
        raise api_errors.invalid(field, reference, "The URL is malformed.")
    found = resolved(state, reference, project, now)
    if found is None:
        raise api_errors.not_found(place[1])
    return found


def path(reference: str, project: str) -> tuple[str, str] | None:
    """The project and the path of the image that a reference names; None if it isn't a valid reference."""
    match = _IMAGE.fullmatch(unquote(reference))
    if match is None:
        return None
    project = match["project"] or project
    family = "family/" if match["family"] else ""
    return project, f"projects/{project}/global/images/{family}{match['name']}"


def resolved(state: State, reference: str, project: str, now: float) -> Image | None:
    """The image that a reference names, through its family if need be; None where it leads nowhere."""
    place = path(reference, project)
    if place is None:
        return None
    kind, _, family = place[1].rpartition("/")
    look_up = state.head if kind.endswith("/family") else state.image
    return look_up(place[0], family, now)


def image_link(reference: str, field: str, project: str) -> str:
    """The canonical link of an image that need not exist. Raises ApiError 400 if it isn't a valid reference."""
    place = path(reference, project)
    if place is None:
        raise api_errors.invalid(field, reference, "The URL is malformed.")
    return link(place[1])


def disk(reference: str, project: str) -> tuple[str, str, str] | None:
    """The project, the zone and the name of the zone's disk that a reference names; None for anything else."""
    match = _OTHERS["sourceDisk"].fullmatch(unquote(reference))
    kind, _, rest = match["rest"].partition("/") if match else ("", "", "")
    return (match["project"] or project, rest.split("/")[0], match["name"]) if match and kind == "zones" else None


def other(reference: str, field: str, project: str) -> str:
    """The canonical link of a disk or snapshot, there or not. Raises ApiError 400 if it isn't a valid reference."""
    match = _OTHERS[field].fullmatch(unquote(reference))
    if match is None:
        raise api_errors.invalid(f"resource.{field}", reference, "The URL is malformed.")
    return link(f"projects/{match['project'] or project}/{match['rest']}")
