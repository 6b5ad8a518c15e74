"""Go's two clients of Compute Engine, built from a hashed go.sum, against the emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.testing import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.testing import Running

GO = Path(__file__).parent / "go"
GO_SECONDS = 300


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.02) as emulator:
        emulator.add_image(project="p1", name="web", family="web")
        yield emulator


def test_the_go_clients(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed")
    program = tmp_path_factory.mktemp("go") / "clients"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in {"HOME", "PATH", "GOPROXY", "GOMODCACHE", "GOCACHE"}
    }
    environment |= {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    try:
        build = [go, "build", "-o", str(program), "."]
        built = subprocess.run(build, cwd=GO, env=environment, capture_output=True, text=True, timeout=GO_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(
            f"the Go clients were not fetched and built within {GO_SECONDS} seconds; once built, they are cached"
        )
    if built.returncode and "main.go:" not in built.stderr:
        pytest.skip(f"the Go clients cannot be fetched: {built.stderr.strip()[-200:]}")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([str(program), emulator.url], env=environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
    assert not [entry for entry in emulator.journal() if entry["unsupported"]]
