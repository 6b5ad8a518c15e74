"""Lists the storage locations with their coordinates and parts of the world, and computes the distances between them.

This is the one table of places, and all that is nearer or farther is told from it. Regions that are newer than the
table are accepted by the form of their names.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiRegion:
    """A storage location that spans several regions."""

    part: str
    """The part of the world that it covers: the first word of its regions' names."""
    anchor: str
    """The region that represents it in examples and on the globe."""
    aliases: frozenset[str] = field(default_factory=frozenset)
    """Other names that people use for it, in lower case."""


MULTI_REGIONS = {
    "us": MultiRegion(part="us", anchor="us-central1", aliases=frozenset({"america", "usa", "united-states"})),
    "eu": MultiRegion(part="europe", anchor="europe-west1", aliases=frozenset({"europe"})),
    "asia": MultiRegion(part="asia", anchor="asia-east1"),
}

#: Cloud Storage has these too; images can't be stored in them.
DUAL_REGIONS = frozenset({"nam4", "eur4", "asia1"})

#: Region → latitude and longitude of its city, to 0.1 degree. These regions had an endpoint in Compute's v1 discovery
#: document in November 2026.
REGIONS = {
    "africa-south1": (-26.2, 28.0),
    "asia-east1": (24.1, 120.5),
    "asia-east2": (22.3, 114.2),
    "asia-northeast1": (35.7, 139.7),
    "asia-northeast2": (34.7, 135.5),
    "asia-northeast3": (37.6, 127.0),
    "asia-south1": (19.1, 72.9),
    "asia-south2": (28.6, 77.2),
    "asia-southeast1": (1.3, 103.8),
    "asia-southeast2": (-6.2, 106.8),
    "asia-southeast3": (13.8, 100.5),
    "australia-southeast1": (-33.9, 151.2),
    "australia-southeast2": (-37.8, 145.0),
    "europe-central2": (52.2, 21.0),
    "europe-north1": (60.6, 27.2),
    "europe-north2": (59.3, 18.1),
    "europe-southwest1": (40.4, -3.7),
    "europe-west1": (50.5, 3.8),
    "europe-west2": (51.5, -0.1),
    "europe-west3": (50.1, 8.7),
    "europe-west4": (53.4, 6.8),
    "europe-west6": (47.4, 8.5),
    "europe-west8": (45.5, 9.2),
    "europe-west9": (48.9, 2.4),
    "europe-west10": (52.5, 13.4),
    "europe-west12": (45.1, 7.7),
    "me-central1": (25.3, 51.5),
    "me-central2": (26.4, 50.1),
    "me-west1": (32.1, 34.8),
    "northamerica-northeast1": (45.5, -73.6),
    "northamerica-northeast2": (43.7, -79.4),
    "northamerica-south1": (20.6, -100.4),
    "southamerica-east1": (-23.5, -46.6),
    "southamerica-west1": (-33.4, -70.7),
    "us-central1": (41.3, -95.9),
    "us-east1": (33.2, -80.0),
    "us-east4": (39.0, -77.5),
    "us-east5": (40.0, -83.0),
    "us-south1": (32.8, -96.8),
    "us-west1": (45.6, -121.2),
    "us-west2": (34.1, -118.2),
    "us-west3": (40.8, -111.9),
    "us-west4": (36.2, -115.1),
}

#: The parts of the world that have regions: the first words of their names.
PARTS = frozenset(name.partition("-")[0] for name in REGIONS)

#: Parts of the world that lie on the continent of another part.
_CONTINENTS = {"northamerica": "us"}

#: Regions of other universes than Google's public one begin with a letter of their own: `u-germany-northeast1`.
_REGION = re.compile(r"(?:[a-z]-)?[a-z]+-[a-z]+[0-9]+")
_ZONE = re.compile(rf"({_REGION.pattern})-[a-z]")
_EARTH_RADIUS_KM = 6371
#: Half the way round the globe, in km: the distance of a part of the world that is newer than the table.
FARTHEST = round(math.pi * _EARTH_RADIUS_KM)


@dataclass(frozen=True, slots=True)
class Ranked:
    """How near a location is to a place."""

    location: str
    tier: int
    """0: the place itself. 1: the multi-region that holds it. 2: the same continent. 3: the rest."""
    km: int | None
    """The great-circle distance; None if one of the two is in an unknown part of the world."""


def is_location(text: str) -> bool:
    """Return whether the text is a multi-region, or looks like a region."""
    return text in MULTI_REGIONS or bool(_REGION.fullmatch(text))


def region_of_zone(text: str) -> str | None:
    """Return the region of a zone; None if the text doesn't look like a zone."""
    zone = _ZONE.fullmatch(text)
    return zone[1] if zone else None


def multi_region_meant(text: str) -> str | None:
    """Return the multi-region that an alias (in lower case) means; None if it isn't an alias."""
    return next((name for name, multi in MULTI_REGIONS.items() if text in multi.aliases), None)


def part(location: str) -> str:
    """Return the part of the world that a location is in: `us`, `europe`, `asia` …"""
    name = location.partition("-")[0]
    return MULTI_REGIONS[name].part if name in MULTI_REGIONS else name


def example_zone(location: str) -> str:
    """Return a zone in a location, for examples. Every region has a zone `b`; not every region has a zone `a`."""
    region = MULTI_REGIONS[location].anchor if location in MULTI_REGIONS else location
    return f"{region}-b"


def order(place: str, locations: Iterable[str]) -> list[Ranked]:
    """Order locations by how near they are to a region or multi-region, nearest first.

    The continent comes before the distance, because data that crosses an ocean costs more to read.
    Names decide between equals.
    """
    ranked = [Ranked(location, _tier(place, location), _km(place, location)) for location in set(locations)]
    return sorted(ranked, key=lambda row: (*rank(place, row), row.location))


def rank(place: str, row: Ranked) -> tuple[int, int]:
    """Return what a location is ordered by before its name: tier and km, 0 where nobody knows where the bytes are."""
    if row.tier == 1 and place in MULTI_REGIONS:
        return row.tier, 0
    return row.tier, FARTHEST + 1 if row.km is None else row.km


def distance(one: str, other: str) -> int:
    """Return the great-circle distance of two locations in km; FARTHEST if one is in an unknown part of the world.

    A multi-region counts at its anchor, a region that is newer than the table at the mean of its part of the world.
    """
    km = _km(one, other)
    return FARTHEST if km is None else km


def _tier(place: str, location: str) -> int:
    if location == place:
        return 0
    if part(location) == part(place) and (location in MULTI_REGIONS or place in MULTI_REGIONS):
        return 1
    here, there = (_CONTINENTS.get(part(name), part(name)) for name in (place, location))
    return 2 if here == there and part(place) in PARTS else 3


@lru_cache(maxsize=65536)  # a summary orders a few locations for all regions, again and again
def _km(one: str, other: str) -> int | None:
    if one == other:
        return 0
    here, there = _point(one), _point(other)
    if here is None or there is None:
        return None
    (lat, lon), (other_lat, other_lon) = (map(math.radians, point) for point in (here, there))
    square = math.sin((other_lat - lat) / 2) ** 2
    square += math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    return round(2 * _EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, square))))


@lru_cache(maxsize=1024)
def _point(location: str) -> tuple[float, float] | None:
    """Return latitude and longitude; None in an unknown part of the world."""
    region = MULTI_REGIONS[location].anchor if location in MULTI_REGIONS else location
    if region in REGIONS:
        return REGIONS[region]
    near = [point for name, point in REGIONS.items() if part(name) == part(location)]
    if not near:
        return None
    return sum(lat for lat, _ in near) / len(near), sum(lon for _, lon in near) / len(near)
