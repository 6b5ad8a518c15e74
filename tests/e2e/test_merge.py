"""Two builds' jobs and the merge job, through the real action.yml and merge/action.yml."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.harness.job import Action, on_branch, pull_request
from testkit.harness.merging import IMAGES, TAG, Jobs

if TYPE_CHECKING:
    from emulator.testing import Running
    from testkit.harness.callers import SetUp
    from testkit.harness.job import Event


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
    assert any("ARM64 eu" in note.title for note in run.annotations)
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
