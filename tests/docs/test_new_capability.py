"""A capability is added as a folder, as CONTRIBUTING says: one that is thrown away again, and no file of another changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Its files, by their places; each has `.txt` at the end, so that nothing takes it for a part of this repository.
FILES = ROOT / "testkit" / "data" / "capability"
CHECKS = (
    "tests/unit/test_layers.py",
    "tests/unit/test_tiers.py",
    "tests/unit/commands/greet",
    "tests/unit/compute/test_retry.py::TestWallClock",
    "tests/integration/test_cli.py",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The repository with that capability, before `make docs`."""
    folder = tmp_path_factory.mktemp("capability") / "repository"
    named = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, named.split("\0")):
        # A file that was removed, and is not committed as such yet, is none.
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--message", "All")
    for file in FILES.rglob("*.txt"):
        place = folder / file.relative_to(FILES).with_suffix("")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    yield folder
    shutil.rmtree(folder)


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def python(folder: Path, *words: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.exhaustive
def test_no_file_of_another_changes(copy: Path) -> None:
    assert "Good " in python(copy, "-m", "replicator", "greet", "--person", "Ann")
    assert "greet" in python(copy, "-m", "replicator", "--help")
    written = python(copy, "-c", "import sys; from scripts import docs; sys.exit(docs.main([], sys.stdout))")
    assert "greet/action.yml: written again" in written
    assert "schemas/greeting.schema.json: written again" in written
    assert "| `person` | Who is greeted. |" in (copy / "docs" / "greeting.md").read_text("utf-8")
    # New files all, and none of those that were there before.
    changed = {line[:2]: line[3:] for line in git(copy, "status", "--porcelain").splitlines()}
    assert set(changed) == {"??"}, changed
    python(copy, "-m", "ruff", "check", "--no-cache", "--quiet", "replicator", "tests/unit/commands/greet")
    python(copy, "-m", "ruff", "format", "--no-cache", "--check", "--quiet", "replicator", "tests/unit/commands/greet")
    python(copy, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *CHECKS)
    python(copy, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/integration/test_misplaced.py",
           "-k", "greet")  # fmt: skip
