from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from replicator.inputs.price_list import shipped
from replicator.replicas.cost import words
from replicator.replicas.cost.estimate import Cost, estimate
from testkit.costs import GIB, existing, listed, planned

DAY = date(2026, 1, 1)
NO_TRANSFER = "transfer not included: no published price was found"


def told(locations: list[str], size: int, prices: dict[str, str | None], day: date = DAY, **fields: Any) -> list[str]:
    plan = planned(locations, size)
    return words.lines(plan, estimate(plan, listed(prices, **fields)), day)


def test_as_specified() -> None:
    """The sentence of the specification, whole."""
    (said,) = told(["eu", "asia"], 500_000_000, {"us-central1": "0.05", "*": "0.05"}, assumed=True)
    assert said == (
        "2 to copy, 0.5 GB each = 1.0 GB more in storage, about $0.05 a month "
        f"(list price of us-central1 assumed, 2026-01-01; {NO_TRANSFER})"
    )


def test_known_prices() -> None:
    (one,) = told(["eu"], GIB, {"eu": "0.05"})
    assert one.endswith(f"storage, about $0.05 a month (list price of eu, 2026-01-01; {NO_TRANSFER})")
    (two,) = told(["eu", "asia"], GIB, {"eu": "0.05", "asia": "0.1"}, transfer_gib="0.08", currency="EUR")
    assert two.endswith(
        "storage, about EUR 0.15 a month (list prices, 2026-01-01; and about EUR 0.16 once for transfer)"
    )


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (GIB // 10, "about $0.01 a month"),
        (GIB // 20, "less than $0.01 a month"),
        (1, "less than $0.01 a month"),
        (GIB * 10**6, "about $100000.00 a month"),
    ],
)
def test_small_and_large_amounts(size: int, says: str) -> None:
    (line,) = told(["eu"], size, {"eu": "0.1"})
    assert f"storage, {says} (list" in line


def test_nothing_is_said_to_cost_nothing_only_where_it_is_free() -> None:
    assert "about $0.00 a month" in told(["eu"], GIB, {"eu": "0"})[0]
    assert "$" not in told(["eu"], GIB, {"eu": None})[0]
    assert told(["us"], GIB, {"eu": "0.05"}) == ["nothing to copy", "stored already: us"]


def test_unknown_places_are_named() -> None:
    (line,) = told(["eu", "asia", "me-west1"], GIB, {"asia": "0.05"})
    assert line.endswith(
        f", about $0.05 a month for asia (list price of asia, 2026-01-01; {NO_TRANSFER}); eu, me-west1: no price known"
    )
    assert told(["eu"], GIB, {"us": "0.05"}) == ["1 to copy, 1.1 GB each = 1.1 GB more in storage; eu: no price known"]
    many = [f"us-east{number}" for number in range(1, 10)]
    assert told(many, GIB, {"us": "1"})[0].endswith("; 9 locations: no price known")
    assert told(["eu"], 0, {"eu": "1"}) == [
        "1 to copy, unknown size each; its size is unknown, and so is what it costs"
    ]


def test_without_prices_only_sizes_are_told() -> None:
    plan = planned(["us", "eu"], GIB, {"asia": existing("asia")})
    assert words.lines(plan, None, DAY) == ["1 to copy, 1.1 GB each = 1.1 GB more in storage"]


@pytest.mark.parametrize(("days", "old"), [(180, False), (181, True), (-1, False)])
def test_prices_are_old_after_180_days(days: int, old: bool) -> None:
    said = told(["eu"], GIB, {"eu": "1"}, DAY + timedelta(days=days))
    assert (said[1:] == [words.age(listed({"eu": "1"}), DAY + timedelta(days=days))]) is old
    assert len(said) == 1 + old


def test_those_of_this_version_were_old_from_the_first_day() -> None:
    assert words.age(shipped(), date(2026, 11, 29)) == (
        "prices are of 2024-07-01, more than 180 days ago; `gce-image-replicator prices update` reads newer ones"
    )


def test_the_table() -> None:
    def cost(prices: dict[str, str | None], **fields: Any) -> Cost:
        return estimate(planned(["eu", "asia", "us-central1"], GIB), listed(prices, **fields))

    assert list(words.table(cost({"us-central1": "0.05", "*": "0.05", "asia": None}, assumed=True))) == [
        ["eu", "1.000 GiB", "about $0.05 a month (price of us-central1 assumed)"],
        ["asia", "1.000 GiB", "no price known"],
        ["us-central1", "1.000 GiB", "about $0.05 a month"],
    ]
