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
    # What it fetches, it fetches once.
    lines = [line for line in done.stdout.splitlines() if not line.startswith("package: ")]
    assert all(line.startswith("ok  ") for line in lines)
    assert sum(line.startswith("ok  refused: ") for line in lines) == 11
    published = [line for line in lines if line.startswith("ok  packages: ")]
    assert [line.split(": ")[1].split("-py3")[0] for line in published] == [
        "gce_image_replicator-7.1.0", "gce_image_replicator-7.2.0rc1",
    ]  # fmt: skip
