"""The plugin for pytest, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.places import ROOT

TESTS = """
import urllib.error, urllib.request
import pytest

URL = "/compute/v1/projects/p1/global/images/web"

def test_good(compute_emulator):
    compute_emulator.add_image(project="p1", name="web")
    with urllib.request.urlopen(compute_emulator.url + URL) as answer:
        assert answer.status == 200

@pytest.mark.compute_emulator(driven=True, scenario={"images": [{"project": "p1", "name": "web"}]})
def test_marked(compute_emulator):
    compute_emulator.advance(5)
    assert compute_emulator.image("p1", "web")

def test_unused(compute_emulator):
    compute_emulator.faults([{"action": {"kind": "hang"}}])

def test_unsupported(compute_emulator):
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(compute_emulator.url + "/compute/v1/projects/p1/zones").close()

def test_bad(compute_emulator):
    compute_emulator.faults([{"action": {"kind": "hang"}}])
    assert False
"""


@pytest.mark.exhaustive
def test_a_fixture_for_others(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["emulator.pytest_plugin"]\n')
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--strict-markers"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "1 failed, 4 passed, 2 errors" in done.stdout, done.stdout + done.stderr
    assert "faults that were not used up" in done.stdout
    assert "the emulator lacks ['compute.zones.list']" in done.stdout
