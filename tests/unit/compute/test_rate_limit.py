from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.compute.rate_limit import Budget, Request


@pytest.mark.parametrize(
    ("method", "changes"),
    [("get", False), ("list", False), ("getFromFamily", False), ("getIamPolicy", False), ("wait", False)]
    + [(name, True) for name in ("insert", "patch", "setLabels", "setIamPolicy", "delete")],
)
def test_reads_and_changes(method: str, *, changes: bool) -> None:
    assert Request(f"compute.images.{method}", "p1", lambda: None).changes is changes


@given(
    allowed=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 30), max_size=80),
    refused=st.sets(st.integers(0, 79), max_size=3),
)
def test_never_more_than_allowed_in_any_minute(allowed: int, pauses: list[float], refused: set[int]) -> None:
    budget, now, sent = Budget(allowed), 0.0, list[float]()
    for number, pause in enumerate(pauses):
        now += pause
        delay = budget.opens(now) - now
        assert 0 <= delay < 61 + 1e-6
        now += delay
        assert budget.opens(now) - now < 1e-6
        budget.spend(now)
        sent.append(now)
        assert sum(1 for moment in sent if moment > now - 60) <= allowed
        if number in refused:
            budget.refused(now, 60)
            assert budget.opens(now) - now > 59.9


@given(began=st.floats(0, 10**6), allowed=st.integers(1, 3), spent=st.integers(0, 4))
def test_when_it_opens_it_is_free(began: float, allowed: int, spent: int) -> None:
    """To the last bit: whoever came back at that moment in vain would come back at it for ever."""
    budget = Budget(allowed)
    for _ in range(spent):
        budget.spend(began)
    opens = budget.opens(began)
    assert (budget.free(began) >= 1) is (opens == began)
    assert budget.free(opens) >= 1


def test_what_was_not_done_is_taken_back() -> None:
    budget = Budget(2)
    for moment in (10.0, 40.0):
        budget.spend(moment)
    budget.unspend(10.0)
    assert (budget.free(40.0), budget.opens(40.0)) == (1, 40.0)
    budget.spend(50.0)
    assert budget.opens(50.0) == 101.0
    budget.unspend(10.0)
    assert budget.opens(50.0) == 101.0, "it was taken back already"


def test_a_refusal_halves_it_once_for_all_that_was_under_way() -> None:
    budget = Budget(375)
    for _ in range(100):
        budget.spend(0.0)
    for moment in (1.0, 1.5, 2.0):
        budget.refused(moment, 60)
    assert (budget.allowed, budget.opens(2.0)) == (50, 62.0)
    budget.refused(100.0, 15)
    assert budget.allowed == 10


def test_it_never_gets_lower_than_ten_by_refusals() -> None:
    budget = Budget(375)
    for number in range(5):
        budget.spend(100.0 * number)
        budget.refused(100.0 * number, 60)
    assert budget.allowed == 10
