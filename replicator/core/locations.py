"""Lists the storage locations: regions and coordinates, which multi-region or part of the world each belongs to.

This is the one table of places. Regions that are newer than the table are accepted by the form of their names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


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

#: Part of the world (the first word of its regions' names) → longitude of its middle, roughly, in degrees east.
PARTS = {
    "us": -95,
    "northamerica": -85,
    "southamerica": -60,
    "europe": 10,
    "africa": 25,
    "me": 45,
    "asia": 110,
    "australia": 145,
}

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

_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_ZONE = re.compile(rf"({_REGION.pattern})-[a-z]")
#: The distance, in degrees, of a part of the world that is newer than the table: it could lie anywhere.
_FARTHEST = 180


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


def region_prefix(location: str) -> str:
    """Return the common prefix of the names of all regions in a location: `europe` for `eu`, a region's own name."""
    return MULTI_REGIONS[location].part if location in MULTI_REGIONS else location


def example_zone(location: str) -> str:
    """Return a zone in a location, for examples. Every region has a zone `b`; not every region has a zone `a`."""
    region = MULTI_REGIONS[location].anchor if location in MULTI_REGIONS else location
    return f"{region}-b"


def distance(one: str, other: str) -> int:
    """Return the distance of two locations in degrees of longitude; 0 within one part of the world."""
    if part(one) == part(other):
        return 0
    here, there = PARTS.get(part(one)), PARTS.get(part(other))
    if here is None or there is None:
        return _FARTHEST
    apart = abs(here - there)
    return min(apart, 360 - apart)
