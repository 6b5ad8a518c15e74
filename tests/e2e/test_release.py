"""A release, rehearsed as a whole."""

from __future__ import annotations

import subprocess
import sys

from testkit.places import ROOT


def test_the_rehearsal() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "scripts/rehearse_release.py", "7.1.0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert all(line.startswith("ok  ") for line in lines)
    assert sum(line.startswith("ok  refused: ") for line in lines) == 11
