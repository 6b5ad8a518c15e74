"""Uses the action as other people's workflows do, and checks what holds for every use."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testkit.harness import manifest
from testkit.harness.hostile import OTHER_TOOLS, PIP, PYTHON, SHELL
from testkit.harness.job import Action, Job, Run, on_emulator, tag_push
from testkit.outputs import OUTPUTS as IN_ORDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from emulator.testing import Running


SOURCE = "projects/p1/global/images/web-20261122"

WHOLE = {"us": SOURCE, "eu": f"{SOURCE}-eu", "asia": f"{SOURCE}-asia"}

MANIFEST = {"packer_manifest": "packer-manifest.json"}


#: pip's words where there is no package index.
OFFLINE = re.compile(r"Retrying \(Retry\(|Could not find a version that satisfies")


OUTPUTS = set(IN_ORDER)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one of pytest's workers at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


HOSTILE_ENV = {**PYTHON, **PIP, **OTHER_TOOLS, **SHELL}


def shared_by_workers(factory: pytest.TempPathFactory) -> Path:
    """The folder of this run of pytest, whichever worker asks."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


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


def new_job(action: Action, emulator: Running, folder: Path) -> Caller:
    job = Job(folder=folder, env=on_emulator(emulator.url))
    manifest.put(job.workspace)
    return Caller(action, job, emulator)


def with_environment(caller: Caller, environments: Iterable[Path]) -> Caller:
    # Linked, not shared whole: RUNNER_TEMP holds the index too, and tests run side by side.
    for path in environments:
        (caller.job.temp / path.name).symlink_to(path)
    return caller
