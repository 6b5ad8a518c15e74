"""Holds what a run is asked for, and by which names its own things are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: The label of everything that a run makes; its value is the run.
LABEL = "gce-image-replicator-smoke"
NAME = re.compile(r"girs-([0-9a-f]{8})-[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
RUN = re.compile(r"[0-9a-f]{8}")
LOCATIONS = ("us", "eu", "asia")
#: What a run makes at most, in all: images, and with THOROUGH images.
MOST_IMAGES = 12
MOST_IMAGES_THOROUGH = 20
MOST_DISKS = 1
MOST_REPOSITORIES = 5
DISK_GB = 10

_PROJECT = re.compile(r"(?:[a-z][-a-z0-9.]*:)?[a-z][-a-z0-9]{4,28}[a-z0-9]")
_ZONE = re.compile(r"[a-z]+-[a-z]+[0-9]+-[a-z]")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is asked for; endpoints are empty for Google's own."""

    project: str
    run: str
    folder: Path
    zone: str = "us-central1-a"
    only: tuple[str, ...] = ()
    """The families of probes that are asked for; all if empty."""
    public: bool = False
    thorough: bool = False
    registry: bool = False
    stranger: str = ""
    """An access token of somebody without any role in the project."""
    endpoint: str = ""
    registry_endpoint: str = ""
    manager_endpoint: str = ""
    anonymous: bool = False

    @property
    def most_images(self) -> int:
        """How many images the run may make, all in all."""
        return MOST_IMAGES_THOROUGH if self.thorough else MOST_IMAGES

    @property
    def out(self) -> Path:
        """Where the report goes."""
        return self.folder / self.run

    def name(self, suffix: str) -> str:
        """The name of something of this run."""
        return f"girs-{self.run}-{suffix}"

    @property
    def clean_line(self) -> str:
        """The command that removes what this run left."""
        return f"make smoke-clean PROJECT={self.project} RUN={self.run}"


def problems(project: str, zone: str, only: tuple[str, ...], families: tuple[str, ...]) -> list[str]:
    """What is wrong with the values given, a sentence each."""
    found = []
    if not _PROJECT.fullmatch(project):
        found.append(f"PROJECT: '{project[:80]}' isn't a valid project id; give one as PROJECT=my-project")
    if not _ZONE.fullmatch(zone):
        found.append(f"ZONE: '{zone[:80]}' isn't a valid zone; give one as ZONE=us-central1-a")
    found += [
        f"ONLY: '{each[:80]}' isn't a valid family of probes; there are {', '.join(families)}"
        for each in only
        if each not in families
    ]
    return found


def run_of(name: str) -> str:
    """The run that a name belongs to; "" for a name that isn't of this form."""
    match = NAME.fullmatch(name)
    return match[1] if match else ""
