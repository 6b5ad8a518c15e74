"""Draws the copies of a run as Mermaid diagrams: when each began, how long it took, what it was copied from. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from replicator.core.replicas import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.core.replicas import ReplicaResult


#: Keeps a diagram below 50,000 characters, the most that Mermaid draws.
_MOST_BARS = 200
#: Distances of the axis's numbers in seconds, and as Mermaid writes them. With less than a second numbers would repeat,
#: and with more than ten of them they would overlap.
_TICKS = {
    **{seconds: f"{seconds}second" for seconds in (1, 2, 5, 10, 15, 30)},
    **{60 * minutes: f"{minutes}minute" for minutes in (1, 2, 5, 10, 15, 30)},
}
_MOST_TICKS = 10


def gantt(rows: Sequence[ReplicaResult]) -> list[str]:
    """Return the lines of the timeline; none if nothing was copied.

    Only locations are named, because few characters are safe in Mermaid. Times are in milliseconds (`x`), because with
    `X` Mermaid reads the start as milliseconds and the end as seconds; `%s` shows seconds in every time zone.
    """
    bars = [(_safe(row.replica.location), row) for row in rows if row.began is not None]
    if not bars:
        return []
    # The names are left of the bars and take about seven pixels per character.
    margin = 30 + 7 * max(len(name) for name, _ in bars)
    lines = [
        f'%%{{init: {{"gantt": {{"leftPadding": {margin}, "rightPadding": 80, "barHeight": 16}}}}}}%%',
        "gantt",
        "  title Copies: seconds since the plan",
        "  dateFormat x",
        "  axisFormat %s",
        f"  tickInterval {_ticks(max(row.seconds for _, row in bars))}",
        "  todayMarker off",
    ]
    for name, row in bars[:_MOST_BARS]:
        begin, end = round(1000 * (row.began or 0)), round(1000 * row.seconds)
        failed = row.outcome in {Outcome.FAILED, Outcome.INTERRUPTED}
        took = f"{(end - begin) / 1000:.0f} s{f' {row.outcome}' if failed else ''}"
        lines += [f"  section {name}", f"    {took} :{'crit, ' if failed else ''}{begin}, {max(end, begin + 100)}"]
    return lines


def _ticks(seconds: float) -> str:
    return next((text for step, text in _TICKS.items() if seconds <= step * _MOST_TICKS), "1hour")


def lineage(rows: Sequence[ReplicaResult]) -> list[str]:
    """Return the lines of the tree of copies; none if every copy was made from the source.

    Copies of one image that were not copied in turn share a node, so 43 regions take only a dozen nodes.
    """
    parents = {(row.key, row.origin) for row in rows if row.origin}
    if not parents:
        return []
    nodes: dict[tuple[str, str, str], list[str]] = {}
    for row in rows[:_MOST_BARS]:
        location = row.replica.location
        is_parent = (row.key, location) in parents
        if row.outcome is not Outcome.SOURCE and (is_parent or not row.error):
            nodes.setdefault((row.key, row.origin, location if is_parent else ""), []).append(_safe(location))
    numbers = {(key, parent): number for number, (key, _, parent) in enumerate(nodes, start=1) if parent}
    return [
        "graph LR",
        '  n0(["source"])',
        *(f'  n{number}["{"<br/>".join(shown)}"]' for number, shown in enumerate(nodes.values(), start=1)),
        *(f"  n{numbers.get((key, origin), 0)} --> n{n}" for n, (key, origin, _) in enumerate(nodes, start=1)),
    ]


def _safe(location: str) -> str:
    return re.sub("[^a-z0-9-]", "", location)
