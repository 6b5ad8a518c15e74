"""Says which projects, families and names belong to the lines that are asked for. Pure.

A line is one family of sources in one project, with the families that its replicas carry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted
from replicator.core import names
from replicator.core.images import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from replicator.core.images import Image
    from replicator.inputs.config_file import Place
    from replicator.replicas.settings import Settings


class Shared(ValueError):
    """Two lines give their replicas the same family, so a release can't be told to be of one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The lines that are asked for, and where the replicas of their releases are."""

    project: str
    """The project of the sources."""
    families: tuple[str, ...]
    """The families of the sources: one line each."""
    settings: Settings
    """Says the project, name and family of a replica in each location, as it does for `replicate`."""
    _places: dict[str, Place] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What the settings said of a location before: making it anew for each of 20,000 images takes seconds."""

    @classmethod
    def of(cls, project: str, families: Sequence[str], settings: Settings) -> Scope:
        """Raises Shared if two lines share a family of replicas, BadTemplate if a family can't be made."""
        scope = cls(project=project, families=tuple(families), settings=settings)
        carried: dict[tuple[str, str], str] = {}
        for line in scope.families:
            for family in scope.families_of(line, settings.locations):
                other = carried.setdefault(family, line)
                if other != line:
                    raise Shared(
                        f"{quoted(other)} and {quoted(line)} give their replicas the same family, "
                        f"{quoted(family[1])} in {family[0]}: list each by itself, with a family_template of its own"
                    )
        return scope

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects in which sources and replicas are, the sources' first."""
        return tuple(dict.fromkeys([self.project, *map(self.replica_project, self.settings.locations)]))

    def _wanted(self, location: str) -> Place:
        if location not in self._places:
            self._places[location] = self.settings.wanted(location)
        return self._places[location]

    def replica_project(self, location: str) -> str:
        """Return the project of replicas in a location."""
        return self._wanted(location).project.format(project=self.project, location=location)

    def families_of(self, line: str, locations: Iterable[str]) -> frozenset[tuple[str, str]]:
        """Return (project, family) of the line's source and of its replicas in these locations."""
        replicas = {(self.replica_project(place), self.replica_family(line, place)) for place in locations}
        return frozenset({(self.project, line), *replicas})

    def replica_family(self, line: str, location: str) -> str:
        """Return the family of a line's replica in a location. Raises BadTemplate."""
        return names.make(self._wanted(location).family, line, location=location)

    def is_replica(self, root: Image, image: Image) -> bool:
        """Whether an image has the name and the place that a replica of this root has; its lineage is not looked at."""
        if not image.home:
            return False
        try:
            name = names.make(self._wanted(image.home).name, root.ref.name, location=image.home)
        except names.BadTemplate:
            return False
        return image.ref == ImageRef(self.replica_project(image.home), name)
