"""The decision as a script, before anything is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.places import ROOT


@pytest.mark.parametrize("python", ["python3.8", "python3.9", "python3", sys.executable])
def test_runs_as_a_script_anywhere(tmp_path: Path, python: str) -> None:
    """Isolated, from the caller's folder with look-alikes of our modules and the standard library's in it."""
    if shutil.which(python) is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"{python} is not on this machine")
    for name in ("json.py", "re.py", "replicator.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('the workspace was executed')")
    env = {"GITHUB_EVENT_NAME": "schedule", "PYTHONPATH": ".", "PATH": "/usr/bin:/bin"}
    script = str(ROOT / "replicator" / "bootstrap" / "decide.py")
    which = shutil.which(python)
    assert which
    done = subprocess.run(
        [which, "-I", "-X", "utf8", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Skipped: ")


def test_the_script_passes_on_what_it_is_told() -> None:
    script = str(ROOT / "replicator" / "bootstrap" / "decide.py")
    done = subprocess.run(
        [sys.executable, "-I", script, "--failed", "No", "venv."], env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "::error title=Set-up::No venv.\n", "")


def test_a_gate_of_an_action_of_its_own_refuses_as_the_others_do() -> None:
    """It imports the module that runs as the script here."""
    script = str(ROOT / "replicator" / "bootstrap" / "decide.py")
    env = {"GITHUB_SERVER_URL": "https://github.com", "INPUT_DISTRIBUTE": "maybe"}
    done = subprocess.run(
        [sys.executable, "-I", script, "release"], env=env, capture_output=True, text=True, check=False
    )
    told = "::error title=Input distribute::distribute: 'maybe' is not one of true, false, auto or empty\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, told, "")


def test_skip_path_imports_nothing_heavy() -> None:
    code = (
        "import sys, replicator.__main__ as m;"
        "env = {'GITHUB_ACTIONS': 'true', 'GITHUB_EVENT_NAME': 'schedule', 'INPUT_TAG_PATTERN': 'v*'};"
        "assert m.main([], env, sys.stdout) == 0;"
        "patterns = 'replicator.bootstrap.filter_patterns';"
        "heavy = {'pydantic', 'google', 'asyncio', 'requests', 'dataclasses', 'typing', patterns} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    # Without site: the .pth files of other packages import things of their own.
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
