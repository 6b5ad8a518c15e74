"""Decides which images may serve a place, in which order, which of them are right, and says why. Pure.

asked = candidates.within(place, entry.locations, fallback)    # nearest first
why = candidates.wrong(asked[0], image)                        # "" if the live image is right
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from replicator.core import locations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from replicator.core.images import Image, ImageRef
    from replicator.core.locations import Ranked

#: The farthest tier (see `locations.Ranked`) that each `fallback` allows.
FARTHEST_TIER = {"none": 1, "continent": 2, "nearest": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An image that serves a location, as an index or a family's lineage says."""

    ref: ImageRef
    id: str
    source_image_id: str
    family: str
    architecture: str
    image: Image | None = None
    """The live image, if it was read already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An offer, and how near it is to the place."""

    ranked: Ranked
    offer: Offer

    @property
    def location(self) -> str:
        """The location that the image serves."""
        return self.ranked.location


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A nearer image that isn't right, and why."""

    location: str
    image: str
    why: str


def ordered(place: str, offers: Mapping[str, Offer]) -> list[Candidate]:
    """Return all offers, nearest first."""
    return [Candidate(ranked=ranked, offer=offers[ranked.location]) for ranked in locations.order(place, offers.keys())]


def within(candidates: Iterable[Candidate], fallback: str) -> list[Candidate]:
    """Return those that are as near as `fallback` asks."""
    return [item for item in candidates if item.ranked.tier <= FARTHEST_TIER[fallback]]


def wrong(candidate: Candidate, image: Image | None, *, deprecated: str) -> str:
    """Return why the live image of that name isn't the one that was offered, or can't be used; empty if it can."""
    offer = candidate.offer
    if image is None:
        return "it does not exist"
    if image.id != offer.id:
        return f"another image has its name now, made {image.created.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if image.source_image_id != offer.source_image_id:
        return "it is a copy of another image than the index says"
    if (image.architecture or "ARCHITECTURE_UNSPECIFIED") != offer.architecture:
        return f"its architecture is {image.architecture or 'unspecified'}, not {offer.architecture}"
    if image.status != "READY":
        return f"it is {image.status}"
    if image.deprecated and (image.deprecated != "DEPRECATED" or deprecated == "skip"):
        named = f", and {image.replacement} is named in its place" if image.replacement else ""
        return f"it is marked {image.deprecated}{named}"
    return ""


def reason(place: str, chosen: Candidate, order: Sequence[Candidate], passed_over: Sequence[PassedOver]) -> str:
    """Return why this location serves the place, in one sentence without its full stop."""
    location, tier, km = chosen.location, chosen.ranked.tier, chosen.ranked.km
    if tier == 0:
        return f"{place} has a replica of its own"
    if tier == 1:
        return f"{location} holds {place}" if location in locations.MULTI_REGIONS else f"{location} lies in {place}"
    skipped = {item.location for item in passed_over}
    left = [item for item in order if item.location not in skipped]
    way = f"{km} km away" if km is not None else "and how far away that is isn't known"
    if km is None:
        return f"{place} is served from {location}, {way}"
    nearer = any(item.ranked.km is not None and item.ranked.km < km for item in left)
    where = " on its continent" if nearer else ""
    usable = "usable replica" if skipped else "replica"
    return f"{place} is served from {location}, {way}: there is no {usable} nearer{where}"


def strangeness(place: str) -> str:
    """Return what people should know of a place that this version doesn't know; empty for a known one."""
    if place in locations.REGIONS or place in locations.MULTI_REGIONS:
        return ""
    near = difflib.get_close_matches(place, locations.REGIONS, n=1, cutoff=0.85)
    meant = f" (did you mean {near[0]}?)" if near else ""
    part = locations.part(place)
    if part in locations.PARTS:
        counts = f"it counts at the middle of the regions {part}-*"
    else:
        counts = "replicas are ordered by their names, for nobody knows in which part of the world it is"
    return f"This version doesn't know the region {place}{meant}, so {counts}."


def listed(passed_over: Sequence[PassedOver], *, most: int = 6) -> str:
    """Return what was passed over and why, for people."""
    told = [f"{item.location}: {item.image}: {item.why}" for item in passed_over[:most]]
    return "; ".join([*told, *([f"{len(passed_over) - most} more"] if len(passed_over) > most else [])])
