"""What a skipped run costs: its only step against starting Python for nothing."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING

from benchmarks import ROOT
from benchmarks.figures import Figure
from benchmarks.world import measured

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMES = 15


def measure() -> Iterator[Figure]:
    """One figure."""
    skipping, nothing = [], []
    decide = [sys.executable, "-I", "-X", "utf8", str(ROOT / "replicator" / "bootstrap" / "decide.py")]
    for _ in range(_TIMES):
        skipping.append(measured(decide, {"GITHUB_EVENT_NAME": "pull_request"}).seconds)
        nothing.append(measured([sys.executable, "-I", "-c", "pass"], {}).seconds)
    above, below = statistics.median(skipping), statistics.median(nothing)
    yield Figure.ratio("a skipped run / `python3 -I -c pass`", 1000 * above, 1000 * below, parts="ms", at_most=2)
