"""The emulator as a process, one source in it, and commands measured with all of their children."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import ROOT
from testkit.harness.backend import Backend, backend
from testkit.harness.here import environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROJECT, NAME, FAMILY = "p1", "web-1", "web"
LABELS = {"team": "infra"}
DESCRIPTION = "The web server"
SOURCE = f"projects/{PROJECT}/global/images/{NAME}"

#: Seconds between two looks at the memory of a tree of processes.
_LOOK = 0.25
#: Lines that a command which failed may say.
_TAIL = 20
_WAIT = "compute.globalOperations.wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a command and all of its children took."""

    began: float
    """On the machine's monotonic clock, which the emulator's journal shares; as is `ended`."""
    ended: float
    cpu: float
    """Seconds of processors."""
    memory: float
    """MB, the most at one moment: proportional set sizes added up, so that what is shared counts once."""
    threads: int
    """The most at one moment."""

    @property
    def seconds(self) -> float:
        """From its start to its end."""
        return self.ended - self.began


@contextlib.contextmanager
def world(copy_seconds: Mapping[str, float] | float, *, clock: str = "real", **rules: Any) -> Iterator[Backend]:
    """An emulator that holds the source; `rules` are more keys of its scenario."""
    source = {"project": PROJECT, "name": NAME, "family": FAMILY, "public": True}
    image = {**source, "labels": LABELS, "description": DESCRIPTION, "location": "us"}
    # Seeded, so that images have the same ids in every world.
    scenario = {"images": [image], "copy_seconds": copy_seconds, "seed": 1, **rules}
    with tempfile.TemporaryDirectory() as folder, backend(Path(folder), clock=clock, scenario=scenario) as emulator:
        yield emulator


def replicate(
    emulator: Backend, locations: Sequence[str], *, command: Sequence[str] = ("-m", "replicator"), **inputs: str
) -> Used:
    """The action's last step in a process of its own. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as name:
        given = {"source_image": SOURCE, "locations": ",".join(locations), "required_locations": "all", **inputs}
        env = {"PATH": os.environ["PATH"], **environment(Path(name), emulator.url, given)}
        return measured([sys.executable, "-I", "-X", "utf8", "-u", *command], env)


def measured(command: Sequence[str], env: Mapping[str, str]) -> Used:
    """Run a command to its end. Raises CalledProcessError with what it said."""
    peak = _Peak()
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(env), stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        ended = threading.Event()
        looking = threading.Thread(target=peak.watch, args=(process.pid, ended))
        looking.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            ended.set()
            looking.join()
        end = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            output = said.read().decode("utf-8", "replace")
            print("\n".join(output.splitlines()[-_TAIL:]), file=sys.stderr)
            raise subprocess.CalledProcessError(process.returncode, command, output)
    cpu = used.ru_utime + used.ru_stime
    return Used(began=began, ended=end, cpu=cpu, memory=peak.memory, threads=peak.threads)


def calls(emulator: Backend) -> Counter[str]:
    """Method → number of calls so far."""
    return Counter(entry["method"] for entry in emulator.journal())


def beside_long_polls(calls: Counter[str]) -> int:
    """How many calls there were that answer at once."""
    return calls.total() - calls[_WAIT]


def end_state(emulator: Backend) -> dict[str, dict[str, Any]]:
    """What a user would call the result: each image without what differs from run to run."""
    kept = ("status", "family", "description", "labels", "storageLocations", "sourceImage", "sourceImageId", "policy")
    more = ("diskSizeGb", "architecture", "licenses", "guestOsFeatures", "deprecated")
    images = emulator.images()
    for image in images.values():
        image["policy"] = image["policy"].get("bindings")
    return {name: {key: image.get(key) for key in (*kept, *more)} for name, image in images.items()}


class _Peak:
    """The largest memory and the most threads of a tree of processes."""

    def __init__(self) -> None:
        self.memory = 0.0
        self.threads = 0

    def watch(self, root: int, ended: threading.Event) -> None:
        """Look at it until it has ended; Linux only, 0 elsewhere."""
        while not ended.wait(_LOOK):
            kilobytes = threads = 0
            for pid in _tree(root):
                with contextlib.suppress(OSError, StopIteration):
                    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
                    kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
                    threads += len(list(Path(f"/proc/{pid}/task").iterdir()))
            self.memory = max(self.memory, kilobytes / 1024)
            self.threads = max(self.threads, threads)


def _tree(root: int) -> Iterator[int]:
    yield root
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{root}/task").iterdir():
            for child in (task / "children").read_text("ascii").split():
                yield from _tree(int(child))
