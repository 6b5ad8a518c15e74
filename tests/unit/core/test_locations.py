from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from googleapiclient.discovery_cache import DISCOVERY_DOC_DIR
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import spread
from replicator.core import locations, validation
from replicator.replicas.settings import Settings

if TYPE_CHECKING:
    from random import Random

KNOWN = st.sampled_from([*locations.MULTI_REGIONS, *locations.REGIONS])
#: Regions as they could be called some day, some of them in a part of the world that nobody has heard of.
NEWER = st.from_regex(r"[a-z]{1,12}-[a-z]{1,12}[0-9]{1,3}", fullmatch=True)
LOCATION = KNOWN | NEWER


class TestTable:
    def test_it_has_every_region_that_google_names(self) -> None:
        """The regions of Compute's own endpoints, from the discovery document that google-api-python-client ships."""
        document = json.loads((Path(DISCOVERY_DOC_DIR) / "compute.v1.json").read_text(encoding="utf-8"))
        assert set(locations.REGIONS) >= {item["location"] for item in document["endpoints"]}
        assert len(locations.REGIONS) == 43

    @pytest.mark.parametrize("region", locations.REGIONS)
    def test_every_region_is_a_location_on_the_globe_in_a_known_part_of_the_world(self, region: str) -> None:
        assert validation.location_problem(region) == ""
        assert region not in locations.MULTI_REGIONS
        assert locations.part(region) in locations.PARTS
        latitude, longitude = locations.REGIONS[region]
        assert -90 < latitude < 90
        assert -180 < longitude < 180
        assert (round(latitude, 1), round(longitude, 1)) == (latitude, longitude)

    @pytest.mark.parametrize("name", locations.MULTI_REGIONS)
    def test_every_multi_region_is_a_location_with_an_anchor_among_its_regions(self, name: str) -> None:
        multi = locations.MULTI_REGIONS[name]
        assert validation.location_problem(name) == ""
        assert multi.anchor in locations.REGIONS
        assert locations.part(multi.anchor) == locations.part(name) == multi.part

    def test_no_name_means_two_things(self) -> None:
        names = [
            *locations.REGIONS,
            *locations.MULTI_REGIONS,
            *locations.DUAL_REGIONS,
            *(alias for multi in locations.MULTI_REGIONS.values() for alias in multi.aliases),
        ]
        assert len(names) == len(set(names))
        assert [name for name in names if name != name.lower()] == []

    def test_what_others_say_of_locations_is_what_the_table_says(self) -> None:
        assert Settings.model_fields["locations"].default == tuple(locations.MULTI_REGIONS)
        assert sorted(spread.REGIONS) == sorted(locations.REGIONS)


class TestForm:
    @given(NEWER)
    def test_newer_regions_are_accepted(self, region: str) -> None:
        assert locations.is_location(region)
        assert validation.location_problem(region) == ""

    @given(st.text(max_size=20) | st.from_regex(r"([a-z]-)?[a-z]+-[a-z]+[0-9]+", fullmatch=False))
    def test_a_location_is_a_known_name_or_has_the_form_of_a_region(self, text: str) -> None:
        expected = text in {"us", "eu", "asia"} or bool(re.fullmatch(r"([a-z]-)?[a-z]+-[a-z]+[0-9]+", text))
        assert locations.is_location(text) == expected
        assert (validation.location_problem(text) == "") == expected

    @given(LOCATION.filter(lambda name: name not in locations.MULTI_REGIONS))
    def test_a_zone_is_no_location_and_knows_its_region(self, region: str) -> None:
        for letter in "abcf":
            zone = f"{region}-{letter}"
            assert not locations.is_location(zone)
            assert locations.region_of_zone(zone) == region
            assert f"write its region, '{region}'" in validation.location_problem(zone)
        assert locations.region_of_zone(region) is None

    @given(LOCATION)
    def test_an_example_is_a_zone_in_the_location(self, location: str) -> None:
        region = locations.region_of_zone(locations.example_zone(location))
        assert region is not None
        assert locations.part(region) == locations.part(location)
        assert region == location or location in locations.MULTI_REGIONS

    @pytest.mark.parametrize("name", locations.MULTI_REGIONS)
    def test_other_names_of_a_multi_region_are_hints(self, name: str) -> None:
        for alias in locations.MULTI_REGIONS[name].aliases:
            for spelling in (alias, alias.upper()):
                assert validation.location_problem(spelling).endswith(f"write '{name}'")
        assert locations.multi_region_meant(name) is None


class TestDistance:
    @given(LOCATION, LOCATION)
    def test_it_is_the_same_both_ways_and_at_most_half_the_globe(self, one: str, other: str) -> None:
        assert 0 <= locations.distance(one, other) == locations.distance(other, one) <= locations.FARTHEST

    @given(LOCATION, LOCATION, LOCATION)
    def test_no_way_round_is_shorter(self, one: str, other: str, via: str) -> None:
        known = [name for name in (one, other, via) if locations.part(name) in locations.PARTS]
        if len(known) == 3:
            # Each of the three is rounded.
            assert locations.distance(one, other) <= locations.distance(one, via) + locations.distance(via, other) + 2

    @pytest.mark.parametrize(
        ("one", "other", "km"),
        [
            ("asia-northeast1", "asia-south1", 6700),
            ("europe-west9", "europe-central2", 1370),
            ("me-west1", "eu", 3260),
            ("africa-south1", "eu", 8855),
            ("africa-south1", "asia", 11395),
            ("southamerica-east1", "eu", 9599),
        ],
    )
    def test_it_is_as_on_a_globe(self, one: str, other: str, km: int) -> None:
        assert abs(locations.distance(one, other) - km) <= km / 50

    @given(LOCATION)
    def test_an_unknown_part_of_the_world_is_farthest(self, location: str) -> None:
        expected = 0 if location == "atlantis-south1" else locations.FARTHEST
        assert locations.distance(location, "atlantis-south1") == expected


class TestOrder:
    @given(LOCATION, st.lists(LOCATION, unique=True), st.randoms())
    def test_it_is_total_and_does_not_depend_on_how_it_is_asked(
        self, place: str, there: list[str], rng: Random
    ) -> None:
        found = locations.order(place, there)
        assert sorted(row.location for row in found) == sorted(there)
        rng.shuffle(there)
        assert locations.order(place, there) == found

    @given(LOCATION, st.lists(LOCATION, min_size=1), LOCATION)
    def test_one_more_location_never_makes_the_first_choice_farther(
        self, place: str, there: list[str], more: str
    ) -> None:
        before, after = locations.order(place, there)[0], locations.order(place, [*there, more])[0]
        assert after == before or after.location == more
        assert after.tier <= before.tier

    def test_the_place_then_what_holds_it_then_the_continent_then_the_rest(self) -> None:
        there = ["asia", "us-west1", "northamerica-south1", "us", "us-east4", "europe-west1", "atlantis-south1"]
        assert [(row.location, row.tier) for row in locations.order("us-east4", there)] == [
            ("us-east4", 0),
            ("us", 1),
            ("northamerica-south1", 2),
            ("us-west1", 2),
            ("europe-west1", 3),
            ("asia", 3),
            ("atlantis-south1", 3),
        ]

    @pytest.mark.parametrize(
        ("place", "first", "nearer"),
        [("us-east1", "us", "us-east4"), ("asia-south1", "asia-northeast1", "me-central1")],
    )
    def test_what_holds_the_place_and_the_continent_come_before_the_distance(
        self, place: str, first: str, nearer: str
    ) -> None:
        assert locations.distance(place, nearer) < locations.distance(place, first)
        assert locations.order(place, [nearer, first])[0].location == first

    def test_from_a_multi_region_its_members_come_by_name_and_the_rest_as_from_its_anchor(self) -> None:
        there = ["europe-west9", "europe-central2", "asia", "us", "eu", "me-west1"]
        found = [row.location for row in locations.order("eu", there)]
        assert found == ["eu", "europe-central2", "europe-west9", "me-west1", "us", "asia"]

    def test_who_has_no_multi_region_is_served_from_the_nearest(self) -> None:
        first = {region: locations.order(region, ["us", "eu", "asia"])[0].location for region in locations.REGIONS}
        expected = {"us": "us", "northamerica": "us", "southamerica": "us", "europe": "eu", "me": "eu", "africa": "eu"}
        expected |= {"asia": "asia", "australia": "asia"}
        assert first == {region: expected[locations.part(region)] for region in locations.REGIONS}

    def test_an_unknown_part_of_the_world_goes_by_name(self) -> None:
        found = locations.order("atlantis-south1", ["us", "eu", "atlantis-north1"])
        assert [(row.location, row.tier, row.km) for row in found] == [
            ("atlantis-north1", 3, None),
            ("eu", 3, None),
            ("us", 3, None),
        ]
