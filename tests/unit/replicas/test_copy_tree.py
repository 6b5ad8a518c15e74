"""Tests which origin each copy is made of, against the best that brute force finds."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.core import locations as geography
from replicator.replicas import copy_tree
from replicator.replicas.copy_tree import SOURCE, Branch, Offer, assign, forecast

PLACES = [
    "us-west1",
    "us-east1",
    "europe-west1",
    "europe-north1",
    "asia-east1",
    "asia-south1",
    "me-west1",
    "us",
    "eu",
    "asia",
]

locations = st.lists(st.sampled_from(PLACES), unique=True)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[str], list[Offer]]:
    """Who waits, and what may be copied how often."""
    waiting = draw(locations)
    replicas = [place for place in draw(locations) if place not in waiting]
    free = st.integers(0, 4)
    source = Offer(name=SOURCE, location="us", free=draw(free | st.just(math.inf)))
    return waiting, [source, *(Offer(name=place, location=place, free=draw(free)) for place in replicas)]


class TestAssign:
    @given(world=worlds())
    def test_nobody_idles_and_nobody_is_asked_too_much(self, world: tuple[list[str], list[Offer]]) -> None:
        waiting, origins = world
        assigned = assign(waiting, origins)
        assert len(assigned) == min(len(waiting), sum(origin.free for origin in origins))
        used = Counter(assigned.values())
        assert all(used[origin.name] <= origin.free for origin in origins)
        assert set(assigned) <= set(waiting)

    @given(world=worlds())
    def test_the_source_is_enough(self, world: tuple[list[str], list[Offer]]) -> None:
        waiting, origins = world
        if origins[0].free >= len(waiting):
            assert set(assign(waiting, origins).values()) <= {SOURCE}

    @given(world=worlds())
    def test_no_two_would_rather_change_places(self, world: tuple[list[str], list[Offer]]) -> None:
        waiting, origins = world
        assigned = assign(waiting, origins)
        for one, other in itertools.combinations([at for at, name in assigned.items() if name != SOURCE], 2):
            now = [geography.distance(one, assigned[one]), geography.distance(other, assigned[other])]
            changed = [geography.distance(one, assigned[other]), geography.distance(other, assigned[one])]
            assert not max(changed) < min(now)

    def test_nearest_first(self) -> None:
        origins = [Offer(name=place, location=place, free=2) for place in ("us-east1", "europe-west1", "asia-east1")]
        waiting = ["europe-north1", "us-west1", "asia-south1", "me-west1", "southamerica-east1", "australia-southeast1"]
        assert assign(waiting, [Offer(name=SOURCE, location="us", free=0), *origins]) == {
            "europe-north1": "europe-west1",
            "us-west1": "us-east1",
            "asia-south1": "asia-east1",
            "me-west1": "europe-west1",
            "southamerica-east1": "us-east1",
            "australia-southeast1": "asia-east1",
        }

    def test_the_source_serves_each_part_of_the_world_by_how_many_wait_there(self) -> None:
        waiting = ["us-west1", "us-west2", "europe-west1", "europe-west2", "europe-west3", "asia-east1", "asia-east2"]
        served = assign(waiting, [Offer(name=SOURCE, location="us", free=3)])
        assert [geography.part(location) for location in served] == ["us", "europe", "asia"]


def test_the_distance_counts_within_a_part_of_the_world_too() -> None:
    origins = [Offer(name=place, location=place, free=1) for place in ("asia-northeast1", "asia-south1")]
    assigned = assign(["asia-south2", "asia-northeast3"], [Offer(name=SOURCE, location="us", free=0), *origins])
    assert assigned == {"asia-south2": "asia-south1", "asia-northeast3": "asia-northeast1"}


@cache
def fewest_waves(waiting: int, free: tuple[int, ...], most: int) -> int:
    """By trying every number of copies of every image in every wave."""
    if not waiting:
        return 0
    best = math.inf
    for taken in itertools.product(*(range(limit + 1) for limit in free)):
        made = sum(taken)
        if 0 < made <= waiting:
            left = [limit - used for limit, used in zip(free, taken, strict=True)] + [most] * made
            best = min(best, 1 + fewest_waves(waiting - made, tuple(sorted(left)), most))
    return int(best)


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("ready", [0, 1, 2])
@pytest.mark.parametrize("wanted", range(1, 6))
def test_no_schedule_is_shorter(wanted: int, ready: int, most: int) -> None:
    branches = forecast("us", PLACES[-ready:] if ready else [], PLACES[:wanted], most)
    assert max(branch.wave for branch in branches) == fewest_waves(wanted, (most,) * (1 + ready), most)


@given(wanted=locations, most=st.integers(1, 4))
def test_every_copy_is_made_once_of_what_stands_by_then(wanted: list[str], most: int) -> None:
    branches = forecast("us", [], wanted, most)
    assert sorted(branch.location for branch in branches) == sorted(wanted)
    made = {branch.location: branch.wave for branch in branches} | {SOURCE: 0}
    assert all(made[branch.origin] < branch.wave for branch in branches)
    assert all(count <= most for count in Counter(branch.origin for branch in branches).values())


def test_all_regions_take_three_waves() -> None:
    regions = [f"{part}-place{number}" for part in ("us", "europe", "asia", "me") for number in range(11)][:43]
    waves = Counter(branch.wave for branch in forecast("us", [], regions, 6))
    assert waves == {1: 6, 2: 36, 3: 1}


@given(wanted=locations, most=st.integers(1, 4))
def test_the_lead_is_copied_when_all_others_are_begun(wanted: list[str], most: int) -> None:
    branches = forecast("us", [], wanted, most, ["us-home1"])
    assert branches[-1].location == "us-home1"
    assert branches[-1].wave == max(branch.wave for branch in branches)


def test_one_wave() -> None:
    assert copy_tree.forecast("us", [], ["eu", "asia"], 6) == (Branch("eu", SOURCE, 1), Branch("asia", SOURCE, 1))
