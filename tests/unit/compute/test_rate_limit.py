from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.compute.rate_limit import Budget, Pace, Request


@pytest.mark.parametrize(
    ("method", "changes"),
    [("get", False), ("list", False), ("getFromFamily", False), ("getIamPolicy", False), ("wait", False)]
    + [(name, True) for name in ("insert", "patch", "setLabels", "setIamPolicy", "delete")],
)
def test_reads_and_changes(method: str, *, changes: bool) -> None:
    assert Request(f"compute.images.{method}", "p1", lambda: None).changes is changes


@given(allowed=st.integers(1, 20), pauses=st.lists(st.floats(0, 30), max_size=80))
def test_never_more_than_allowed_in_any_minute(allowed: int, pauses: list[float]) -> None:
    budget, now, sent = Budget(allowed), 0.0, list[float]()
    for pause in pauses:
        now += pause
        delay = budget.opens(now) - now
        assert 0 <= delay < 61 + 1e-6
        now += delay
        assert budget.opens(now) - now < 1e-6
        budget.spend(now)
        sent.append(now)
        assert sum(1 for moment in sent if moment > now - 60) <= allowed


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


def exhausted(pace: Pace, now: float) -> None:
    """The service refuses several calls in a row."""
    for call in range(5):
        pace.refused(f"{call} at {now}", now - 1, now - 1 / 2)
    pace.refused(f"one more at {now}", now, now)


def spent(pace: Pace, count: int, now: float) -> None:
    for _ in range(count):
        pace.spend(now)


class TestRefusals:
    def test_one_call_alone_says_nothing_of_others(self) -> None:
        """However often it is refused."""
        pace = Pace(375)
        spent(pace, 20, 0.0)
        for number in range(50):
            pace.refused("eu", number, number)
        assert (pace.allowed, pace.opens(50.0)) == (375, 50.0)

    def test_few_among_many_say_nothing(self) -> None:
        pace = Pace(375)
        for number in range(300):
            pace.spend(number / 10)
            if number % 5:
                pace.refused(number, number / 10, number / 10)
            else:
                pace.accepted(number / 10)
        assert (pace.allowed, pace.opens(30.0)) == (375, 30.0)

    def test_a_row_blocks_a_minute_and_halves_once(self) -> None:
        """What was under way meanwhile is refused, or taken, and tells nothing new."""
        pace = Pace(375)
        spent(pace, 100, 0.0)
        for number in range(30):
            pace.refused(number, 0.0, 1.0 + number / 100)
        assert (pace.allowed, pace.opens(2.0)) == (375, 2.0), "those of them that are taken may be answered later"
        for number in range(30):
            pace.refused(number, 2.0, 3.0 + number / 100)
        pace.accepted(2.0)
        assert (pace.allowed, pace.opens(4.0)) == (50, 64.0)

    @pytest.mark.parametrize(("sent", "allowed"), [(0.5, 50), (1.0, 50), (1.5, 375)])
    def test_what_is_taken_later_ends_the_row(self, sent: float, allowed: int) -> None:
        """What was sent before the first refusal was known may have had the last of the quota."""
        pace = Pace(375)
        spent(pace, 100, 0.0)
        for number in range(30):
            pace.refused(number, 0.0, 1.0)
        pace.accepted(sent)
        pace.refused(0, 2.0, 2.1)
        assert pace.allowed == allowed

    def test_the_service_may_ask_for_longer(self) -> None:
        pace = Pace(375)
        for call in range(6):
            pace.refused(call, call, call, seconds=200)
        assert pace.opens(5.0) == 204.0

    def test_never_lower_than_ten(self) -> None:
        pace = Pace(375)
        for number in range(8):
            spent(pace, 1, 100.0 * number)
            exhausted(pace, 100.0 * number)
        assert pace.allowed == 10

    def test_nor_higher_than_granted(self) -> None:
        pace = Pace(4)
        exhausted(pace, 0.0)
        assert pace.allowed <= 4


class TestRecovery:
    def test_by_the_minute_up_to_what_is_safe_and_then_to_all(self) -> None:
        pace = Pace(375)
        spent(pace, 300, 0.0)
        exhausted(pace, 0.0)
        allowed = []
        for minute in (1, 2, 3, 4, 15, 16, 17, 18, 19, 40):
            pace.opens(minute * 61.0)
            allowed.append(pace.allowed)
        assert allowed == [150, 187, 210, 210, 210, 247, 284, 321, 358, 375]

    def test_not_while_calls_are_refused(self) -> None:
        pace = Pace(375)
        spent(pace, 300, 0.0)
        exhausted(pace, 0.0)
        for second in range(100, 700, 30):
            pace.refused("a", second, second)
            pace.refused("b", second, second)
            pace.opens(second)
            pace.accepted(second)
        assert pace.allowed == 150

    def test_one_call_alone_holds_it_up_no_more_than_others(self) -> None:
        pace = Pace(375)
        spent(pace, 300, 0.0)
        exhausted(pace, 0.0)
        for second in range(62, 700, 30):
            pace.refused("a", second, second)
            pace.opens(second)
        assert pace.allowed == 210
