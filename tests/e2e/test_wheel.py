"""The wheel is whole: installed elsewhere, it has every package, and says what it can do."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from replicator.bootstrap.command import every
from testkit.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
PIP = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it is installed in; built from a copy, because a build leaves things behind."""
    folder = tmp_path_factory.mktemp("wheel")
    files = [name for name in tracked() if name.startswith(("replicator/", "pyproject.toml", "README.md", "LICENSE"))]
    for name in files:
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
    wheel = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder / "dist")]
    subprocess.run([*PIP, *wheel, str(folder / "source")], check=True, timeout=300)
    (built,) = (folder / "dist").glob("*.whl")
    subprocess.run(
        [*PIP, "install", "--no-deps", "--no-index", "--target", str(folder / "there"), str(built)], check=True
    )
    return folder / "there"


def tracked() -> list[str]:
    """The files of the repository; those of a copy without git are all that are there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return listed.stdout.split("\n")[:-1] or [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]


def run(installed: Path, code: str, *argv: str) -> str:
    command = [sys.executable, "-I", "-B", "-c", FIRST + code, str(installed), *argv]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=120).stdout


def test_holds_every_module(installed: Path) -> None:
    wanted = {name for name in tracked() if name.startswith("replicator/") and name.endswith(".py")}
    assert len(wanted) > 60
    assert {path.relative_to(installed).as_posix() for path in (installed / "replicator").rglob("*.py")} == wanted


@pytest.mark.parametrize("verb", ["", *(command.verb for command in every())])
def test_says_what_it_can_do(installed: Path, verb: str) -> None:
    said = run(installed, "runpy.run_module('replicator', run_name='__main__')", *filter(None, [verb]), "--help")
    assert said.startswith(f"usage: replicator {verb or '[-h]'}")


def test_is_the_one_that_was_installed(installed: Path) -> None:
    assert run(installed, "import replicator; print(replicator.__file__)").startswith(str(installed))


def test_has_its_scripts(installed: Path) -> None:
    assert {path.name for path in (installed / "bin").iterdir()} >= {"replicator", "gce-image-replicator"}
