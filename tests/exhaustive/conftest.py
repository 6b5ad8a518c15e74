"""Runs a slice of the exhaustive tests, unless the options ask for more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testkit.tiers import Choice

HERE = Path(__file__).parent
#: How many tests are chosen, of how many.
COUNTS: dict[str, tuple[int, int]] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not chosen. A test that the command line names by `::` always runs."""
    choice = Choice(everything=config.getoption("all"), rest=config.getoption("rest"), shard=config.getoption("shard"))
    ours = [item for item in items if HERE in item.path.parents]
    left_out = [] if any("::" in arg for arg in config.args) else [item for item in ours if not takes(choice, item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
    # Only a worker of xdist has an output; the process that it belongs to collects nothing itself.
    getattr(config, "workeroutput", COUNTS)["exhaustive"] = (len(ours) - len(left_out), len(ours))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker counted."""
    if counts := getattr(node, "workeroutput", {}).get("exhaustive"):
        COUNTS["exhaustive"] = counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was left out."""
    run, known = COUNTS.get("exhaustive", (0, 0))
    if run < known:
        terminalreporter.write_line(f"exhaustive: {run:,} of {known:,}; all of them: make test-all")


def takes(choice: Choice, item: pytest.Item) -> bool:
    """Whether a test is chosen."""
    return choice.takes(item.nodeid.partition("::")[2], parametrised=hasattr(item, "callspec"))
