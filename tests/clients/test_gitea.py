"""Releases on a real Gitea server: from `action.yml` and the command line to a stranger's `sha256sum -c`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testkit.forges.caller import FILES, Caller
from testkit.forges.front import FAULTS, Request, forward, front
from testkit.forges.gitea import OWNER, Gitea, gitea
from testkit.harness.job import Action, Job, export, on_branch, tag_push
from testkit.webhooks.sending import ask
from testkit.webhooks.served import SECRET, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WANTED = {*FILES, "SHA256SUMS"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with gitea(tmp_path_factory.mktemp("gitea")) as running:
        yield running


@pytest.fixture
def repository(server: Gitea, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A repository of the test's own, and its commit."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return name, server.repository(name)


def stranger(server: Gitea, name: str, tag: str, folder: Path) -> None:
    """Download everything without a token, by the page's addresses, and check it as anybody would."""
    folder.mkdir()
    found = server.api("GET", f"/repos/{OWNER}/{name}/releases/tags/{tag}", anonymous=True).json()
    assert {asset["name"] for asset in found["assets"]} == WANTED
    for asset in WANTED:
        address = f"{server.url}/{OWNER}/{name}/releases/download/{tag}/{asset}"
        subprocess.run(["curl", "-sSfL", "-o", str(folder / asset), address], check=True, timeout=60)
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, check=True, timeout=60)


def test_from_the_tag_to_a_stranger(server: Gitea, repository: tuple[str, str], tmp_path: Path) -> None:
    """Tag, rerun, dispatch and command line, by action.yml; the server's ROOT_URL is another than the address used."""
    name, commit = repository
    job = Job(folder=tmp_path / "job")
    Caller(job.workspace, server.url)
    job.env |= {
        "GITEA_ACTIONS": "true",
        "GITHUB_SERVER_URL": server.url,
        "GITHUB_REPOSITORY": f"{OWNER}/{name}",
    }
    action = Action.load(export(tmp_path / "actions") / "release")
    inputs = {"files": "out/*", "token": server.token}
    push = replace(tag_push("boot-v7"), sha=commit)
    first = job.run(action, push, inputs)
    assert (first.exit_code, first.outputs["result"]) == (0, "published"), first.log
    assert server.token not in first.log + first.summary
    assert job.run(action, push, inputs).outputs["result"] == "unchanged"
    dispatch = replace(on_branch("workflow_dispatch"), sha=commit)
    assert job.run(action, dispatch, {**inputs, "release_tag": "boot-v7"}).outputs["result"] == "unchanged"
    assert job.run(action, dispatch, inputs).exit_code == 2
    typed = ["release", "publish", "--json", "--server-url", server.url, "--repository", f"{OWNER}/{name}"]
    typed += ["--release-tag", "boot-v7", "--commit", commit, "--files", str(job.workspace / "out/*")]
    done = subprocess.run(
        [sys.executable, "-I", "-m", "replicator", *typed],
        env={"GITEA_TOKEN": server.token, "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout)["result"] == "unchanged"
    if not shutil.which("curl") or not shutil.which("sha256sum"):
        pytest.skip("curl or sha256sum is missing")
    stranger(server, name, "boot-v7", tmp_path / "downloaded")


def test_a_stranger_sees_nothing_before_it_is_published(
    server: Gitea, repository: tuple[str, str], tmp_path: Path
) -> None:
    """At every call until the publishing one: neither by tag, nor in the list, nor by the path of a download."""
    name, commit = repository
    seen: list[tuple[int, int, int]] = []

    def look(_number: int, request: Request) -> None:
        if request.method == "PATCH" or not any(entry.method != "GET" for entry in running.journal):
            return
        base = f"/repos/{OWNER}/{name}/releases"
        tag = server.api("GET", f"{base}/tags/boot-v7", anonymous=True).status_code
        listed = len(server.api("GET", base, anonymous=True).json())
        path = f"{server.url}/{OWNER}/{name}/releases/download/boot-v7/boot.iso"
        answer = __import__("requests").get(path, timeout=60)
        if not published():
            seen.append((tag, listed, answer.status_code))

    def published() -> bool:
        return any(entry.method == "PATCH" for entry in running.journal)

    with front(forward(server.url)) as running:
        running.before = look
        caller = Caller(tmp_path, running.url, "gitea", server.token, f"{OWNER}/{name}", commit=commit)
        assert caller().result == "published"
    assert len(seen) > 10
    assert set(seen) == {(404, 0, 404)}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_at_writes(
    fault: str,
    server: Gitea,
    repository: tuple[str, str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Each write in turn meets the fault; Gitea keeps every copy of a name, so a blind repetition would show."""
    record_property("counted", "faults at writes on Gitea")
    name, commit = repository
    with front(forward(server.url)) as running:
        met: set[str] = set()

        def faulty(_number: int, request: Request) -> str:
            key = f"{request.method} {request.target.partition('/releases')[2]}"
            if request.method == "GET" or key in met:
                return ""
            met.add(key)
            return fault

        running.fault = faulty
        caller = Caller(tmp_path, running.url, "gitea", server.token, f"{OWNER}/{name}", commit=commit)
        left = caller()
        assert left.exit_code in {0, 3}, left.log
        running.fault = lambda _number, _request: ""
        assert caller().exit_code == 0
        assert caller().result == "unchanged"
    (release,) = server.releases(name)
    assert sorted(asset["name"] for asset in release["assets"]) == sorted(WANTED)
    assert release["draft"] is False
    assert len(met) >= 6


def test_a_difference_is_replaced_without_loss(server: Gitea, repository: tuple[str, str], tmp_path: Path) -> None:
    name, commit = repository
    caller = Caller(tmp_path, server.url, "gitea", server.token, f"{OWNER}/{name}", commit=commit)
    assert caller(publish="false").result == "draft"
    (tmp_path / "out" / "boot.iso").write_bytes(FILES["boot.iso"][::-1])
    left = caller()
    assert (left.result, left.outcomes["boot.iso"]) == ("published", "replaced")
    (release,) = server.releases(name)
    assert sorted(asset["name"] for asset in release["assets"]) == sorted(WANTED)
    assert caller().result == "unchanged"


def test_a_tag_in_another_case_is_another_tag(server: Gitea, repository: tuple[str, str], tmp_path: Path) -> None:
    name, commit = repository
    caller = Caller(tmp_path, server.url, "gitea", server.token, f"{OWNER}/{name}", commit="f" * 40)
    server.api("POST", f"/repos/{OWNER}/{name}/tags", json={"tag_name": "boot-v7", "target": commit})
    left = caller()
    assert (left.exit_code, left.why) == (1, "tag_elsewhere")
    assert server.releases(name) == []


def test_its_own_webhook_gets_nothing_recorded(server: Gitea, repository: tuple[str, str], tmp_path: Path) -> None:
    """Gitea signs without time and id, by the same secret: for our receiver that is a stranger."""
    name, _ = repository
    served = Served(tmp_path).start()
    try:
        hook = {"url": f"{served.url}/hooks/acme", "content_type": "json", "secret": SECRET}
        wanted = {"type": "gitea", "config": hook, "events": ["push"], "active": True}
        made = server.api("POST", f"/repos/{OWNER}/{name}/hooks", json=wanted)
        assert made.status_code == 201, made.text
        test = server.api("POST", f"/repos/{OWNER}/{name}/hooks/{made.json()['id']}/tests")
        assert test.status_code == 204, test.text
        for _ in range(200):
            if "missing_header" in served.log():
                break
            time.sleep(0.05)
        assert '"reason": "missing_header"' in served.log()
        assert ask(served, "publications", "list")[1] == {"publications": []}
    finally:
        served.stop()
