"""Forecasts the waves of copies for the plan, and pairs locations with the nearest origins by `core.locations`. Pure.

Because replicas become origins themselves, many locations take a few waves instead of many hours.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from replicator.core import locations as geography

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


#: The source's name as an origin; a replica's is its location.
SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An origin, and how many copies of it may be begun now."""

    name: str
    """SOURCE, or the location of a replica."""
    location: str
    free: float
    """How many copies; infinite while no limit is known."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A planned copy: its location, its origin, and its wave, counted from 1."""

    location: str
    origin: str
    wave: int


def assign(waiting: Sequence[str], origins: Sequence[Offer]) -> dict[str, str]:
    """Map each location whose copy begins now to its origin. Locations that must wait are left out.

    No origin is idle while a location waits. The source serves all if it can, so that chains stay short; else replicas
    serve the nearest locations, and the source serves where most others will then find a replica near them.
    """
    free = {origin.name: origin.free for origin in origins}
    if free.get(SOURCE, 0) >= len(waiting):
        return dict.fromkeys(waiting, SOURCE)
    assigned: dict[str, str] = {}
    replicas = [origin for origin in origins if origin.name != SOURCE]
    pairs = (
        (geography.distance(location, origin.location), location, origin) for location in waiting for origin in replicas
    )
    for _, location, origin in sorted(pairs, key=lambda pair: pair[0]):
        if location not in assigned and free[origin.name] >= 1:
            assigned[location] = origin.name
            free[origin.name] -= 1
    served = Counter(geography.part(location) for location in [*assigned, *(origin.location for origin in origins)])
    for location in _spread([location for location in waiting if location not in assigned], served):
        if free.get(SOURCE, 0) < 1:
            break
        assigned[location] = SOURCE
        free[SOURCE] -= 1
    return {location: assigned[location] for location in waiting if location in assigned}


def forecast(
    home: str, ready: Sequence[str], wanted: Sequence[str], most: int, last: Sequence[str] = ()
) -> tuple[Branch, ...]:
    """Foretell the copies, wave by wave, if all take equally long and every image may be copied `most` times.

    `home` is the source's location, `ready` are replicas that exist, `wanted` are made first, and then the `last`.
    """
    origins = [Offer(name=SOURCE, location=home, free=most)]
    origins += [Offer(name=location, location=location, free=most) for location in ready]
    branches: list[Branch] = []
    groups, wave = [list(wanted), list(last)], 0
    while any(groups):
        wave += 1
        begun: list[Offer] = []
        for group in groups:
            assigned = assign(group, origins)
            used = Counter(assigned.values())
            branches += [
                Branch(location, origin.name, wave)
                for origin in origins
                for location, name in assigned.items()
                if name == origin.name
            ]
            begun += [Offer(name=location, location=location, free=most) for location in assigned]
            origins = [replace(origin, free=origin.free - used[origin.name]) for origin in origins]
            group[:] = [location for location in group if location not in assigned]
            if group:
                break
        origins += begun
    return tuple(branches)


def _spread(locations: Sequence[str], served: Counter[str]) -> Iterator[str]:
    """Order locations: next comes one in the part of the world with the most waiting locations per image there."""
    by_part: dict[str, list[str]] = {}
    for location in locations:
        by_part.setdefault(geography.part(location), []).append(location)
    there = Counter(served)
    while by_part:
        part = max(by_part, key=lambda part: len(by_part[part]) / (1 + there[part]))
        yield by_part[part].pop(0)
        there[part] += 1
        if not by_part[part]:
            del by_part[part]
