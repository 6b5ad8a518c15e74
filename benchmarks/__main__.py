"""Measure, print what holds, and write `build/bench.json` for machines; `--page` writes docs/speed.md from that.

Every bound is a ratio of two things measured in the same run, so that machines can be compared, or a number of calls,
of seconds of overhead, or of megabytes. Exit code 1 where a bound is missed, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import ROOT, page
from benchmarks.figures import Results, Skipped, aligned, rows

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Name → what it is about. A module each.
BENCHMARKS = {
    "skip": "What a run that is skipped costs",
    "copying": "How close a run comes to its slowest copy",
    "by_hand": "Against gcloud lines to the same end state",
    "quota": "Every region from one source, quotas enforced",
}
JSON = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "speed.md"


def main(argv: list[str]) -> int:
    """Run what is asked for. Returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    options.add_argument("--only", nargs="*", choices=[*BENCHMARKS], default=[], help="these benchmarks; else all")
    options.add_argument("--page", action="store_true", help="write docs/speed.md from the last run; measure nothing")
    given = options.parse_args(argv)
    if given.page:
        PAGE.write_text(page.render(json.loads(JSON.read_text("utf-8")), BENCHMARKS), encoding="utf-8")
        print(f"written to {PAGE.relative_to(ROOT)}")
        return 0
    results = _measured(given.only or BENCHMARKS)
    JSON.parent.mkdir(exist_ok=True)
    JSON.write_text(json.dumps(results.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{results.machine}; load {results.load[0]:.1f} before, {results.load[1]:.1f} at the end")
    print(f"{len(results.short)} bounds are missed; written to {JSON.relative_to(ROOT)}")
    return 1 if results.short else 0


def _measured(names: Iterable[str]) -> Results:
    before = os.getloadavg()[0]
    results = Results()
    for name in names:
        print(f"{BENCHMARKS[name]}:", flush=True)
        try:
            figures = results.figures[name] = list(importlib.import_module(f"benchmarks.{name}").measure())
            print(aligned(rows(figures)), flush=True)
        except Skipped as reason:
            results.skipped[name] = str(reason)
            print(f"  skipped: {reason}")
    return replace(results, load=(before, os.getloadavg()[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
