"""Holds the disks of every project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A blank disk; `created` is in milliseconds since 1970, `fields` are those of the API that need no computing."""

    project: str
    zone: str
    id: str
    name: str
    created: int
    size_gb: int
    labels: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """`zones/Z`."""
        return f"zones/{self.zone}"

    @property
    def path(self) -> str:
        """`projects/P/zones/Z/disks/N`."""
        return f"projects/{self.project}/{self.scope}/disks/{self.name}"


class Disks:
    """Disks by their paths, and the projects in which one was ever made."""

    def __init__(self) -> None:
        self._now: dict[str, Disk] = {}
        self._makers: set[str] = set()

    def change(self, *, made: tuple[Disk, ...] = (), removed: tuple[Disk, ...] = ()) -> None:
        """Make and remove disks."""
        for each in removed:
            self._now.pop(each.path, None)
        for each in made:
            self._now[each.path] = each
            self._makers.add(each.project)

    def clear(self) -> None:
        """Forget all, those that were deleted too."""
        self._now.clear()
        self._makers.clear()

    def counts(self, project: str) -> bool:
        """Whether a disk of a project must exist to be used: a disk was made there."""
        return project in self._makers

    def of(self, project: str) -> Iterator[Disk]:
        """All disks of a project."""
        return (each for each in list(self._now.values()) if each.project == project)

    def find(self, project: str, zone: str, key: str) -> Disk | None:
        """A disk by its name or its numeric id."""
        own = (each for each in self.of(project) if each.zone == zone)
        return next((each for each in own if key in {each.name, each.id}), None)

    def all(self) -> list[Disk]:
        """Those of every project, the oldest first."""
        return sorted(self._now.values(), key=lambda each: each.created)
