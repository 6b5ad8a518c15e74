"""`dispatch`, `runs` and the lines of docs/workers.md on a real Gitea server, with tokens that may less and less."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from replicator.commands.release.workflows.dispatch import Dispatching
from replicator.commands.release.workflows.runs import Logging, Showing
from testkit.forges.asking import Said, ask
from testkit.forges.gitea import OWNER, Gitea, gitea
from testkit.forges.gitea_runner import Runner
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKFLOW = """
on: {workflow_dispatch: {inputs: {image: {default: none}}}}
jobs:
  build: {runs-on: small, steps: [{run: echo}]}
  deploy: {runs-on: large, needs: build, steps: [{run: echo}]}
"""
PUSHED = "on: {push: {branches: [never]}}\njobs: {one: {runs-on: nobody, steps: [{run: echo}]}}\n"
HOSTILE = ["::error::x", "##[add-mask]y", "\x1b[31mred\x1b[0m \u202e", "last"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with gitea(tmp_path_factory.mktemp("gitea")) as running:
        running.repository("images")
        for name, text in (("deploy.yml", WORKFLOW), ("push.yml", PUSHED)):
            content = {"content": base64.b64encode(text.encode()).decode(), "message": "add", "branch": "main"}
            path = f"/repos/{OWNER}/images/contents/.gitea/workflows/{name}"
            assert running.api("POST", path, json=content).status_code == 201
        tag = running.api("POST", f"/repos/{OWNER}/images/tags", json={"tag_name": "v1.0", "target": "main"})
        assert tag.status_code == 201
        for kind, path in (("new_branch_name", "branches"), ("tag_name", "tags")):
            assert running.api("POST", f"/repos/{OWNER}/images/{path}", json={kind: "both"}).status_code == 201
        yield running


@pytest.fixture
def runner(server: Gitea) -> Runner:
    """A machine of the test's own, that takes both jobs."""
    made = server.api("POST", f"/repos/{OWNER}/images/actions/runners/registration-token").json()
    return Runner.register(server.url, made["token"], "machine", ["small", "large"])


def say(kind: Any, server: Gitea, token: str | None = None, **given: Any) -> Said:
    return ask(
        kind,
        server.url,
        server.token if token is None else token,
        forge="auto",
        **given | {"repository": f"{OWNER}/images"},
    )


def start(server: Gitea, token: str | None = None, **given: Any) -> Said:
    return say(Dispatching, server, token, **{"workflow": "deploy.yml", "ref": "v1.0", **given})


def taken(runner: Runner, run: str) -> dict[str, Any]:
    """The next task of a run, once the server has seen that it needn't wait for another job; what is left of others ends."""
    for _ in range(100):
        task = runner.take()
        if task and str(task["context"]["run_id"]) == run:
            return task
        if task:
            runner.finish(task, ["left"])
        else:
            time.sleep(0.1)
    raise AssertionError("the server gives no task")


def scoped(server: Gitea, user: str, scope: str) -> str:
    """A token of a user with one scope, made on the server's machine."""
    name = f"{user}-{scope}".replace(":", "-") + os.urandom(3).hex()
    made = server.admin("generate-access-token", "--username", user, "--token-name", name, "--scopes", scope, "--raw")
    return made.split()[-1]


def test_from_dispatch_to_logs(server: Gitea, runner: Runner) -> None:
    said = start(server, input={"image": "web", "notes": "unknown inputs are left out"})
    run = said.document["run_id"]
    assert (said.exit_code, said.document["result"]) == (0, "started"), said.log
    assert requests.get(said.document["run_url"], timeout=60).status_code in {200, 303}
    shown = say(Showing, server, run=run)
    assert (shown.exit_code, shown.document["status"]) == (0, "queued")
    assert [job["name"] for job in shown.document["jobs"]] == ["build", "deploy"]
    assert {job["status"] for job in shown.document["jobs"]} <= {"queued", "waiting"}
    assert say(Logging, server, run=run).exit_code == 4
    task = taken(runner, run)
    told = say(Logging, server, run=run, job="build")
    assert (told.exit_code, told.why) == (4, "unread"), "a job that has not written yet"
    assert task["context"]["event"]["inputs"] == {"image": "web"}
    assert say(Showing, server, run=run).document["status"] == "in_progress"
    runner.finish(task, HOSTILE)
    last = taken(runner, run)
    runner.finish(last, ["it broke"], success=False)
    shown = say(Showing, server, run=run)
    assert (shown.exit_code, shown.why, shown.document["conclusion"]) == (1, "run_failed", "failure")
    told = say(Logging, server, run=run)
    assert told.exit_code == 0
    build, deploy = told.document["jobs"]
    assert len(build["log"]) == len(HOSTILE)
    assert build["log"][0].endswith("::error::x")
    assert deploy["log"][0].endswith("it broke")
    assert all(line.isprintable() and not line.startswith("::") for line in told.log.splitlines())
    assert "##[" not in told.log
    assert "it broke" not in say(Logging, server, run=run, job="build").log


@pytest.mark.parametrize(("success", "exit_code"), [(True, 0), (False, 1)])
def test_wait(server: Gitea, runner: Runner, *, success: bool, exit_code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock jumps, so the machine works whenever the command looks."""
    real = Dispatching._followed

    def followed(self: Dispatching, workflows: Any) -> Any:
        looked = workflows.forge.door.wait

        def working(*given: Any) -> None:
            if task := runner.take():
                runner.finish(task, ["x"], success=success)
            looked(*given)

        workflows.forge.door.wait = working
        return real(self, workflows)

    monkeypatch.setattr(Dispatching, "_followed", followed)
    said = start(server, ref="main", wait="true")
    assert (said.exit_code, said.document["conclusion"]) == (exit_code, "success" if success else "failure"), said.log


@pytest.mark.parametrize(
    ("given", "exit_code", "why"),
    [
        ({"ref": "both"}, 2, "ref"),
        ({"ref": "nope"}, 3, "not_found"),
        ({"ref": "V1.0"}, 3, "not_found"),
        ({"ref": "refs/tags/nope"}, 3, "not_found"),
        ({"workflow": "nope.yml"}, 3, "not_found"),
        ({"ref": "refs/heads/main", "token": "0" * 40}, 3, "forbidden"),
    ],
)
def test_what_is_refused(server: Gitea, given: dict[str, Any], exit_code: int, why: str) -> None:
    said = start(server, **given)
    assert (said.exit_code, said.why, said.document["started"]) == (exit_code, why, False), said.log


def test_what_the_page_says_of_gitea(server: Gitea) -> None:
    """A workflow without `workflow_dispatch` runs; a disabled one is refused."""
    assert start(server, workflow="push.yml", ref="main").exit_code == 0
    path = f"/repos/{OWNER}/images/actions/workflows/push.yml"
    assert server.api("PUT", f"{path}/disable").status_code == 204
    said = start(server, workflow="push.yml", ref="main")
    assert (said.exit_code, said.why) == (1, "dispatch_refused")
    assert server.api("PUT", f"{path}/enable").status_code == 204


def test_tokens(server: Gitea, runner: Runner) -> None:
    """The table of docs/workers.md: what each kind of token may do."""
    server.admin(
        "create",
        "--username",
        "writer",
        "--random-password",
        "--must-change-password=false",
        "--email",
        "w@example.invalid",
    )
    added = server.api("PUT", f"/repos/{OWNER}/images/collaborators/writer", json={"permission": "write"})
    assert added.status_code == 204
    run = start(server).document["run_id"]
    runner.finish(taken(runner, run), ["x"])
    last = taken(runner, run)
    found = {}
    for name, token in {
        "owner, write:repository": scoped(server, OWNER, "write:repository"),
        "owner, read:repository": scoped(server, OWNER, "read:repository"),
        "writer, write:repository": scoped(server, "writer", "write:repository"),
        "the job's own": last["secrets"]["GITEA_TOKEN"],
        "none": "",
    }.items():
        asked = server.api("POST", f"/repos/{OWNER}/images/actions/runners/registration-token", token=token)
        found[name] = (
            start(server, token).exit_code,
            say(Showing, server, token, run=run).exit_code,
            say(Logging, server, token, run=run).exit_code,
            asked.status_code,
        )
    runner.finish(last, ["y"])
    assert found == {
        "owner, write:repository": (0, 0, 0, 200),
        "owner, read:repository": (3, 0, 0, 403),
        "writer, write:repository": (0, 0, 0, 403),
        "the job's own": (0, 0, 0, 403),
        "none": (3, 0, 4, 401),
    }


def test_the_lines_of_the_page(server: Gitea, runner: Runner, tmp_path: Path) -> None:
    """They register, list and delete; the token is no argument of a process."""
    if not shutil.which("curl"):
        pytest.skip("curl is missing")
    page = (ROOT / "docs" / "workers.md").read_text("utf-8")
    (block,) = (text for text in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "curl" in text)
    listed = server.api("GET", f"/repos/{OWNER}/images/actions/runners").json()["runners"]
    number = max(item["id"] for item in listed)
    env = {"PATH": os.environ["PATH"], "FORGE": server.url, "REPOSITORY": f"{OWNER}/images", "RUNNER": str(number)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=block,
        env={**env, "GITEA_TOKEN": scoped(server, OWNER, "write:repository")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    registration, shown = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert Runner.register(server.url, registration["token"], "another").uuid != runner.uuid
    assert {item["id"]: item["status"] for item in shown["runners"]}[number] in {"online", "idle", "active"}
    left = server.api("GET", f"/repos/{OWNER}/images/actions/runners").json()["runners"]
    assert number not in {item["id"] for item in left}
