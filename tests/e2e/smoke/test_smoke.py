"""`make smoke` as people start it, as a process, with the product as processes of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from scripts.smoke.options import LABEL
from testkit.harness.backend import Backend, backend
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROJECT = "acme-images"
OTHERS = [{"project": PROJECT, "name": f"web-{number}", "public": True} for number in range(5)]


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Backend]:
    with backend(tmp_path, copy_seconds=1.0, scenario={"images": OTHERS}) as emulator:
        yield emulator


def environment(emulator: Backend) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **{
            f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{emulator.url}/"
            for name in ("COMPUTE", "ARTIFACTREGISTRY", "CLOUDRESOURCEMANAGER")
        },
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        # Of a step of a workflow, which the product must not take for its own.
        "GITHUB_ACTIONS": "true",
        "INPUT_SOURCE_IMAGE": "projects/p/global/images/other",
    }


def command(verb: str, *more: str) -> list[str]:
    return [sys.executable, "-I", "-m", "scripts.smoke", verb, "--project", PROJECT, "--yes", "1", *more]


def started(emulator: Backend, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("run", *more),
        cwd=ROOT,
        env=environment(emulator),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_of(output: str) -> str:
    found = re.search(r"girs-([0-9a-f]{8})-", output)
    assert found, output
    return found[1]


def removed(run: str) -> None:
    """What a run left on this machine."""
    folder = ROOT / ".smoke"
    (folder / f"{run}.jsonl").unlink(missing_ok=True)
    shutil.rmtree(folder / run, ignore_errors=True)


def test_from_start_to_report(emulator: Backend) -> None:
    before = emulator.images()
    process = started(emulator, "--only", "copy")
    output, _ = process.communicate(timeout=240)
    run = run_of(output)
    try:
        assert (process.returncode, emulator.images()) == (0, before), output
        report = json.loads((ROOT / ".smoke" / run / "smoke-report.json").read_text("utf-8"))
        assert [(step["name"], step["problem"]) for step in report["steps"]] == [
            ("replicate", ""),
            ("the same again", ""),
            ("verify", ""),
            ("plan", ""),
            ("resolve", ""),
        ]
        changed = {entry["target"].split("/")[-1] for entry in emulator.changes()}
        assert all(name.startswith(f"girs-{run}-") for name in changed)
    finally:
        removed(run)


def test_terminated_while_the_product_runs(emulator: Backend) -> None:
    before = emulator.images()
    process = started(emulator)
    until = time.monotonic() + 120
    while time.monotonic() < until and not any(name.endswith("-src-asia") for name in emulator.images()):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    run = run_of(output)
    try:
        assert process.returncode == 143, output
        if emulator.images() != before:
            done = subprocess.run(
                command("clean", "--run", run),
                cwd=ROOT,
                env=environment(emulator),
                stdin=subprocess.DEVNULL,
                check=False,
            )
            assert done.returncode == 0
        assert emulator.images() == before
    finally:
        removed(run)


def test_clean_takes_what_no_journal_names(emulator: Backend) -> None:
    images = f"/compute/v1/projects/{PROJECT}/global/images"
    own = {"sourceSnapshot": f"projects/{PROJECT}/global/snapshots/s", "labels": {LABEL: "ffffffff"}}
    emulator.finish(PROJECT, emulator.call("POST", images, {"name": "girs-ffffffff-lost", **own}))
    emulator.finish(PROJECT, emulator.call("POST", images, {"name": "girs-eeeeeeee-others", **own}))
    done = subprocess.run(
        command("clean"),
        cwd=ROOT,
        env=environment(emulator),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert set(emulator.images()) == {*(each["name"] for each in OTHERS), "girs-eeeeeeee-others"}
