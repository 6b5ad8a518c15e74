from __future__ import annotations

from decimal import Decimal

import pytest

from replicator.replicas.cost import limit
from testkit.costs import GIB, made


@pytest.mark.parametrize(("allowed", "kept"), [("9.99", False), ("10.00", True), ("10.01", True), ("0", False)])
def test_a_cent_decides(allowed: str, kept: bool) -> None:
    cost = made(["eu", "asia"], 100 * GIB, {"eu": "0.05", "asia": "0.05"})
    assert cost.month == 10
    assert (limit.excess(cost, Decimal(allowed)) == "") is kept


def test_the_exact_amount_counts() -> None:
    cost = made(["eu"], 100 * GIB + 1, {"eu": "0.05"})
    assert limit.excess(cost, Decimal(5)).startswith("too_expensive: the plan costs a little more than that a month")
    assert limit.excess(cost, Decimal("4.99")) == (
        "too_expensive: the plan costs about $5.00 a month, and max_monthly_cost allows $4.99"
    )
    assert limit.remedy(cost) == ""


def test_what_is_unknown_is_above_every_limit() -> None:
    most = Decimal(10**8)
    unpriced = made(["eu", "asia"], GIB, {"asia": "0.05"})
    assert limit.excess(unpriced, most).startswith(
        "too_expensive: what the plan costs can't be told (no price is known for eu), and max_monthly_cost allows $1"
    )
    assert "prices update" in limit.remedy(unpriced)
    assert limit.excess(unpriced, Decimal(0)).startswith("too_expensive: the plan costs at least $0.05 a month")
    assert "its size is unknown" in limit.excess(made(["eu"], 0, {"eu": "0"}), most)


def test_nothing_to_copy_costs_nothing() -> None:
    assert limit.excess(made(["us"], GIB, {"eu": "0.05"}), Decimal(0)) == ""
    assert limit.excess(made(["eu"], GIB, {"eu": "0"}), Decimal(0)) == ""
