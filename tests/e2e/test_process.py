"""Emulator and action as processes, started in the words that scripts outside the repository use."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from testkit.harness import manifest
from testkit.harness.backend import Backend, backend
from testkit.harness.here import Done, environment, finished
from testkit.harness.job import search_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def replicate(
    folder: Path, emulator: Backend, watch: Callable[[str, subprocess.Popen[str]], None] = lambda *_: None
) -> Done:
    """`python -I -m replicator` with the environment of the action's last step, from a folder of the caller's."""
    manifest.put(folder)
    env = environment(folder, emulator.url, {"packer_manifest": "packer-manifest.json"})
    with subprocess.Popen(
        [sys.executable, "-I", "-X", "utf8", "-u", "-m", "replicator"],
        cwd=folder,
        env={**env, "PATH": search_path()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            watch(line, process)
    return finished(folder, process.returncode, "".join(lines))


def build(emulator: Backend) -> None:
    emulator.build_image("p1", "web-20261122", "web", {"team": "infra"})


def test_main_job(tmp_path: Path) -> None:
    with backend(tmp_path, copy_seconds=0.2) as emulator:
        build(emulator)
        done = replicate(tmp_path, emulator)
        assert (done.exit_code, done.outputs["result"]) == (0, "complete"), done.log
        images = emulator.images()
        for location in ("eu", "asia"):
            replica = images[f"web-20261122-{location}"]
            assert (replica["status"], replica["storageLocations"]) == ("READY", [location])
            assert (replica["family"], replica["id"]) == (f"web-{location}", done.replicas[location]["id"])
            assert replica["policy"]["bindings"] == images["web-20261122"]["policy"]["bindings"]
        assert json.loads(done.index)["images"][0]["source"]["id"] == images["web-20261122"]["id"]
        before = emulator.changes()
        again = replicate(tmp_path, emulator)
        assert (again.exit_code, again.index) == (0, done.index)
        assert emulator.changes() == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143)])
def test_signal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    sent: list[float] = []

    def watch(line: str, process: subprocess.Popen[str]) -> None:
        if "copying (operation" in line and not sent:
            process.send_signal(number)
            sent.append(time.monotonic())

    with backend(tmp_path, copy_seconds=30) as emulator:
        build(emulator)
        done = replicate(tmp_path, emulator, watch)
        assert time.monotonic() - sent[0] < 7.5
        assert (done.exit_code, done.outputs["result"]) == (code, "failed")
        assert {row["reason"] for row in done.replicas.values() if row["outcome"] == "interrupted"} == {"signal"}
        assert emulator.images()["web-20261122"]["status"] == "READY"


def test_emulator_ends_in_good_order(tmp_path: Path) -> None:
    """Although somebody is waiting for an operation at that moment."""
    with backend(tmp_path, copy_seconds=30) as emulator:
        build(emulator)
        emulator.call(
            "POST",
            "/compute/v1/projects/p1/global/images",
            {"name": "copy", "sourceImage": "projects/p1/global/images/web-20261122"},
        )
        began = time.monotonic()
        emulator.process.terminate()
        assert emulator.process.wait(10) == 0
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_run_began(tmp_path: Path, number: signal.Signals) -> None:
    """What a run imports takes half a second: a cancelled job must find its outputs even then."""
    env = environment(tmp_path, "http://127.0.0.1:1", {"source_image": "projects/p1/global/images/web-1"})
    command = (
        "import os, runpy, sys; sys.argv = ['replicator'];"
        # Sent by the import of what a run needs, just before that is there.
        "import importlib.abc;"
        "finder = type('Finder', (importlib.abc.MetaPathFinder,), {'find_spec': lambda self, name, *_:"
        f" os.kill(os.getpid(), {int(number)}) if name == 'replicator.replicas.settings' else None}})();"
        "sys.meta_path.insert(0, finder); runpy.run_module('replicator', run_name='__main__')"
    )
    process = subprocess.run(
        [sys.executable, "-I", "-c", command],
        cwd=tmp_path,
        env={**env, "PATH": search_path()},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    done = finished(tmp_path, process.returncode, process.stdout).outputs
    assert process.returncode == 128 + number, process.stderr
    assert (done["decision"], done["result"]) == ("replicate", "failed")
    assert number.name in done["reason"]
