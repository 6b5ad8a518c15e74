"""What plans cost, against fractions: a thousand plans, each with sizes, prices and images of its own."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from replicator.core.locations import MULTI_REGIONS, REGIONS
from replicator.replicas.cost import words
from replicator.replicas.cost.estimate import estimate, rounded
from testkit.costs import GIB, existing, listed, planned

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.core.replicas import Existing

PLACES = [*MULTI_REGIONS, *REGIONS]
EACH = 20
#: What is there under a replica's name, and whether a copy is to be made all the same.
THERE: list[tuple[Callable[[str], Existing | None], bool]] = [
    (lambda _: None, True),
    (lambda location: existing(location), False),
    (lambda location: existing(location, status="PENDING"), False),
    (lambda location: existing(location, status="DELETING"), True),
    (lambda location: existing(location, status="FAILED", family=""), True),
    (lambda location: existing(location, storage_locations=("me-west1", location)), False),
]


@pytest.mark.parametrize("seed", range(50))
def test_totals_are_those_of_an_oracle(record_property: Callable[[str, object], None], seed: int) -> None:
    lots = random.Random(seed)
    for _ in range(EACH):
        locations = lots.sample(PLACES, lots.randint(1, 12))
        size = lots.choice([0, 1, lots.randrange(10**4), lots.randrange(10**11), lots.randrange(2**63)])
        known = {
            place: lots.choice([None, "0", f"0.{lots.randrange(10**9):09}", f"{lots.randrange(100)}.05"])
            for place in lots.sample(PLACES, lots.randint(1, 40))
        }
        found, wanted = {}, []
        for location in locations:
            make, is_made = lots.choice(THERE)
            if there := make(location):
                found[location] = there
            wanted += [location] if is_made and location != "us" else []
        cost = estimate(planned(locations, size, found), listed(known))
        priced = [Fraction(known[place] or "") for place in wanted if size and known.get(place) is not None]
        month = sum(priced, Fraction(0)) * size / GIB
        assert [line.location for line in cost.lines] == wanted
        assert Fraction(cost.month) == month
        assert Fraction(rounded(cost.month)) == round(month, 2)
        unknown = [place for place in wanted if not size or known.get(place) is None]
        assert list(cost.unknown_locations) == unknown
        assert {line.location for line in cost.lines if line.month is None} == set(unknown)
        told = words.as_dict(cost)
        assert told["month"] == (None if unknown and len(unknown) == len(wanted) else f"{float(round(month, 2)):.2f}")
    record_property("counted", ("costs of random plans", EACH))
