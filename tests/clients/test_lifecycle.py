"""`rollback` and `promote` judged by real gcloud: what a family's users get, while it runs and after it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from replicator import cli
from testkit.lifecycle.releases import heads, release

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emulator.testing import Running

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is missing")

PLACES = ("", "-eu", "-asia")
LINES = ("web", "web-arm64")


def env(emulator: Running) -> dict[str, str]:
    return {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{emulator.url}/compute/v1/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    }


def resolved(emulator: Running, folder: Path, family: str) -> str:
    """What gcloud says that a family resolves to."""
    argv = ["gcloud", "compute", "images", "describe-from-family", family, "--project=p1", "--format=value(name)"]
    around = {**os.environ, **env(emulator), "CLOUDSDK_CONFIG": str(folder / "gcloud")}
    return subprocess.run(argv, env=around, text=True, capture_output=True, check=True, timeout=120).stdout.strip()


def call(emulator: Running, *argv: str) -> str:
    log = io.StringIO()
    code = cli.main([*argv, "--families", ",".join(LINES), "--project-id", "p1"], env(emulator), log)
    assert code == 0, log.getvalue()
    return log.getvalue()


def watched(emulator: Running, act: Callable[[], object]) -> set[tuple[tuple[str, str], ...]]:
    """What the families resolved to at any moment of the call, looked at every 20 ms."""
    seen: set[tuple[tuple[str, str], ...]] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.add(tuple(sorted(heads(emulator).items())))
            time.sleep(0.02)

    poller = threading.Thread(target=look)
    poller.start()
    try:
        act()
    finally:
        ended.set()
        poller.join()
    return seen


def test_back_and_forward(emulator: Running, tmp_path: Path) -> None:
    """A2: six families of two architectures; the poller sees nothing but the two releases, in every family."""
    for number in (1, 2, 3):
        for line in LINES:
            release(emulator, f"{line}-b{number}", day=number, line=line, labels={"release": f"v{number}"})
    seen = watched(emulator, lambda: call(emulator, "rollback"))
    families = {f"{line}{at}": {f"{line}-b2{at}", f"{line}-b3{at}"} for line in LINES for at in PLACES}
    for moment in seen:
        assert dict(moment).keys() == families.keys()
        assert all(name in families[family] for family, name in moment)
    for family in families:
        line = "web-arm64" if family.startswith("web-arm64") else "web"
        assert resolved(emulator, tmp_path, family) == f"{line}-b2{family.removeprefix(line)}"
    call(emulator, "promote", "--release", "v3", "--reactivate")
    assert resolved(emulator, tmp_path, "web-arm64-eu") == "web-arm64-b3-eu"
