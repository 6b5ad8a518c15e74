"""`runs show` and `runs logs` against GitHub's API, checked by its OpenAPI document, and Forgejo's as its source has it."""

from __future__ import annotations

import io
import json

import pytest

from replicator import cli
from replicator.commands.release.workflows import runs
from testkit.forges.asking import Said, ask
from testkit.forges.forgejo import Forgejo
from testkit.forges.front import Front, Response, front
from testkit.forges.github import GitHub
from testkit.forges.github_runs import HeldRun

HOSTILE = "::error::x\x1b[31m\u202e\r\n##[add-mask]y"


@pytest.fixture
def github() -> GitHub:
    """Two jobs that ended, one of which has no log any more, and one that waits."""
    made = GitHub()
    run = HeldRun(5, "deploy.yml", "refs/heads/main", {}, status="completed", conclusion="success")
    run.job(51, "build (X86_64)")
    run.job(52, "build (ARM64)")
    run.job(53, "deploy", status="queued", conclusion=None)
    made.runs[5] = run
    made.logs |= {51: "\ufeff2026-01-02T03:04:05Z hello\r\n  two\n".encode(), 52: b"expired"}
    return made


def show(server: Front, run: str = "5", **given: str) -> Said:
    return ask(runs.Showing, server.url, run=run, **given)


def logs(server: Front, run: str = "5", **given: str) -> Said:
    return ask(runs.Logging, server.url, run=run, **given)


def test_show_status_and_jobs(github: GitHub, server: Front) -> None:
    said = show(server)
    assert (said.exit_code, said.document["status"], said.document["conclusion"]) == (0, "completed", "success")
    assert [(job["id"], job["name"], job["status"], job["conclusion"]) for job in said.document["jobs"]] == [
        ("51", "build (X86_64)", "completed", "success"),
        ("52", "build (ARM64)", "completed", "success"),
        ("53", "deploy", "queued", ""),
    ]
    assert f"{server.url}/acme/images/actions/runs/5" in said.log
    assert server.writes == []
    github.runs[5].status, github.runs[5].conclusion = "in_progress", None
    said = show(server)
    assert (said.exit_code, said.document["reason"]) == (0, "Run 5 is in_progress")


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "action_required", "startup_failure"])
def test_show_fails_if_the_run_did(github: GitHub, server: Front, conclusion: str) -> None:
    github.runs[5].conclusion = conclusion
    said = show(server)
    assert (said.exit_code, said.why) == (1, "run_failed")
    assert len(said.document["jobs"]) == 3
    assert logs(server).exit_code == 0


def test_many_jobs(github: GitHub, server: Front) -> None:
    """More than a page holds."""
    for number in range(1000, 1150):
        github.runs[5].job(number, f"job {number}")
    assert len(show(server).document["jobs"]) == 153


def test_logs_of_all_jobs(server: Front) -> None:
    said = logs(server)
    assert said.exit_code == 0
    assert [job["log"] for job in said.document["jobs"]] == [["2026-01-02T03:04:05Z hello", "  two"], None, None]
    assert "=== build (X86_64) (job 51): success\n2026-01-02T03:04:05Z hello\n  two\n" in said.log
    assert said.log.count("There is no log") == 2


def test_logs_of_one_job(github: GitHub, server: Front) -> None:
    github.logs[52] = b"arm\n"
    said = logs(server, job="build (ARM64)")
    assert "arm" in said.log
    assert "hello" not in said.log
    said = logs(server, job="deploy")
    assert (said.exit_code, said.why) == (4, "unread")
    assert "has no log of this job" in said.log
    said = logs(server, job="nope")
    assert (said.exit_code, said.why) == (4, "unread")
    assert "its jobs: build (X86_64), build (ARM64), deploy" in said.log


def test_one_log_that_cannot_be_read_hides_no_other(github: GitHub, server: Front) -> None:
    """Gitea answers 500 for a job that runs and has written nothing yet; of one that ended that is an error."""
    github.logs[52] = b"arm\n"
    server.fault = lambda _number, request: "500_before" if "/jobs/51/" in request.target else ""
    said = logs(server)
    assert (said.exit_code, said.why) == (4, "unreachable")
    assert "arm" in said.log
    github.runs[5].jobs[0] |= {"status": "in_progress", "conclusion": None}
    said = logs(server)
    assert said.exit_code == 0
    assert [job["log"] for job in said.document["jobs"]] == [None, ["arm"], None]


def test_a_log_without_end_is_shown_in_lines(github: GitHub, server: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is longer than a line may be, and more than the document holds."""
    monkeypatch.setattr(runs, "_MOST_IN_DOCUMENT", 30_000)
    github.logs[51] = b"a" * 40_000 + b"\n" + (b"b" * 99 + b"\n") * 50
    said = logs(server, job="build (X86_64)")
    assert said.exit_code == 0
    lines = said.log.splitlines()
    assert [len(line) for line in lines if set(line) == {"a"}] == [16_384, 16_384, 40_000 - 2 * 16_384]
    assert lines.count("b" * 99) == 50
    assert said.document["truncated"] is True
    assert sum(len(line) for line in said.document["jobs"][0]["log"]) == 16_384
    assert logs(server, job="build (ARM64)").document["truncated"] is False


@pytest.mark.parametrize("command", [runs.Showing, runs.Logging])
def test_hostile_text_is_data(github: GitHub, server: Front, command: type[runs.Showing | runs.Logging]) -> None:
    run = github.runs[5]
    run.title, run.jobs[0]["name"], github.logs[51] = HOSTILE, HOSTILE, f"{HOSTILE}\n{HOSTILE}".encode()
    said = ask(command, server.url, run="5")
    assert said.exit_code == 0
    for line in said.log.splitlines():
        assert not line.lstrip().startswith("::")
        assert line.isprintable()
    assert "##[" not in said.log


@pytest.mark.parametrize("run", ["", "0", "-1", "x", "5\n6", "5/jobs", "9" * 20, "\u0665"])
def test_what_is_no_id(server: Front, run: str) -> None:
    assert show(server, run).exit_code == 2
    assert server.journal == []


def test_the_command_line(server: Front) -> None:
    argv = ["--server-url", server.url, "--forge", "github", "--repository", "acme/images", "--json"]
    env, out = {"GH_TOKEN": "ghs_right"}, io.StringIO()
    assert cli.main(["runs", "show", *argv, "5"], env, out) == 0
    assert json.loads(out.getvalue())["status"] == "completed"
    assert cli.main(["runs", "show", *argv, "5", "6"], env, io.StringIO()) == 2
    assert cli.main(["runs", "logs", *argv], env, io.StringIO()) == 2


@pytest.mark.parametrize(
    ("given", "why"), [({"run": "6"}, "not_found"), ({"token": "ghs_wrong"}, "forbidden")], ids=["no run", "token"]
)
def test_what_cannot_be_read(server: Front, given: dict[str, str], why: str) -> None:
    for command in (show, logs):
        said = command(server, **given)
        assert (said.exit_code, said.why) == (4, why), said.log
        assert "actions: write" not in said.log


def test_the_token_stays_with_the_forge(github: GitHub, server: Front) -> None:
    """The store asserts that it sees none; another scheme than https is not followed."""

    def elsewhere(request: object) -> Response:
        answer = github(request)  # type: ignore[arg-type]
        return Response(302, b"", {"Location": "http://evil.example/log"}) if answer.status == 302 else answer

    assert logs(server).exit_code == 0
    server.backend = elsewhere
    said = logs(server)
    assert (said.exit_code, said.why) == (1, "foreign_host")
    assert "ghs_right" not in said.log


class TestForgejo:
    def test_a_new_one_tells_jobs_and_logs(self) -> None:
        with front(Forgejo(status="success", log=b"one\ntwo")) as server:
            said = ask(runs.Logging, server.url, "right", forge="auto", run="7")
        assert (said.exit_code, said.document["conclusion"]) == (0, "success"), said.log
        assert [job["log"] for job in said.document["jobs"]] == [["one", "two"]] * 2

    @pytest.mark.parametrize(
        ("status", "shown"), [("waiting", "queued"), ("blocked", "waiting"), ("running", "in_progress")]
    )
    def test_its_words(self, status: str, shown: str) -> None:
        with front(Forgejo(status=status)) as server:
            said = ask(runs.Showing, server.url, "right", forge="forgejo", run="7")
        assert (said.exit_code, said.document["status"]) == (0, shown)
        assert {job["status"] for job in said.document["jobs"]} == {shown}

    @pytest.mark.parametrize(("version", "shows"), [("15.0.2+gitea-1.22.0", True), ("10.0.0+gitea-1.22.0", False)])
    def test_an_older_one_says_what_it_cannot(self, version: str, *, shows: bool) -> None:
        with front(Forgejo(version, status="failure")) as server:
            said = ask(runs.Logging, server.url, "right", forge="forgejo", run="7")
            assert (said.exit_code, said.why) == (3, "not_supported")
            assert f"{server.url}/acme/images/actions" in said.log
            said = ask(runs.Showing, server.url, "right", forge="forgejo", run="7")
        assert (said.exit_code, said.why) == ((1, "run_failed") if shows else (3, "not_supported"))
        assert ("doesn't tell the jobs" in said.log) == shows
