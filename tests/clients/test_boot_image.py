"""The boot-image example as its page shows it: Gitea's own engine runs it against a real Gitea server, up to a stranger."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from testkit.forges.gitea import OWNER, Gitea, gitea
from testkit.harness.job import Event, export, on_branch, tag_push
from testkit.places import ROOT
from testkit.runners.engine import GITEA, Job, Ran
from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLE = (ROOT / "workflows-examples" / "boot-image.yml").read_text("utf-8")
ACTION = "https://github.com/gce-image-replicator/gce-image-replicator"
#: What the owner of the repository has in it.
BUILD = """#!/bin/sh
set -eu
mkdir out
for target in $TARGETS; do printf '%s for %s\\n' "$target" "$ARCHITECTURES" >"out/$target-$ARCHITECTURES"; done
echo secret >out/.env
"""
WANTED = {"netboot-X86_64", "iso-X86_64", "SHA256SUMS", "SHA256SUMS.sigstore.json"}
#: Takes the place of actions/checkout, whose server can't be reached: it fetches from the server of the job.
CHECKOUT = """
name: Check out
inputs: {ref: {default: ""}, persist-credentials: {default: ""}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {REF: "${{ inputs.ref }}"}
      run: |
        git init --quiet checked-out
        git -C checked-out fetch --quiet --depth 1 "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" "$REF"
        git -C checked-out -c advice.detachedHead=false checkout --quiet FETCH_HEAD
        cp -R checked-out/. .
        rm -rf checked-out
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    if not GITEA.program.exists():
        pytest.skip("gitea-act is not built: `make test-runners` builds it where Go is")
    with gitea(tmp_path_factory.mktemp("gitea")) as running:
        yield running


@pytest.fixture(scope="module")
def commit(server: Gitea) -> str:
    """The example and a build in a repository, at the tag boot-v7, and that commit."""
    server.repository("images")
    for path, text in ((".gitea/workflows/boot-image.yml", EXAMPLE), ("build.sh", BUILD)):
        content = {"content": base64.b64encode(text.encode()).decode(), "message": "add", "branch": "main"}
        assert server.api("POST", f"/repos/{OWNER}/images/contents/{path}", json=content).status_code == 201
    made = server.api("POST", f"/repos/{OWNER}/images/tags", json={"tag_name": "boot-v7", "target": "main"})
    assert made.status_code == 201
    return str(made.json()["commit"]["sha"])


@pytest.fixture(scope="module")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("actions"))


KEY = world.private_key()


def run(folder: Path, server: Gitea, action: Path, event: Event, instance: str = "", **more: str) -> Ran:
    """One job of the example."""
    checkout = folder / "checkout"
    checkout.mkdir(parents=True)
    (checkout / "action.yml").write_text(CHECKOUT, "utf-8")
    repository = folder / "repository"
    clone = ["git", "clone", "--quiet", f"{server.url}/{OWNER}/images", str(repository)]
    subprocess.run(clone, check=True, timeout=60)
    subprocess.run(["git", "checkout", "--quiet", event.sha], cwd=repository, check=True, timeout=60)
    workflow = repository / ".github" / "workflows" / "boot-image.yml"
    workflow.parent.mkdir(parents=True)
    # A file that the API made can't be run; the job's steps are those of the page.
    workflow.write_text(EXAMPLE.replace("run: ./build.sh", "run: sh ./build.sh"), "utf-8")
    secrets = folder / "secrets"
    secrets.write_text(f"GITHUB_TOKEN={server.token}\nSIGNING_KEY={json.dumps(KEY)}\n", "utf-8")
    at = instance or server.url
    engine = replace(GITEA, arguments=("--github-instance", at, "--secret-file", str(secrets)))
    job = Job(
        repository=repository,
        folder=folder,
        workflow="boot-image.yml",
        served={
            f"{ACTION}@v1": action,
            "https://github.com/actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1": checkout,
        },
        env={"GITHUB_REPOSITORY": f"{OWNER}/images", **event.env(), **more},
    )
    return engine.run(job, event)


def pushed(commit: str) -> Event:
    push = tag_push("boot-v7")
    return replace(push, sha=commit, payload={**push.payload, "after": commit})


def test_from_the_tag_to_a_stranger(server: Gitea, commit: str, action: Path, tmp_path: Path) -> None:
    push = pushed(commit)
    ran = run(tmp_path / "first", server, action, push)
    assert ran.jobs == {"release": "success"}, str(ran)
    assert server.token not in str(ran)
    got = tmp_path / "got"
    got.mkdir()
    found = server.api("GET", f"/repos/{OWNER}/images/releases/tags/boot-v7", anonymous=True).json()
    assert {asset["name"] for asset in found["assets"]} == WANTED
    for name in WANTED:
        address = f"{server.url}/{OWNER}/images/releases/download/boot-v7/{name}"
        subprocess.run(["curl", "-sSfL", "-o", str(got / name), address], check=True, timeout=60)
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=got, check=True, timeout=60)
    assert (got / "iso-X86_64").read_text("utf-8") == "iso for X86_64\n"
    (tmp_path / "release.pub").write_bytes(world.public_key(KEY))
    assert show(server, "--key", str(tmp_path / "release.pub"))["signed_by"].startswith("the key ")
    # The same again, by a dispatch that names the tag: nothing changes.
    dispatch = replace(
        on_branch("workflow_dispatch"),
        sha=commit,
        payload={"inputs": {"release_tag": "boot-v7", "targets": "netboot iso"}},
    )
    ran = run(tmp_path / "second", server, action, dispatch)
    assert ran.jobs == {"release": "success"}, str(ran)
    assert any("nothing was changed" in line for line in ran.log), ran
    (after,) = server.releases("images")
    assert {asset["uuid"] for asset in after["assets"]} == {asset["uuid"] for asset in found["assets"]}


def test_a_mirror_builds_nothing(server: Gitea, commit: str, action: Path, tmp_path: Path) -> None:
    push = pushed(commit)
    ran = run(tmp_path / "mirror", server, action, push, "https://codeberg.org")
    assert (ran.exit_code, ran.jobs, ran.steps) == (0, {}, {}), ran


def show(server: Gitea, *more: str) -> dict[str, Any]:
    """`release show`, as somebody without a token runs it."""
    argv = [sys.executable, "-I", "-m", "replicator", "release", "show", "--json"]
    argv += ["--server-url", server.url, "--repository", f"{OWNER}/images", "--release-tag", "boot-v7", *more]
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=120)
    told: dict[str, Any] = json.loads(done.stdout)
    return told
