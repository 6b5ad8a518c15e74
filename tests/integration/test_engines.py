"""`scripts/engines.sh` with a Go that is not there, too old, cut off, lied to, or fine: what it builds, and what it says."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from testkit.places import ROOT

TOOLS = (
    "bash",
    "env",
    "cat",
    "chmod",
    "cksum",
    "cut",
    "dirname",
    "ln",
    "mkdir",
    "mktemp",
    "mv",
    "nice",
    "rm",
    "tail",
    "touch",
    "uname",
)

OLD = "go: go.mod requires go >= 1.26 (running go 1.22.2; GOTOOLCHAIN=local)"
CUT_OFF = "go: downloading a v1\na v1: dial tcp: lookup the.proxy: no such host"
LIED_TO = "verifying a@v1: checksum mismatch\nSECURITY ERROR"
BROKEN = "a.go:1: syntax error"
FINE = '[ "$3" = list ] || { touch "$5"; chmod +x "$5"; }'


@dataclass
class Machine:
    """The script in a repository of its own, on a machine whose Go does what a test says."""

    folder: Path

    def __call__(self, go: str | None) -> tuple[int, list[str]]:
        """Build act with a `go` that runs this script. Returns the exit code and what was said."""
        program = self.folder / "tools" / "go"
        program.unlink(missing_ok=True)
        if go is not None:
            program.write_text(f"#!/bin/bash\n{go}\n", "utf-8")
            program.chmod(0o755)
        done = subprocess.run(
            [shutil.which("bash") or "bash", self.folder / "scripts" / "engines.sh", "act"],
            env={"PATH": str(self.folder / "tools"), "HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        assert not list(self.folder.glob("home/.cache/*/engines/building.*"))
        return done.returncode, done.stdout.splitlines()

    @property
    def built(self) -> bool:
        return (self.folder / "build" / "engines" / "act").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "tools").mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (tmp_path / "tools" / name).symlink_to(found)
    return Machine(tmp_path)


def says(text: str) -> str:
    return f"printf '%s\\n' '{text}' >&2; exit 1"


@pytest.mark.parametrize(
    ("go", "said"),
    [
        pytest.param(None, "Go builds it, and there is no go on PATH", id="none"),
        pytest.param(says(OLD), OLD, id="old"),
        pytest.param(says(CUT_OFF), "its modules could not be fetched: a v1: dial tcp", id="cut off"),
    ],
)
def test_what_can_not_be_built_is_skipped_by_name(machine: Machine, go: str | None, said: str) -> None:
    code, lines = machine(go)
    assert code == 0
    (line,) = lines
    assert line.startswith(f"skipped: act: {said}")
    assert not machine.built


@pytest.mark.parametrize(
    ("go", "said"),
    [
        pytest.param(says(LIED_TO), "SECURITY ERROR", id="wrong hash"),
        pytest.param(f'[ "$3" = list ] || {{ {says(BROKEN)}; }}', BROKEN, id="broken source"),
    ],
)
def test_what_is_wrong_is_a_failure(machine: Machine, go: str, said: str) -> None:
    code, lines = machine(go)
    assert (code, lines[0], lines[-1]) == (1, "FAILED   act", said)
    assert not machine.built


def test_is_built_once_for_each_lock(machine: Machine) -> None:
    assert machine(FINE) == (0, ["ready    act"])
    assert machine(says("asked again")) == (0, ["ready    act"])
    assert machine.built
    with (machine.folder / "scripts" / "go" / "act" / "go.sum").open("a") as lock:
        lock.write("\n")
    assert machine(None)[1] == ["skipped: act: Go builds it, and there is no go on PATH"]
    assert not machine.built
