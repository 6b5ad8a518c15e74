"""The page about runs and workers: its lines of ours run, its paths are GitHub's; tests/clients runs the others on Gitea."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path

import pytest

from replicator import cli
from replicator.commands.release.workflows import errors
from replicator.core.errors import Advice
from testkit.forges import openapi
from testkit.forges.front import Request, front
from testkit.forges.github import GitHub
from testkit.forges.github_runs import HeldRun
from testkit.places import ROOT

PAGE = (ROOT / "docs" / "workers.md").read_text(encoding="utf-8")
LINES = re.findall(r"^gce-image-replicator (.*)$", PAGE, re.MULTILINE)


def test_its_lines_run_as_they_stand() -> None:
    """In a runner: server, repository and token are known there."""
    github = GitHub(tags={"v1.2.3": "0" * 40})
    ended = HeldRun(12345, "deploy.yml", "refs/tags/v1.2.3", {}, status="completed", conclusion="success")
    ended.job(1, "build (ARM64)")
    github.runs[12345], github.logs[1] = ended, b"hello\n"
    assert len(LINES) == 3
    with front(github) as server:
        github.url = server.url

        def end(_number: int, _request: Request) -> None:
            for run in github.runs.values():
                run.status, run.conclusion = "completed", "success"

        server.before = end
        env = {"GITHUB_SERVER_URL": server.url, "GITHUB_REPOSITORY": "acme/images", "GITHUB_TOKEN": "ghs_right"}
        said = []
        for line in LINES:
            out = io.StringIO()
            assert cli.main(shlex.split(line), {**env, "GITHUB_ACTIONS": "true"}, out) == 0, out.getvalue()
            said.append(out.getvalue())
    assert "ended with success" in said[0]
    assert "build (ARM64)" in said[1]
    assert "hello" in said[2]
    assert [run.inputs for number, run in github.runs.items() if number != 12345] == [{"image": "web"}]


def test_its_paths_are_githubs() -> None:
    found = re.findall(r"`(GET|POST|DELETE) (/repos/\S+)`", PAGE)
    assert len(found) == 3
    document = json.loads(Path(openapi.__file__).with_name("github-openapi.json").read_bytes())
    for method, path in found:
        assert method.lower() in document["paths"][path]


@pytest.mark.parametrize(
    "row", [row for row in vars(errors).values() if isinstance(row, Advice)], ids=lambda row: row.title
)
def test_it_names_each_reason_with_its_code(row: Advice) -> None:
    word = errors.REASONS[row]
    if word != "unread":
        assert f"`{word}`" in PAGE
    column = next(line for line in PAGE.splitlines() if line.startswith(f"| {int(row.exit_code)} |"))
    assert word == "unread" or f"`{word}`" in column or word == "not_supported"
