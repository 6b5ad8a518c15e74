from __future__ import annotations

from decimal import Decimal

import pytest

from replicator.inputs.price_list import shipped
from replicator.replicas import plan as planning
from replicator.replicas.cost import words
from replicator.replicas.cost.estimate import estimate, rounded
from replicator.replicas.settings import Settings
from testkit.costs import GIB, existing, listed, made, planned
from testkit.make import PUBLIC, image


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        ("0.005", "0.00"),
        ("0.015", "0.02"),
        ("0.025", "0.02"),
        ("0.0250000001", "0.03"),
        ("1e15", "1000000000000000.00"),
    ],
)
def test_half_a_cent_goes_to_the_even_one(amount: str, cents: str) -> None:
    assert str(rounded(Decimal(amount))) == cents


def test_a_gib_is_binary_and_sums_are_exact() -> None:
    assert made(["eu"], 500_000_000, {"eu": "0.05"}).month == Decimal(500_000_000) / GIB * Decimal("0.05")
    cost = made(["eu", "asia"], GIB // 4, {"eu": "0.10", "asia": "0.10"})
    assert [str(line.month) for line in cost.lines] == ["0.0250", "0.0250"]
    # Each line alone rounds to 0.02, the sum does not.
    assert words.as_dict(cost)["month"] == "0.05"
    assert [line["month"] for line in words.as_dict(cost)["lines"]] == ["0.02", "0.02"]


def test_what_is_unknown_is_never_nothing() -> None:
    for cost in (made(["eu"], GIB, {"eu": None}), made(["eu"], GIB, {"us": "0.05"}), made(["eu"], 0, {"eu": "0.05"})):
        assert cost.unknown_locations == ("eu",)
        assert cost.lines[0].month is None
        told = words.as_dict(cost)
        assert (told["month"], told["lines"][0]["month"], told["unknown"]) == (None, None, ["eu"])
    free = words.as_dict(made(["eu"], GIB, {"eu": "0"}))
    assert (free["month"], free["unknown"]) == ("0.00", [])
    some = words.as_dict(made(["eu", "asia"], GIB, {"eu": "0.05"}))
    assert (some["month"], some["unknown"]) == ("0.05", ["asia"])


def test_what_stands_already_is_no_cost() -> None:
    cost = estimate(planned(["us", "eu", "asia"], GIB, {"eu": existing("eu")}), listed({"eu": "1", "us": "1"}))
    assert ([line.location for line in cost.lines], cost.stored) == (["asia"], ("us", "eu"))
    nothing = words.as_dict(estimate(planned(["us"], GIB), listed({"us": "1"})))
    assert (nothing["month"], nothing["lines"], nothing["unknown"], nothing["stored"]) == ("0.00", [], [], ["us"])


def test_an_assumed_price_is_marked_and_a_stated_unknown_is_none() -> None:
    prices = {"us-central1": "0.05", "*": "0.05", "asia": None}
    cost = made(["us-central1", "eu", "asia"], GIB, prices, assumed=True)
    assert [(line.month, line.assumed) for line in cost.lines] == [
        (Decimal("0.05"), False),
        (Decimal("0.05"), True),
        (None, False),
    ]
    assert words.as_dict(cost)["assumed"] is True
    assert words.as_dict(made(["us-central1"], GIB, prices, assumed=True))["assumed"] is False


def test_transfer_is_once_and_only_away_from_home() -> None:
    cost = estimate(
        planned(["us", "eu", "asia"], 0, source=image(archive_size_bytes=GIB, storage_locations=("us",))),
        listed({"*": "0.05"}, assumed=True, transfer_gib="0.08"),
    )
    assert words.as_dict(cost)["transfer"] == "0.16"
    assert words.as_dict(made(["eu"], GIB, {"eu": "0.05"}))["transfer"] is None
    home = planning.replicas(Settings(locations=("us",), home_copy="true"), image(archive_size_bytes=GIB), PUBLIC)
    at_home = planning.make(Settings(), image(archive_size_bytes=GIB), PUBLIC, home, {})
    assert words.as_dict(estimate(at_home, listed({"us": "1"}, transfer_gib="1")))["transfer"] == "0.00"


def test_the_list_of_this_version_knows_one_place() -> None:
    known = {place: price for place, price in shipped().image_storage_gib_month.items() if price is not None}
    assert known == {"us-central1": Decimal("0.05")}
    assert shipped().transfer_gib is None
