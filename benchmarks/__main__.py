"""Measure, print what holds, and write `build/bench.json` for machines; `--page` writes docs/speed.md from that.

Every bound is a ratio of two things measured in the same run, so that machines can be compared, or a number of calls,
of seconds of overhead, or of megabytes. One that is missed is told, and is no failure: the machine may be busy.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys

from benchmarks import ROOT, page
from benchmarks.figures import Results, Skipped, aligned, rows

#: Name → what it is about. A module each.
BENCHMARKS = {
    "skip": "What a run that is skipped costs, and a look-up that asks nobody",
    "set_up": "What every user waits for: the set-up of the action",
    "quota": "Every region from one source, quotas enforced",
    "refusals": "What refusals for rate cost",
    "copying": "How close a run comes to its slowest copy",
    "by_hand": "Against gcloud lines to the same end state",
    "large_file": "What the largest file on a release costs",
    "receiver": "How soon a webhook is acknowledged",
    "retention": "What deciding costs a sweep of retention",
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
    results = Results(load=(os.getloadavg()[0], 0.0))
    for name in given.only or BENCHMARKS:
        print(f"{BENCHMARKS[name]}:", flush=True)
        try:
            figures = results.figures[name] = list(importlib.import_module(f"benchmarks.{name}").measure())
            print(aligned(rows(figures)), flush=True)
        except Skipped as reason:
            results.skipped[name] = str(reason)
            print(f"  skipped: {reason}\n")
        results.load = (results.load[0], os.getloadavg()[0])
        # Each time, so that whoever breaks it off has what was measured by then.
        JSON.parent.mkdir(exist_ok=True)
        JSON.write_text(json.dumps(results.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{results.machine}; load {results.load[0]:.1f} before, {results.load[1]:.1f} at the end")
    print(f"{len(results.short)} bounds are missed; written to {JSON.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
