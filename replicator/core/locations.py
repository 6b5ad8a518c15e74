"""Which storage location is near which: for copies of copies. Pure."""

from __future__ import annotations

#: Where the parts of the world that locations are named after lie, roughly, in degrees east.
_DEGREES_EAST = {
    "us": -95,
    "northamerica": -85,
    "southamerica": -60,
    "eu": 10,
    "europe": 10,
    "africa": 25,
    "me": 45,
    "asia": 110,
    "australia": 145,
}
#: Nobody knows where a part of the world lies that is newer than this.
_FARTHEST = 180


def part(location: str) -> str:
    """The part of the world that a multi-region or region lies in: `us`, `europe`, `asia` …"""
    name = location.partition("-")[0]
    return "europe" if name == "eu" else name


def distance(one: str, other: str) -> int:
    """How far two locations are from each other, in degrees; 0 within one part of the world."""
    if part(one) == part(other):
        return 0
    here, there = _DEGREES_EAST.get(part(one)), _DEGREES_EAST.get(part(other))
    if here is None or there is None:
        return _FARTHEST
    apart = abs(here - there)
    return min(apart, 360 - apart)
