"""release/action.yml as a whole: what a skip costs, what a run installs and hands on, and how a failure is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from testkit.forges.caller import COMMIT, FILES, Caller
from testkit.forges.front import Request, front
from testkit.forges.github import GitHub
from testkit.harness.job import Action, Job, export, pull_request, tag_push
from testkit.places import ROOT

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


def test_the_token_is_nowhere_on_the_machine(tmp_path: Path) -> None:
    """Neither an argument, nor in what a crash would leave, nor in any file, while the release is under way."""
    github = GitHub(token=SECRET)
    seen: list[tuple[str, str]] = []
    with front(github) as server:
        github.url = server.url
        caller = Caller(tmp_path, server.url)
        argv = ["release", "publish", "--forge", "github", "--server-url", server.url, "--repository", "acme/images"]
        argv += ["--release-tag", "boot-v7", "--commit", COMMIT, "--files", "out/*"]
        env = {"GH_TOKEN": SECRET, "PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path)}

        def look(_number: int, _request: Request) -> None:
            process = Path("/proc", str(started[0].pid))
            limits = (process / "limits").read_text("utf-8")
            (core,) = (line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size"))
            seen.append((core, (process / "cmdline").read_text("utf-8")))

        server.before = look
        started: list[subprocess.Popen[str]] = []
        command = [sys.executable, "-I", "-m", "replicator", *argv]
        started.append(subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True))
        said, _ = started[0].communicate(timeout=120)
    assert started[0].returncode == 0, said
    assert len(seen) > 10
    assert {core for core, _ in seen} == {"0"}
    assert SECRET not in said + "".join(line for _, line in seen)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    assert caller.runs == 0


def test_a_skip_opens_no_socket(tmp_path: Path) -> None:
    decide = ROOT / "replicator" / "bootstrap" / "decide.py"
    program = f"""
import runpy, socket, sys
def refuse(*_): raise AssertionError("a socket")
socket.socket = refuse
sys.argv = ["decide.py", "release"]
runpy.run_path({str(decide)!r}, run_name="__main__")
"""
    env = {"GITHUB_SERVER_URL": "https://codeberg.org", "INPUT_SKIP_SERVER_URLS": "https://codeberg.org"}
    env |= {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/boot-v7", "GITHUB_OUTPUT": str(tmp_path / "output")}
    argv = [sys.executable, "-I", "-c", program]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "skipped" in (tmp_path / "output").read_text("utf-8")) == (0, True), done.stderr


def test_no_step_hides_a_failure() -> None:
    """What is verified or made isn't followed by anything that turns a failure into success."""
    for path in (ROOT / "action.yml", *ROOT.glob("*/action.yml"), ROOT / "launch.sh"):
        text = path.read_text("utf-8")
        assert "|| true" not in text, path
        assert "continue-on-error" not in text, path
