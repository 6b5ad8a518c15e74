"""The wheel is whole: installed elsewhere, it has every package, and says what it can do."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tomllib
from typing import TYPE_CHECKING

import pytest

from replicator.bootstrap.command import every
from replicator.commands.schema.settings import SCHEMAS
from scripts import package
from testkit.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
PIP = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it is installed in."""
    folder = tmp_path_factory.mktemp("wheel")
    _, built = package.build(folder / "one", umask=0o022)
    install = ["install", "--no-deps", "--no-index", "--target", str(folder / "there"), str(built)]
    subprocess.run([*PIP, *install], check=True, timeout=300)
    return folder / "there"


def run(installed: Path, code: str, *argv: str) -> str:
    command = [sys.executable, "-I", "-B", "-c", FIRST + code, str(installed), *argv]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=120).stdout


def test_holds_every_module(installed: Path) -> None:
    wanted = {name for name in package.tracked() if name.startswith("replicator/") and name.endswith(".py")}
    assert len(wanted) > 60
    assert {path.relative_to(installed).as_posix() for path in (installed / "replicator").rglob("*.py")} == wanted


@pytest.mark.parametrize("verb", ["", *(command.verb for command in every())])
def test_says_what_it_can_do(installed: Path, verb: str) -> None:
    said = run(installed, "runpy.run_module('replicator', run_name='__main__')", *verb.split(), "--help")
    assert said.startswith(f"usage: gce-image-replicator {verb or 'COMMAND'}")


def test_is_the_one_that_was_installed(installed: Path) -> None:
    assert run(installed, "import replicator; print(replicator.__file__)").startswith(str(installed))


def test_has_its_scripts(installed: Path) -> None:
    assert {path.name for path in (installed / "bin").iterdir()} >= {"replicator", "gce-image-replicator"}


def test_is_typed_and_has_its_schemas(installed: Path) -> None:
    assert (installed / "replicator" / "py.typed").exists()
    for name, file in SCHEMAS.items():
        said = run(installed, "runpy.run_module('replicator', run_name='__main__')", "schema", name)
        assert said.encode() == (ROOT / "schemas" / file).read_bytes()


@pytest.mark.parametrize("wrong", ["modes", "times", "order", "owner"])
def test_the_source_archive_is_the_same_to_the_byte(wrong: str, tmp_path: Path) -> None:
    """`make package` builds both archives twice; here is what would differ from one machine to the next."""
    archives = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        path = tmp_path / str(number) / "x.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name in ("x/b", "x/a") if wrong == "order" and number == 2 else ("x/a", "x/b"):
                member = tarfile.TarInfo(name)
                member.size = 1
                member.mode = 0o600 if wrong == "modes" and number == 2 else 0o644
                member.mtime = number if wrong == "times" else 0
                member.uid, member.uname = (number, f"user{number}") if wrong == "owner" else (0, "")
                tar.addfile(member, io.BytesIO(b"x"))
        package.pack_anew(path, 1_700_000_000)
        archives.append(path.read_bytes())
    assert archives[0] == archives[1]


def test_the_extras_are_those_of_the_locks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert extras.pop("all") == [f"gce-image-replicator[{','.join(sorted(extras))}]"]
    locked = set(re.findall(r"^([\w-]+)(?:\[.*\])?==", (ROOT / "locks" / "dev.txt").read_text("utf-8"), re.MULTILINE))
    wanted = {re.split(r"[>\[]", requirement)[0].lower() for extra in extras.values() for requirement in extra}
    assert wanted - {name.lower() for name in locked} == set()
