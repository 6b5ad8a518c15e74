"""Which image serves a place: for every region against a table that was reviewed by eye, and why in true words."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.commands.resolve import candidates
from replicator.commands.resolve.candidates import Offer, PassedOver
from replicator.core import locations
from replicator.core.images import ImageRef

LINES = (Path(__file__).parent / "nearest.txt").read_text(encoding="utf-8").splitlines()


def row(text: str) -> tuple[str, int, int]:
    location, tier, km = text.split("/")
    return location, int(tier), int(km)


#: Region → (location, tier, km), nearest first.
NEAREST = {line.split(": ")[0]: list(map(row, line.split(": ")[1].split())) for line in LINES if line[0] != "#"}
TWELVE = sorted(each[0] for each in NEAREST["us-central1"])


def offer(location: str) -> Offer:
    return Offer(ref=ImageRef("p1", f"web-{location}"), id="1", source_image_id="2", family="", architecture="X86_64")


def first(place: str, there: list[str]) -> candidates.Candidate:
    return candidates.ordered(place, {name: offer(name) for name in there})[0]


def test_the_table_holds_every_region_and_all_places() -> None:
    assert list(NEAREST) == list(locations.REGIONS)
    assert len(NEAREST) == 43
    for rows in NEAREST.values():
        assert sorted(each[0] for each in rows) == TWELVE
        assert len(set(TWELVE)) == 12


@pytest.mark.parametrize("region", NEAREST)
def test_every_region_gets_what_the_table_says(region: str) -> None:
    """Of us, eu and asia, and of each one and each two of the twelve locations."""
    rows = NEAREST[region]
    for there in (
        {"us", "eu", "asia"},
        *map(set, itertools.combinations(TWELVE, 1)),
        *map(set, itertools.combinations(TWELVE, 2)),
    ):
        expected = next(each for each in rows if each[0] in there)
        ranked = first(region, sorted(there)).ranked
        assert (ranked.location, ranked.tier, ranked.km) == expected


@pytest.mark.parametrize(("fallback", "tiers"), [("none", {0, 1}), ("continent", {0, 1, 2}), ("nearest", {0, 1, 2, 3})])
def test_fallback_keeps_what_is_near_enough(fallback: str, tiers: set[int]) -> None:
    order = candidates.ordered("us-east1", {name: offer(name) for name in TWELVE})
    kept = candidates.within(order, fallback)
    assert [item.ranked.tier for item in kept] == [item.ranked.tier for item in order if item.ranked.tier in tiers]
    assert {item.ranked.tier for item in kept} == tiers


@pytest.mark.parametrize(
    ("place", "there", "says"),
    [
        ("europe-west4", ["europe-west4", "eu"], "europe-west4 has a replica of its own"),
        ("eu", ["eu", "us"], "eu has a replica of its own"),
        ("europe-west4", ["eu", "us"], "eu holds europe-west4"),
        ("eu", ["europe-west9", "us"], "europe-west9 lies in eu"),
        (
            "asia-south1",
            ["eu", "us"],
            "asia-south1 is served from eu, 6913 km away: there is no replica nearer",
        ),
        (
            "asia-south1",
            ["asia-northeast1", "me-central1"],
            "asia-south1 is served from asia-northeast1, 6721 km away: there is no replica nearer on its continent",
        ),
        (
            "atlantis-south1",
            ["eu", "us"],
            "atlantis-south1 is served from eu, and how far away that is isn't known",
        ),
    ],
)
def test_the_reason_is_true(place: str, there: list[str], says: str) -> None:
    order = candidates.ordered(place, {name: offer(name) for name in there})
    assert candidates.reason(place, order[0], order, []) == says


def test_the_reason_does_not_forget_what_was_passed_over() -> None:
    order = candidates.ordered("asia-south1", {name: offer(name) for name in ("asia", "eu", "us")})
    gone = PassedOver(location="asia", image="projects/p1/global/images/web-asia", why="it does not exist")
    assert candidates.reason("asia-south1", order[1], order, [gone]) == (
        "asia-south1 is served from eu, 6913 km away: there is no usable replica nearer"
    )


@given(st.sampled_from(list(NEAREST)), st.sets(st.sampled_from(TWELVE), min_size=1), st.data())
def test_the_reason_claims_no_more_than_is_so(place: str, there: set[str], data: st.DataObject) -> None:
    order = candidates.ordered(place, {name: offer(name) for name in there})
    at = data.draw(st.integers(0, len(order) - 1))
    skipped = [PassedOver(location=item.location, image="", why="") for item in order[:at]]
    said = candidates.reason(place, order[at], order, skipped)
    km = order[at].ranked.km or 0
    if said.endswith("replica nearer"):
        assert all((item.ranked.km or 0) >= km for item in order[at:])
    assert ("usable" in said) == (bool(skipped) and order[at].ranked.tier > 1)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("europe-west4", ""),
        ("eu", ""),
        (
            "europe-wets4",
            "the region europe-wets4 (did you mean europe-west4?), so it counts at the middle of the regions e",
        ),
        ("europe-oceania1", "the region europe-oceania1, so it counts at the middle of the regions europe-*."),
        ("atlantis-south1", "replicas are ordered by their names"),
    ],
)
def test_a_place_that_is_not_in_the_table_is_told(place: str, says: str) -> None:
    assert says in candidates.strangeness(place)
    assert bool(candidates.strangeness(place)) == bool(says)
