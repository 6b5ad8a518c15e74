"""Jobs that run the real action against an emulator; the action's own set-up is made once for all of them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from tests.e2e.harness import ROOT, Action, Job, Run, export, network, on_emulator, tag_push
from tests.e2e.hostile import OTHER_TOOLS, PIP, PYTHON, SHELL, make_hostile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATA = ROOT / "tests" / "data"

SOURCE = "projects/p1/global/images/web-20261122"
WHOLE = {"us": SOURCE, "eu": f"{SOURCE}-eu", "asia": f"{SOURCE}-asia"}
MANIFEST = {"packer_manifest": "packer-manifest.json"}

#: pip's words where there is no package index.
OFFLINE = re.compile(r"Retrying \(Retry\(|Could not find a version that satisfies")

OUTPUTS = {
    "decision",
    "reason",
    "result",
    "images",
    "image_names",
    "image_us",
    "image_eu",
    "image_asia",
    "failed_locations",
    "replicas",
    "index_path",
    "index_digest",
    "bundle_path",
    "attestation_path",
}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one of pytest's workers at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


HOSTILE_ENV = {**PYTHON, **PIP, **OTHER_TOOLS, **SHELL}


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all of pytest's workers share."""
    return shared_by_workers(tmp_path_factory)


def shared_by_workers(factory: pytest.TempPathFactory) -> Path:
    """The folder of this run of pytest, whichever worker asks."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def action(common: Path) -> Action:
    """The action, exported as a release would hold it."""
    folder = common / "_actions"
    with locked(common / "export.lock"):
        if not (common / "exported").exists():
            (common / "exported").write_text(str(export(folder)), "utf-8")
    return Action.load(Path((common / "exported").read_text("utf-8")))


class SetUp:
    """The first use of the action in a job: what it said, and the job that later uses may share."""

    def __init__(self, job: Job, report: dict[str, Any]) -> None:
        self.job = job
        self.log: str = report["log"]
        self.ran: list[str] = report["ran"]
        self.exit_code: int = report["exit_code"]
        self.executed: str = report["executed"]

    @property
    def environments(self) -> list[Path]:
        return sorted(self.job.temp.glob("replicator-*"))


@pytest.fixture(scope="session")
def set_up(common: Path, action: Action) -> SetUp:
    """Made once, in a workspace that means harm. Skips where there is no package index to make it from."""
    job = Job(folder=common / "first job", env={**network(), **HOSTILE_ENV})
    report = common / "set-up.json"
    with locked(common / "set-up.lock"):
        if not report.exists():
            witness = common / "witness"
            make_hostile(job.workspace, witness)
            run = job.run(action, tag_push("v1"))
            executed = witness.read_text("utf-8") if witness.exists() else ""
            told = {"log": run.log, "ran": run.ran, "exit_code": run.exit_code, "executed": executed}
            report.write_text(json.dumps(told), "utf-8")
    done = SetUp(job, json.loads(report.read_text("utf-8")))
    if "replicate" not in done.ran and OFFLINE.search(done.log):
        pytest.skip("the action's set-up needs a Python package index, and pip reached none")
    assert done.ran == ["decide", "setup", "replicate"], done.log
    return done


class Caller:
    """Someone else's workflow: uses the action against one emulator, and checks what holds for every use of it."""

    def __init__(self, action: Action, job: Job, emulator: Running) -> None:
        self.action = action
        self.job = job
        self.emulator = emulator

    def __call__(self, event: Any, inputs: dict[str, str] | None = None, **watch: Any) -> Run:
        run = self.job.run(self.action, event, inputs, **watch)
        check(run)
        return run

    def replicate(self, inputs: dict[str, str] | None = None, **watch: Any) -> Run:
        """As the push of a tag, of what Packer built."""
        return self(tag_push("v1.2.3"), {"packer_manifest": "packer-manifest.json", **(inputs or {})}, **watch)

    def image(self, name: str) -> dict[str, Any]:
        image = self.emulator.image("p1", name)
        assert image is not None, name
        return image


def check(run: Run) -> None:
    """The contract of every use, however it ended."""
    outputs = run.outputs
    assert set(outputs) == OUTPUTS
    assert outputs["decision"] in {"replicate", "skip"}
    assert outputs["result"] in {"complete", "partial", "failed", "skipped", "planned"}
    assert outputs["reason"]
    assert "\n" not in outputs["reason"]
    images, names, replicas = run.json("images"), run.json("image_names"), run.json("replicas")
    assert list(images) == list(names)
    for location in ("us", "eu", "asia"):
        assert outputs[f"image_{location}"] == images.get(location, "")
    ended_badly = [row["location"] for row in replicas if row["outcome"] in {"failed", "interrupted"}]
    assert outputs["failed_locations"] == ",".join(ended_badly)
    assert bool(outputs["index_path"]) == bool(outputs["index_digest"])
    assert bool(outputs["bundle_path"]) == bool(outputs["attestation_path"]) <= bool(outputs["index_path"])
    for level in ("notice", "warning", "error"):
        shown = [annotation for annotation in run.annotations if annotation.level == level]
        # What exceeds ten, the runner drops without a word.
        assert len(shown) <= 10
        assert all(annotation.title and annotation.message for annotation in shown)


def calls(caller: Caller, method: str) -> list[dict[str, Any]]:
    return [entry for entry in caller.emulator.journal() if entry["method"] == f"compute.images.{method}"]


def everyone_may_use(caller: Caller, name: str) -> bool:
    policy = caller.emulator.policy("p1", name)
    return any("allAuthenticatedUsers" in binding["members"] for binding in policy.get("bindings", []))


@pytest.fixture
def compute() -> Iterator[Running]:
    """An emulator with the image that the manifest names."""
    with running(copy_seconds=0.05) as emulator:
        add_source(emulator)
        yield emulator


@pytest.fixture
def slow_compute() -> Iterator[Running]:
    """One whose copies take longer than any test."""
    with running(copy_seconds=30) as emulator:
        add_source(emulator)
        yield emulator


def add_source(emulator: Running) -> dict[str, Any]:
    return emulator.add_image(
        project="p1",
        name="web-20261122",
        family="web",
        labels={"team": "infra"},
        description="The web server",
        guest_os_features=["UEFI_COMPATIBLE", "GVNIC"],
        public=True,
    )


@pytest.fixture
def new_caller(action: Action, compute: Running, tmp_path: Path) -> Caller:
    """A job in which nothing is set up yet."""
    return new_job(action, compute, tmp_path)


@pytest.fixture
def caller(action: Action, set_up: SetUp, compute: Running, tmp_path: Path) -> Caller:
    """A job in which an earlier use of the action made its environment."""
    return with_environment(new_job(action, compute, tmp_path), set_up.environments)


@pytest.fixture
def slow_caller(action: Action, set_up: SetUp, slow_compute: Running, tmp_path: Path) -> Caller:
    return with_environment(new_job(action, slow_compute, tmp_path), set_up.environments)


def new_job(action: Action, emulator: Running, folder: Path) -> Caller:
    job = Job(folder=folder, env=on_emulator(emulator.url))
    shutil.copy(DATA / "packer-manifest.json", job.workspace)
    return Caller(action, job, emulator)


def with_environment(caller: Caller, environments: Iterable[Path]) -> Caller:
    # Linked, not shared whole: RUNNER_TEMP holds the index too, and tests run side by side.
    for path in environments:
        (caller.job.temp / path.name).symlink_to(path)
    return caller
