"""Rewrites references of images to the mirror that serves a zone, or says why they stay as they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted
from replicator.commands.registry import mirrors, references
from replicator.core import locations

if TYPE_CHECKING:
    from replicator.commands.registry.mirrors import Image, Mirror, Mirrors

#: What people write for machines that are not Google's.
ELSEWHERE = frozenset({"", "none"})


class BadZone(ValueError):
    """A text that is neither a zone nor a region."""


class NoMirror(Exception):
    """A zone has no mirror of an upstream, and the configuration wants that to be an error."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A reference as it is to be used in a zone."""

    image: Image
    text: str
    mirror: Mirror | None
    """The mirror that it leads to now; None if it is unchanged."""
    why: str

    @property
    def given(self) -> references.Reference:
        """The reference as it was given."""
        return self.image.reference

    @property
    def newname(self) -> str:
        """The rewritten reference without tag and digest."""
        return f"{self.mirror.uri}/{self.image.path}" if self.mirror else self.given.name


def rewrite(reference: str, zone: str, known: Mirrors) -> Rewritten:
    """Rewrite one reference for a zone (or a region); a zone that is empty or `none` is not Google's.

    Path, tag and digest stay byte for byte; only the host, compared whole, decides. Raises BadReference, BadZone, and
    NoMirror where the zone's part of the world is to have a mirror and has none.
    """
    image = known.image(references.parse(reference))
    mirror, why = choose(image.upstream, zone, known)
    text = f"{mirror.uri}/{image.path}{image.reference.suffix}" if mirror else image.reference.text
    return Rewritten(image, text, mirror, why)


def choose(upstream: str, zone: str, known: Mirrors) -> tuple[Mirror | None, str]:
    """Return the mirror that serves an upstream in a zone, if any, and why. Raises BadZone or NoMirror."""
    if zone in ELSEWHERE:
        return None, "no zone of Google's is given"
    region = region_of(zone)
    there = known.of(upstream)
    if references.is_googles(upstream):
        return None, f"{upstream} is Google's own registry"
    if not there:
        return None, f"{upstream} has no mirror"
    part = region.partition("-")[0]
    home = references.repository(upstream)
    for place in (region, part):
        if place in there:
            return there[place], f"{place} has a mirror of {upstream}"
        if home and home["location"] == place:
            return None, f"{upstream} is in {place} itself"
        wanted = known.zones.get(place, _built_in(place))
        if wanted == mirrors.DIRECT:
            return None, f"zones says direct for {place}"
        if wanted in there:
            return there[wanted], f"zones says {wanted} for {place}"
        if wanted:
            raise _none(upstream, zone, wanted if wanted != mirrors.ERROR else "", there)
    return None, f"nothing says which mirror serves {part}"


def region_of(zone: str) -> str:
    """Return the region of a zone; a region is its own. Raises BadZone."""
    region = locations.region_of_zone(zone) or zone
    if region in locations.MULTI_REGIONS or not locations.is_location(region):
        lower = zone.lower()
        is_one = lower != zone and locations.is_location(locations.region_of_zone(lower) or lower)
        write = f"'{lower}'" if is_one else "one such as us-central1-a"
        raise BadZone(f"{quoted(zone)} isn't a zone or region; write {write}, or none outside Google")
    return region


def _built_in(place: str) -> str:
    """Return the location that serves a part of the world that has a multi-region of its own; else nothing."""
    return place if place in mirrors.MULTI_REGIONS else ""


def _none(upstream: str, zone: str, wanted: str, there: dict[str, Mirror]) -> NoMirror:
    part = zone.partition("-")[0]
    lacks = wanted or part
    add = lacks if mirrors.is_location(lacks) else region_of(zone)
    mapped = f"its prefix is {part}, and " if wanted and wanted != part else "prefix "
    listed = ", ".join(sorted(there))
    return NoMirror(
        f"zone {zone}: {mapped}{lacks} has no mirror of {upstream} (provisioned: {listed}). Add {add} to "
        f"locations and run `registry ensure`, or map it: zones: {{{part}: {max(there)}}}"
    )
