"""The action as a process of its own: forked from one that has imported everything already, or started whole."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testkit.harness.here import Done, environment, finished
from testkit.harness.job import search_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
# Threads and connections come after the fork.
_CONTEXT.set_forkserver_preload(
    ["testkit.crash.process", "replicator.commands.replicate.run", "replicator.compute.client"]
)

ENDED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Process:
    """A run under way."""

    pid: int
    folder: Path
    _wait: Callable[[float], int | None]

    def end(self) -> int:
        """Wait for its end. Returns the exit code, or the signal's number below zero."""
        code = self._wait(ENDED_SECONDS)
        assert code is not None, f"process {self.pid} does not end"
        return code

    def kill(self, number: int) -> tuple[int, float]:
        """Send a signal and wait for the end. Returns the exit code and the seconds that it took."""
        began = time.monotonic()
        os.kill(self.pid, number)
        return self.end(), time.monotonic() - began

    def left(self, code: int) -> Done:
        """What it left behind, read strictly."""
        return finished(self.folder, code, (self.folder / "log").read_text("utf-8"))


def fork(
    folder: Path, url: str, inputs: Mapping[str, str], argv: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Process:
    """The action, without the second that it takes to import the library; with `argv` another one of ours."""
    whole = {**_environment(folder, url, inputs), **(env or {})}
    process = _CONTEXT.Process(target=_act, args=(whole, str(folder / "log"), argv))
    process.start()

    def wait(seconds: float) -> int | None:
        process.join(seconds)
        return process.exitcode

    assert process.pid is not None
    return Process(process.pid, folder, wait)


def execute(folder: Path, url: str, inputs: Mapping[str, str]) -> Process:
    """The action as its last step starts it."""
    env = _environment(folder, url, inputs)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-m", "replicator"],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Process(process.pid, folder, process.wait)


def _environment(folder: Path, url: str, inputs: Mapping[str, str]) -> dict[str, str]:
    folder.mkdir()
    return {**environment(folder, url, inputs), "PATH": search_path()}


def _act(env: Mapping[str, str], log: str, argv: Sequence[str]) -> None:
    from replicator.__main__ import entry

    # What was imported is never garbage, and looking through it takes longer than the run.
    gc.freeze()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["replicator", *argv]
    entry()
