"""Holds the failure of a plan that costs more than it may."""

from __future__ import annotations

from replicator.core.errors import Advice, ExitCode

TOO_EXPENSIVE = Advice(
    title="Above the cost limit",
    meaning="The plan costs more a month than `max_monthly_cost`, or what it costs can't be told.",
    why="Nothing was changed.",
    remedy="Raise max_monthly_cost, or ask for fewer locations.",
    exit_code=ExitCode.FAILED,
)
