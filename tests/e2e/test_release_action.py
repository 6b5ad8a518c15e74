"""release/action.yml as a whole: what a skip costs, what a run installs and hands on, and how a failure is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testkit.forges.caller import COMMIT, FILES, Caller
from testkit.forges.front import front
from testkit.forges.github import GitHub
from testkit.harness.job import Action, Job, export, pull_request, tag_push

if TYPE_CHECKING:
    from pathlib import Path

PUSH = replace(tag_push("boot-v7"), sha=COMMIT)
SECRET = "ghs_" + "SecretOfThisTest0123456789abcdefghij"


@pytest.fixture(scope="module")
def action(tmp_path_factory: pytest.TempPathFactory) -> Action:
    return Action.load(export(tmp_path_factory.mktemp("actions")) / "release")


def test_a_mirror_and_a_pull_request_install_nothing(action: Action, tmp_path: Path) -> None:
    job = Job(
        folder=tmp_path, env={"GITHUB_SERVER_URL": "https://Codeberg.org/", "PIP_INDEX_URL": "http://127.0.0.1:1"}
    )
    run = job.run(action, PUSH, {"files": "out/*"})
    assert (run.exit_code, run.ran, run.outputs["result"]) == (0, ["decide"], "skipped")
    assert run.outputs["skipped_reason"] == "server"
    job.env["GITHUB_SERVER_URL"] = "https://github.com"
    run = job.run(action, pull_request(), {"files": "out/*", "release_tag": "boot-v7"})
    assert (run.ran, run.outputs["skipped_reason"]) == (["decide"], "event")
    assert [path.name for path in job.temp.iterdir()] == ["_runner_file_commands"]


def test_published_with_the_small_lock(action: Action, tmp_path: Path) -> None:
    github = GitHub(token=SECRET)
    with front(github) as server:
        github.url = server.url
        job = Job(folder=tmp_path, env={"GITHUB_SERVER_URL": server.url})
        Caller(job.workspace, server.url)
        run = job.run(action, PUSH, {"files": "out/*", "token": SECRET})
        assert (run.exit_code, run.outputs["result"]) == (0, "published"), run.log
        assert set(github.assets("boot-v7")) == {*FILES, "SHA256SUMS"}
        assert {row["outcome"] for row in run.json("assets")} == {"uploaded"}
        assert SECRET not in run.log + run.summary + json.dumps(dict(run.outputs))
        (environment,) = job.temp.glob("replicator-*/lib/*/site-packages")
        assert not list(environment.glob("google*")) + list(environment.glob("grpc*")) + list(environment.glob("yaml"))
        (job.workspace / "out" / "boot.iso").write_bytes(b"other")
        failed = job.run(action, PUSH, {"files": "out/*", "token": SECRET})
    assert (failed.exit_code, failed.outputs["result"]) == (1, "failed")
    assert failed.outputs["reason"].startswith("release_differs: ")
