from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from googleapiclient.discovery_cache import DISCOVERY_DOC_DIR
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import spread
from replicator.core import locations, validation
from replicator.replicas.settings import Settings

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

    def test_every_part_of_the_world_has_a_region_and_its_middle_is_near_them(self) -> None:
        for part, middle in locations.PARTS.items():
            degrees = [place[1] for name, place in locations.REGIONS.items() if locations.part(name) == part]
            assert min(degrees) - 10 <= middle <= max(degrees) + 10, part

    @pytest.mark.parametrize("name", locations.MULTI_REGIONS)
    def test_every_multi_region_is_a_location_with_an_anchor_among_its_regions(self, name: str) -> None:
        multi = locations.MULTI_REGIONS[name]
        assert validation.location_problem(name) == ""
        assert multi.anchor in locations.REGIONS
        assert locations.part(multi.anchor) == locations.part(name) == multi.part
        assert multi.anchor.startswith(f"{locations.region_prefix(name)}-")

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
        assert locations.region_prefix(region) == region

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
        assert region.startswith(locations.region_prefix(location))

    @pytest.mark.parametrize("name", locations.MULTI_REGIONS)
    def test_other_names_of_a_multi_region_are_hints(self, name: str) -> None:
        for alias in locations.MULTI_REGIONS[name].aliases:
            for spelling in (alias, alias.upper()):
                assert validation.location_problem(spelling).endswith(f"write '{name}'")
        assert locations.multi_region_meant(name) is None


class TestDistance:
    @given(LOCATION, LOCATION)
    def test_it_is_the_same_both_ways_and_at_most_half_the_globe(self, one: str, other: str) -> None:
        assert 0 <= locations.distance(one, other) == locations.distance(other, one) <= 180

    @given(LOCATION, LOCATION)
    def test_it_is_nothing_within_one_part_of_the_world_only(self, one: str, other: str) -> None:
        assert (locations.distance(one, other) == 0) == (locations.part(one) == locations.part(other))

    @given(LOCATION)
    def test_an_unknown_part_of_the_world_is_farthest(self, location: str) -> None:
        assert locations.distance(location, "atlantis-south1") in {180, 0}
        assert locations.part(location) == "atlantis" or locations.distance(location, "atlantis-south1") == 180
