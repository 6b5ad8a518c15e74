"""Two builds' jobs and the merge job, through the real action.yml and merge/action.yml."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.conftest import Caller, SetUp, new_job, with_environment
from tests.e2e.harness import ROOT, Action, on_branch, pull_request, tag_push

if TYPE_CHECKING:
    from emulator.testing import Running
    from tests.e2e.harness import Event, Run

TAG = tag_push("v1.2.3")
IMAGES = {"X86_64": "web-1", "ARM64": "web-1-arm64"}
EXPECT = "X86_64, ARM64"
OUTPUTS = set(yaml.safe_load((ROOT / "merge" / "action.yml").read_text("utf-8"))["outputs"])


class Jobs:
    """A workflow of three jobs, each on a runner of its own; artifacts are copied from one to the other."""

    def __init__(self, action: Action, set_up: SetUp | None, emulator: Running, folder: Path) -> None:
        self.action, self.set_up, self.emulator, self.folder = action, set_up, emulator, folder
        self.merge_action = Action.load(action.path / "merge")
        self.env: dict[str, str] = {}
        self.count = 0

    def job(self) -> Caller:
        self.count += 1
        caller = new_job(self.action, self.emulator, self.folder / f"job{self.count}")
        caller.job.env |= self.env
        return with_environment(caller, self.set_up.environments if self.set_up else self.environments())

    def environments(self) -> list[Path]:
        """Those that earlier jobs made."""
        found = self.folder.glob("job*/work/_temp/replicator-*")
        return list({path.name: path for path in found if not path.is_symlink()}.values())

    def build(self, architecture: str, event: Event = TAG, caller: Caller | None = None, **inputs: str) -> Run:
        caller = caller or self.job()
        name = IMAGES[architecture]
        if not self.emulator.image("p1", name):
            self.emulator.add_image(
                project="p1",
                name=name,
                family=name.replace("-1", ""),
                architecture="ARM64" if architecture == "ARM64" else "X86_64",
                public=True,
            )
        source = f"projects/p1/global/images/{name}"
        run = caller(event, {"source_image": source, "promote": "false", "revision": "auto", **inputs})
        if run.outputs["index_path"]:
            artifact = self.folder / "artifacts" / f"image-index-{architecture}"
            artifact.mkdir(parents=True, exist_ok=True)
            shutil.copy(run.outputs["index_path"], artifact)
        return run

    def merge(self, event: Event = TAG, caller: Caller | None = None, **inputs: str) -> Run:
        caller = caller or self.job()
        if (self.folder / "artifacts").exists():
            shutil.copytree(self.folder / "artifacts", caller.job.workspace / "fragments")
        run = caller.job.run(self.merge_action, event, {"fragments": "fragments", "expect": EXPECT, **inputs})
        assert set(run.outputs) == OUTPUTS
        assert run.outputs["decision"] in {"replicate", "skip"}
        assert run.outputs["reason"]
        for name in ("images", "image_names", "replicas"):
            run.json(name)
        return run

    def families(self) -> set[str]:
        images = self.emulator.state()["images"]
        return {image["family"] for image in images if image.get("family") and image.get("sourceImageId")}


@pytest.fixture
def jobs(action: Action, set_up: SetUp, compute: Running, tmp_path: Path) -> Jobs:
    return Jobs(action, set_up, compute, tmp_path)


def test_release(jobs: Jobs) -> None:
    for architecture in IMAGES:
        assert jobs.build(architecture).outputs["result"] == "complete"
    assert jobs.families() == set()
    run = jobs.merge(required_locations="all")
    assert (run.exit_code, run.ran) == (0, ["decide", "setup", "merge"]), run.log
    # The environment is that of the main action: nothing was set up again.
    assert "Setting up" not in run.log
    assert (run.outputs["decision"], run.outputs["result"]) == ("replicate", "complete")
    images = run.json("images")
    assert images["ARM64"]["eu"] == "projects/p1/global/images/web-1-arm64-eu"
    assert set(images["X86_64"]) == {"us", "eu", "asia"}
    data = Path(run.outputs["index_path"]).read_bytes()
    assert run.outputs["index_digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    merged = json.loads(data)["images"]
    assert [image["architecture"] for image in merged] == ["ARM64", "X86_64"]
    assert {image["revision"]["commit"] for image in merged} == {TAG.sha}
    assert jobs.families() == {"web-eu", "web-asia", "web-arm64-eu", "web-arm64-asia"}
    assert "ARM64 eu" in {note.title for note in run.annotations}
    assert "ARM64 eu" in run.summary
    again = jobs.merge()
    assert again.outputs["index_digest"] == run.outputs["index_digest"]
    assert {row["outcome"] for row in again.json("replicas")} == {"source", "adopted"}


def test_incomplete_release(jobs: Jobs) -> None:
    jobs.build("X86_64")
    run = jobs.merge()
    assert (run.exit_code, run.conclusion, run.outputs["result"]) == (1, "failure", "failed")
    assert "ARM64 is missing" in run.outputs["reason"]
    assert run.outputs["index_path"] == ""
    assert run.json("images") == {}
    assert [note.level for note in run.annotations] == ["error"]
    assert jobs.families() == set()


@pytest.mark.parametrize("event", [pull_request(), on_branch("workflow_dispatch"), on_branch("schedule")])
def test_skips_as_the_builds_do(jobs: Jobs, event: Event) -> None:
    for architecture in IMAGES:
        assert jobs.build(architecture, event).outputs["decision"] == "skip"
    run = jobs.merge(event)
    assert (run.exit_code, run.ran, run.outputs["result"]) == (0, ["decide"], "skipped")
    assert jobs.emulator.journal() == []


def test_dispatch_with_distribute_true(jobs: Jobs) -> None:
    event = on_branch("workflow_dispatch")
    for architecture in IMAGES:
        jobs.build(architecture, event, distribute="true")
    run = jobs.merge(event, distribute="true", promote="false")
    assert run.outputs["result"] == "complete", run.log
    assert {row["reason"] for row in run.json("replicas") if row["outcome"] != "source"} == {"promote_off"}
    assert jobs.families() == set()


def test_wrong_inputs(jobs: Jobs) -> None:
    run = jobs.merge(fragments="../elsewhere", expect="amd64")
    assert (run.exit_code, run.outputs["result"]) == (2, "failed")
    assert [note.title for note in run.annotations] == ["Input expect"]
    assert "X86_64" in run.outputs["reason"]


def test_wrong_distribute_is_told_alone(jobs: Jobs) -> None:
    run = jobs.merge(distribute="maybe", expect="")
    assert (run.exit_code, run.ran, run.outputs["result"]) == (2, ["decide"], "failed")
    assert [note.title for note in run.annotations] == ["Input distribute"]
