"""`dispatch` against GitHub's API, checked by GitHub's own OpenAPI document, and against Forgejo's as its source has it."""

from __future__ import annotations

import io
import json
import socket
from typing import TYPE_CHECKING

import pytest

from replicator import cli
from replicator.commands.release.workflows.dispatch import Dispatching
from testkit.forges.asking import Said, ask
from testkit.forges.forgejo import Forgejo
from testkit.forges.front import Front, Request, front
from testkit.forges.github import GitHub

if TYPE_CHECKING:
    from pathlib import Path

SHA = "0" * 40


@pytest.fixture
def github() -> GitHub:
    return GitHub(tags={"v1.0": SHA, "both": SHA}, branches={"main": SHA, "both": SHA})


def start(server: Front, **given: object) -> Said:
    return ask(Dispatching, server.url, **{"workflow": "deploy.yml", "ref": "v1.0", **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ref", "full"),
    [("v1.0", "refs/tags/v1.0"), ("main", "refs/heads/main"), ("refs/tags/both", "refs/tags/both")],
)
def test_one_run_is_started_at_the_ref(github: GitHub, server: Front, ref: str, full: str) -> None:
    said = start(server, ref=ref, input={"image": "web", "notes": "two\nlines, image=other ::error::x"})
    (run,) = github.runs.values()
    assert (run.workflow, run.ref) == ("deploy.yml", full)
    assert run.inputs == {"image": "web", "notes": "two\nlines, image=other ::error::x"}
    assert (said.exit_code, said.document["result"], said.document["run_id"]) == (0, "started", str(run.id))
    assert said.document["run_url"] == f"{server.url}/acme/images/actions/runs/{run.id}"
    assert [entry.method for entry in server.writes] == ["POST"]


def test_a_full_ref_needs_no_other_call(server: Front) -> None:
    """So a token that may only write actions suffices."""
    assert start(server, ref="refs/tags/v1.0").exit_code == 0
    assert len(server.journal) == 1


@pytest.mark.parametrize(
    ("given", "exit_code", "why", "shown"),
    [
        ({"ref": "both"}, 2, "ref", "write refs/heads/both or refs/tags/both"),
        ({"ref": "nope"}, 3, "not_found", "no branch and no tag nope"),
        ({"workflow": "other.yml"}, 3, "not_found", "on the default branch"),
        ({"ref": "refs/tags/nope"}, 1, "dispatch_refused", "No ref found"),
        ({"workflow": "push.yml"}, 1, "dispatch_refused", "does not have 'workflow_dispatch' trigger"),
        ({"input": {"imgae": "web"}}, 1, "dispatch_refused", "Unexpected inputs provided: ['imgae']"),
        ({"token": "ghs_wrong"}, 3, "forbidden", "401"),
        ({"token": "", "ref": "refs/tags/v1.0"}, 3, "forbidden", "There is no token"),
    ],
)
def test_what_is_refused(
    github: GitHub, server: Front, given: dict[str, object], exit_code: int, why: str, shown: str
) -> None:
    said = start(server, **given)
    assert (said.exit_code, said.why, said.document["started"]) == (exit_code, why, False), said.log
    assert shown in said.log
    assert github.runs == {}


def test_a_token_without_the_permission(github: GitHub, server: Front) -> None:
    github.refuses = "Resource not accessible by integration"
    said = start(server)
    assert (said.exit_code, said.why) == (3, "forbidden")
    assert "actions: write" in said.log


@pytest.mark.parametrize(
    "given",
    [
        {"workflow": "../deploy.yml"},
        {"workflow": "deploy"},
        {"workflow": "a/b.yml"},
        {"ref": "refs/pull/1/head"},
        {"ref": "a..b"},
        {"ref": "a\nb"},
        {"ref": "v1?x=y"},
        {"input": {"two words": "x"}},
        {"input": {f"n{number}": "x" for number in range(26)}},
        {"input": {"image": "ghp_" + "a" * 36}},
    ],
)
def test_wrong_settings_call_nobody(server: Front, given: dict[str, object]) -> None:
    said = start(server, **given)
    assert said.exit_code == 2
    assert server.journal == []
    assert "ghp_" not in said.log + json.dumps(said.document)


def test_the_command_line_keeps_each_input_whole(github: GitHub, server: Front, tmp_path: Path) -> None:
    """A line break in one value makes no second input of it."""
    (tmp_path / "token").write_bytes(b"ghs_right\n")
    argv = ["dispatch", "--server-url", server.url, "--forge", "github", "--repository", "acme/images"]
    argv += ["--workflow", "deploy.yml", "--ref", "v1.0", "--token-file", str(tmp_path / "token"), "--json"]
    out = io.StringIO()
    assert cli.main([*argv, "--input", "image=web", "--input", "notes=a\nimage=b"], {}, out) == 0
    (run,) = github.runs.values()
    assert run.inputs == {"image": "web", "notes": "a\nimage=b"}
    assert json.loads(out.getvalue())["run_id"] == str(run.id)
    assert cli.main([*argv, "--input", "image=web", "--input", "image=b"], {}, io.StringIO()) == 2
    assert len(github.runs) == 1


@pytest.mark.parametrize(
    ("conclusion", "exit_code", "result"),
    [("success", 0, "succeeded"), ("failure", 1, "failed"), ("cancelled", 1, "failed"), ("timed_out", 1, "failed")],
)
def test_wait_for_the_end(github: GitHub, server: Front, conclusion: str, exit_code: int, result: str) -> None:
    """It may not be shown at first; then it is queued, runs, and ends."""

    def going_on(_number: int, _request: Request) -> None:
        for run in github.runs.values():
            looks = sum(f"/runs/{run.id}" in entry.target for entry in server.journal)
            run.hidden = int(looks <= 2)
            run.status = "queued" if looks <= 4 else "in_progress" if looks <= 6 else "completed"
            run.conclusion = conclusion if run.status == "completed" else None

    server.before = going_on
    said = start(server, wait="true")
    assert (said.exit_code, said.document["result"]) == (exit_code, result)
    assert (said.document["status"], said.document["conclusion"]) == ("completed", conclusion)
    assert said.log.index("is queued") < said.log.index("is in_progress")
    assert (said.why == "run_failed") == bool(exit_code)
    assert len(github.runs) == 1


def test_a_run_that_does_not_end_in_time(github: GitHub, server: Front) -> None:
    said = start(server, wait="true", timeout_minutes="3")
    assert (said.exit_code, said.why, said.document["started"]) == (3, "not_followed", True)
    assert said.document["run_id"] in said.log
    assert "Don't dispatch again" in said.log
    assert len(github.runs) == 1


def test_a_forge_that_does_not_tell_the_run(github: GitHub, server: Front) -> None:
    """Older GitHub Enterprise: started all the same, and the page is named."""
    github.tells_runs = False
    said = start(server)
    assert (said.exit_code, said.document["result"], said.document["run_id"]) == (0, "started", "")
    assert said.document["run_url"] == f"{server.url}/acme/images/actions/workflows/deploy.yml"
    said = start(server, wait="true")
    assert (said.exit_code, said.why, said.document["started"]) == (3, "not_supported", True)
    assert len(github.runs) == 2


def test_nobody_listens() -> None:
    """What surely wasn't sent isn't said to be unclear."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    said = ask(Dispatching, url, workflow="deploy.yml", ref="refs/tags/v1.0")
    assert (said.exit_code, said.why) == (3, "unreachable")


@pytest.mark.parametrize(
    ("fault", "often"), [(fault, often) for fault in ("drop_after", "reset_during", "502_stored") for often in (1, 99)]
)
def test_a_dispatch_is_never_repeated(github: GitHub, server: Front, fault: str, often: int) -> None:
    """It was carried out, and nobody heard: the page to look at is named."""
    server.fault = lambda number, request: fault if request.method == "POST" and number < often + 2 else ""
    said = start(server)
    assert (said.exit_code, said.why, said.document["result"]) == (3, "unclear", "unclear")
    assert f"{server.url}/acme/images/actions/workflows/deploy.yml" in said.log
    assert len(github.runs) == len(server.writes) == 1


class TestForgejo:
    @pytest.mark.parametrize("version", ["16.0.0+gitea-1.22.0", "12.0.1+gitea-1.22.0"])
    def test_it_tells_the_run(self, version: str) -> None:
        forge = Forgejo(version)
        with front(forge) as server:
            said = ask(
                Dispatching,
                server.url,
                "right",
                forge="auto",
                workflow="deploy.yml",
                ref="main",
                input={"image": "web"},
            )
        assert (said.exit_code, said.document["run_id"]) == (0, "7"), said.log
        assert said.document["run_url"] == f"{server.url}/acme/images/actions/runs/3"
        (asked,) = forge.started
        assert (asked["ref"], asked["inputs"]) == ("refs/heads/main", {"image": "web"})

    def test_an_older_one_does_not(self) -> None:
        with front(Forgejo("10.0.0+gitea-1.22.0")) as server:
            given = {"workflow": "deploy.yml", "ref": "refs/heads/main"}
            said = ask(Dispatching, server.url, "right", forge="forgejo", **given)
            assert (said.exit_code, said.document["result"], said.document["run_id"]) == (0, "started", "")
            assert "does not say which run" in said.log
            assert said.document["run_url"] == f"{server.url}/acme/images/actions?workflow=deploy.yml"
            assert ask(Dispatching, server.url, "right", forge="forgejo", wait="true", **given).why == "not_supported"

    @pytest.mark.parametrize(("status", "exit_code"), [("success", 0), ("failure", 1), ("cancelled", 1)])
    def test_wait_in_its_words(self, status: str, exit_code: int) -> None:
        with front(Forgejo(status=status)) as server:
            given = {"workflow": "deploy.yml", "ref": "main", "wait": "true"}
            said = ask(Dispatching, server.url, "right", forge="forgejo", **given)
        assert (said.exit_code, said.document["conclusion"]) == (exit_code, status)

    def test_an_input_is_missing(self) -> None:
        with front(Forgejo()) as server:
            given = {"workflow": "deploy.yml", "ref": "main", "input": {"image": ""}}
            said = ask(Dispatching, server.url, "right", forge="forgejo", **given)
        assert (said.exit_code, said.why) == (1, "dispatch_refused")
