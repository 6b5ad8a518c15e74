from __future__ import annotations

from typing import Any

from replicator import chart, errors
from replicator.model import Outcome, ReplicaResult
from tests.make import replica


def row(location: str, **fields: Any) -> ReplicaResult:
    return ReplicaResult(replica=replica(location), **{"outcome": Outcome.CREATED, **fields})


def test_nothing_was_copied() -> None:
    assert chart.gantt([row("us", outcome=Outcome.SOURCE), row("eu", outcome=Outcome.ADOPTED, seconds=3)]) == []


def test_bars_are_milliseconds() -> None:
    late = row("asia", outcome=Outcome.INTERRUPTED, error=errors.Deadline("Late"), began=600.5, seconds=3600)
    lines = chart.gantt([row("us", outcome=Outcome.SOURCE), row("eu", began=1.2, seconds=61.5), late])
    assert lines[1] == "gantt"
    assert {"  dateFormat x", "  axisFormat %s"} <= set(lines)
    assert lines[-4:] == [
        "  section eu",
        "    60 s :1200, 61500",
        "  section asia",
        "    3000 s interrupted :crit, 600500, 3600000",
    ]


def test_a_bar_has_a_length_and_a_safe_name() -> None:
    lines = chart.gantt([row("eu;:#\n%%{init}", began=0.0, seconds=0.0)])
    assert lines[-2:] == ["  section euinit", "    0 s :0, 100"]
