"""Measure, print a table for people, and write `build/bench.json` for machines.

Every figure is a ratio of two things measured in the same run, so that machines can be compared; medians of several.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.testing import running

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emulator.testing import Running

ROOT = Path(__file__).resolve().parent.parent
COPY_SECONDS = 3.0
LOCATIONS = [
    "eu",
    "asia",
    "us-west1",
    "us-east1",
    "europe-west1",
    "europe-west4",
    "asia-east1",
    "me-west1",
    "us-south1",
]
SOURCE = "projects/p1/global/images/web-1"


@dataclass(frozen=True)
class Figure:
    """One ratio, with what stands above and below the line, in seconds."""

    name: str
    ratio: float
    above: float
    below: float


def main() -> int:
    """Run every benchmark. Returns the exit code: 1 where something that was timed went wrong."""
    figures = [skip_path(), *set_up(), *(against_slowest_copy(count) for count in (1, 3, 9))]
    if shutil.which("gcloud"):
        figures.append(against_gcloud(3))
    else:
        print("skipped: gcloud is not installed, so nothing is compared with it")
    for figure in figures:
        print(f"{figure.ratio:8.2f}  {figure.name}  ({figure.above:.2f} s / {figure.below:.2f} s)")
    path = ROOT / "build" / "bench.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n", encoding="utf-8")
    print(f"written to {path.relative_to(ROOT)}")
    return 0


def skip_path() -> Figure:
    """A skipped run's only step against starting Python for nothing."""
    script = [sys.executable, "-I", "-X", "utf8", str(ROOT / "replicator" / "decide.py")]
    nothing = [sys.executable, "-I", "-c", "pass"]
    env = {"GITHUB_EVENT_NAME": "pull_request"}
    above = median(15, lambda: call(script, env))
    return figure("skip path / start of Python", above, median(15, lambda: call(nothing, env)))


def set_up() -> list[Figure]:
    """The action's set-up with packages to fetch, with pip's cache full, and used again, against what Python costs."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        venv = median(1, lambda: call([sys.executable, "-I", "-m", "venv", str(base / "venv")], os.environ))
        nothing = median(5, lambda: call([sys.executable, "-I", "-c", "pass"], os.environ))

        def use(temp: str) -> None:
            (base / temp).mkdir(exist_ok=True)
            own = {"GITHUB_ACTION_PATH": str(ROOT), "RUNNER_TEMP": str(base / temp), "INPUT_PYTHON": sys.executable}
            call(["bash", "-p", str(ROOT / "setup.sh")], {**os.environ, **own, "PIP_CACHE_DIR": str(base / "cache")})

        try:
            return [
                figure("set-up, packages fetched / an empty virtual environment", median(1, lambda: use("1")), venv),
                figure("set-up, pip's cache full / an empty virtual environment", median(1, lambda: use("2")), venv),
                figure("set-up used again in a job / start of Python", median(5, lambda: use("2")), nothing),
            ]
        except subprocess.CalledProcessError:
            print("skipped: no package index can be reached, so the action's set-up is not measured")
            return []


def against_slowest_copy(count: int) -> Figure:
    """From the first insert on the wire to results written, against the copies, which all take as long."""
    spans = []
    for _ in range(3):
        with running(copy_seconds=COPY_SECONDS) as emulator:
            ended = replicate(emulator, LOCATIONS[:count])
            first = min(call["received"] for call in emulator.journal() if call["method"] == "compute.images.insert")
            spans.append(ended - first)
    return figure(f"first insert → results, {count} locations / slowest copy", statistics.median(spans), COPY_SECONDS)


def against_gcloud(count: int) -> Figure:
    """The lines that users write instead, one after another, against one run: to the same end state."""
    with running(copy_seconds=COPY_SECONDS) as emulator, tempfile.TemporaryDirectory() as folder:
        add_source(emulator)
        env = {
            **os.environ,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{emulator.url}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": "p1",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CONFIG": folder,
        }
        images = ["gcloud", "compute", "images"]
        began = time.monotonic()
        for location in LOCATIONS[:count]:
            name = f"web-1-{location}"
            call([*images, "create", name, "--source-image=web-1", f"--storage-location={location}"], env)
            call([*images, "add-iam-policy-binding", name, "--member=allAuthenticatedUsers", f"--role={READER}"], env)
            call([*images, "update", name, f"--family=web-{location}"], env)
        by_hand = time.monotonic() - began
    with running(copy_seconds=COPY_SECONDS) as emulator:
        began = time.monotonic()
        replicate(emulator, LOCATIONS[:count])
        return figure(f"gcloud one after another / this, {count} locations", by_hand, time.monotonic() - began)


READER = "roles/compute.imageUser"


def add_source(emulator: Running) -> None:
    """The image that is replicated."""
    emulator.add_image(project="p1", name="web-1", family="web", public=True)


def replicate(emulator: Running, locations: Sequence[str]) -> float:
    """Run the command line in a process of its own; answers when it ended. Raises CalledProcessError."""
    add_source(emulator)
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "PATH": os.environ["PATH"],
            "RUNNER_TEMP": folder,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": emulator.url,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        }
        where = ",".join(locations)
        command = [sys.executable, "-I", "-m", "replicator", "replicate", "--source-image", SOURCE]
        call([*command, "--locations", where, "--required-locations", "all"], env)
        return time.monotonic()


def call(command: Sequence[str], env: Mapping[str, str]) -> None:
    """Run a command to its end. Raises CalledProcessError."""
    subprocess.run(command, env=dict(env), check=True, capture_output=True, stdin=subprocess.DEVNULL)


def median(times: int, act: Callable[[], Any]) -> float:
    """The median of how long something takes, in seconds."""
    spans = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        spans.append(time.perf_counter() - began)
    return statistics.median(spans)


def figure(name: str, above: float, below: float) -> Figure:
    """A ratio, rounded for people."""
    return Figure(name, round(above / below, 3), round(above, 3), round(below, 3))


if __name__ == "__main__":
    sys.exit(main())
