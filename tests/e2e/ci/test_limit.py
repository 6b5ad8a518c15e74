"""A run of the tests with little time: it says how many exhaustive ones it left out, and leaves out no others."""

from __future__ import annotations

import re
import subprocess
import sys

from testkit.places import ROOT

FILES = ("tests/exhaustive/test_mutated.py", "tests/e2e/test_harness.py")


def test_no_time_for_exhaustive_tests() -> None:
    options = [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--rest",
        "--minutes",
        "0",
        "-k",
        "test_expressions or mutated",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, *FILES], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (skipped,) = re.findall(
        r"^SKIPPED \[(\d+)\] tests/conftest.py:\d+: exhaustive, and 0 minutes", done.stdout, re.MULTILINE
    )
    assert int(skipped) > 20
    assert f"6 passed, {skipped} skipped" in done.stdout
