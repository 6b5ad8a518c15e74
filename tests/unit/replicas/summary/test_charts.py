from __future__ import annotations

from typing import Any

import pytest

from replicator.core import errors
from replicator.core.replicas import Outcome, ReplicaResult
from replicator.replicas.summary import charts
from testkit.make import replica


def row(location: str, **fields: Any) -> ReplicaResult:
    return ReplicaResult(replica=replica(location), **{"outcome": Outcome.CREATED, **fields})


def test_nothing_was_copied() -> None:
    assert charts.gantt([row("us", outcome=Outcome.SOURCE), row("eu", outcome=Outcome.ADOPTED, seconds=3)]) == []


def test_bars_are_milliseconds() -> None:
    late = row("asia", outcome=Outcome.INTERRUPTED, error=errors.Deadline("Late"), began=600.5, seconds=3600)
    gone = row("me-west1", outcome=Outcome.FAILED, error=errors.Quota("No"), began=0.0, seconds=0.25)
    lines = charts.gantt([row("us", outcome=Outcome.SOURCE), row("eu", began=1.2, seconds=61.5), late, gone])
    assert lines == [
        '%%{init: {"gantt": {"leftPadding": 86, "rightPadding": 80, "barHeight": 16}}}%%',
        "gantt",
        "  title Copies: seconds since the plan",
        "  dateFormat x",
        "  axisFormat %s",
        "  tickInterval 10minute",
        "  todayMarker off",
        "  section eu",
        "    60 s :1200, 61500",
        "  section asia",
        "    3000 s interrupted :crit, 600500, 3600000",
        "  section me-west1",
        "    0 s failed :crit, 0, 250",
    ]


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (0.2, "1second"), (10, "1second"), (10.1, "2second"), (20, "2second"), (20.1, "5second"), (50, "5second"),
        (50.1, "10second"), (100, "10second"), (100.1, "15second"), (150, "15second"), (150.1, "30second"),
        (299, "30second"), (301, "1minute"), (601, "2minute"), (1200, "2minute"), (1201, "5minute"), (3000, "5minute"),
        (3001, "10minute"), (6000, "10minute"), (6001, "15minute"), (9000, "15minute"), (9001, "30minute"),
        (18_000, "30minute"), (18_001, "1hour"),
    ],
)  # fmt: skip
def test_the_axis_repeats_no_number(seconds: float, ticks: str) -> None:
    assert f"  tickInterval {ticks}" in charts.gantt([row("eu", began=0.1, seconds=seconds)])


def test_a_bar_has_a_length_and_a_safe_name() -> None:
    lines = charts.gantt([row("eu;:#\n%%{init}", began=0.0, seconds=0.0)])
    assert lines[-2:] == ["  section euinit", "    0 s :0, 100"]
    assert charts.gantt([row("a-z0-9mM", began=1.0, seconds=1.05)])[-2:] == [
        "  section a-z0-9m",
        "    0 s :1000, 1100",
    ]


def test_no_more_bars_than_mermaid_draws() -> None:
    lines = charts.gantt([row("eu", began=float(second), seconds=1000.0) for second in range(201)])
    assert sum(line == "  section eu" for line in lines) == 200
    assert lines[-1].endswith(":199000, 1000000")


class TestLineage:
    def test_copies_of_the_source_need_no_diagram(self) -> None:
        assert charts.lineage([row("us", outcome=Outcome.SOURCE), row("eu"), row("asia")]) == []

    def test_every_copy_hangs_below_what_it_is_a_copy_of(self) -> None:
        """In one node with its like, unless it was copied itself; there is no node for what failed."""
        rows = [
            row("us", outcome=Outcome.SOURCE),
            row("europe-west1", origin="eu"),
            row("eu"),
            row("asia", outcome=Outcome.FAILED, origin="eu", error=errors.Quota("No")),
            row("me-west1", outcome=Outcome.ADOPTED, origin="europe-west1"),
            row("me-west2", origin="europe-west1"),
            row("us-west1"),
        ]
        assert charts.lineage(rows) == [
            "graph LR",
            '  n0(["source"])',
            '  n1["europe-west1"]',
            '  n2["eu"]',
            '  n3["me-west1<br/>me-west2"]',
            '  n4["us-west1"]',
            "  n2 --> n1",
            "  n0 --> n2",
            "  n1 --> n3",
            "  n0 --> n4",
        ]

    def test_what_failed_and_was_copied_before_is_shown(self) -> None:
        """Its family could not be moved."""
        rows = [row("eu", outcome=Outcome.FAILED, error=errors.Quota("No")), row("asia", origin="eu")]
        assert charts.lineage(rows)[2:] == ['  n1["eu"]', '  n2["asia"]', "  n0 --> n1", "  n1 --> n2"]

    def test_images_of_a_release_hang_below_their_own(self) -> None:
        rows = [
            row(location, origin=origin, key=key)
            for key in ("ARM64", "X86_64")
            for location, origin in [("eu", ""), ("asia", "eu")]
        ]
        assert charts.lineage(rows)[2:] == [
            '  n1["eu"]',
            '  n2["asia"]',
            '  n3["eu"]',
            '  n4["asia"]',
            "  n0 --> n1",
            "  n1 --> n2",
            "  n0 --> n3",
            "  n3 --> n4",
        ]

    def test_no_more_copies_than_mermaid_draws_and_safe_names(self) -> None:
        lines = charts.lineage([row(f'{number};"%%', origin="eu") for number in range(201)])
        assert lines[2:] == [f'  n1["{"<br/>".join(map(str, range(200)))}"]', "  n0 --> n1"]
