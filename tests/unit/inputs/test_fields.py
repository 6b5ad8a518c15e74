"""How problems of inputs are told together."""

from __future__ import annotations

from replicator.core.errors import InputProblem
from replicator.inputs.fields import in_order


def test_problems_come_in_the_order_of_the_inputs() -> None:
    given = [InputProblem(name, text) for name, text in (("b", "1"), ("other", "2"), ("a", "3"), ("b", "4"))]
    assert [problem.text for problem in in_order(given, ["a", "b"])] == ["2", "3", "1", "4"]
