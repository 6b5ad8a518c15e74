"""Unmodified gcloud and `registry` on the same repositories, pointed at the emulator by environment alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from replicator.commands.registry import policies
from testkit.harness.gcloud import gcloud_env
from testkit.registry.mirroring import Registry, states

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")

READER = "serviceAccount:vm@p1.iam.gserviceaccount.com"
CONFIG = """\
project: p1
locations: [us]
mirrors: {{{upstream}: {{repository: m, labels: {{team: infra}}}}}}
readers: ["{reader}"]
"""
OWN = "projects/p1/locations/europe/repositories/images"
#: How an upstream is spelled → the upstream, and what gcloud is asked for.
MADE_BY_GCLOUD = {
    "common": ("ghcr.io", "https://ghcr.io"),
    "common, with a slash": ("ghcr.io", "https://ghcr.io/"),
    "public": ("docker.io", "DOCKER-HUB"),
    "common, of Docker Hub": ("docker.io", "https://registry-1.docker.io"),
    "a repository of Artifact Registry": (OWN, OWN),
}


class Gcloud:
    """Runs `gcloud artifacts repositories …` in project p1, with a configuration of its own."""

    def __init__(self, emulator: Running, folder: Path) -> None:
        self.env = gcloud_env(
            folder,
            CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY=f"{emulator.url}/",
            CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true",
            CLOUDSDK_CORE_PROJECT="p1",
        )

    def __call__(self, *words: str, fails: str = "") -> Any:
        command = ["gcloud", "artifacts", "repositories", *words, "--format=json", "--quiet"]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120, check=False)
        assert bool(done.returncode) == bool(fails), done.stderr
        assert fails in done.stderr
        return json.loads(done.stdout or "null")

    def create(self, name: str, upstream: str, *more: str, fails: str = "") -> Any:
        what = ("--repository-format=docker", "--mode=remote-repository", f"--remote-docker-repo={upstream}")
        return self("create", name, "--location=us", *what, *more, fails=fails)


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(scenario={"repository_seconds": 0.1}) as emulator:
        yield emulator
        assert not any(entry["unsupported"] for entry in emulator.journal())


@pytest.fixture
def gcloud(emulator: Running, tmp_path: Path) -> Gcloud:
    return Gcloud(emulator, tmp_path)


@pytest.fixture
def registry(emulator: Running, tmp_path: Path) -> Registry:
    return Registry(emulator, tmp_path)


def finished_by_gcloud(gcloud: Gcloud, registry: Registry) -> None:
    """Labels, cleanup policies and a reader, for a repository that exists."""
    gcloud("update", "m", "--location=us", "--update-labels=team=infra,other=1", "--description=By hand")
    file = registry.write(policies.DEFAULT, "policy.json")
    gcloud("set-cleanup-policies", "m", "--location=us", f"--policy={file}", "--no-dry-run")
    role = "--role=roles/artifactregistry.reader"
    gcloud("add-iam-policy-binding", "m", "--location=us", f"--member={READER}", role)


def is_left_alone(registry: Registry, upstream: str) -> None:
    config = registry.write(CONFIG.format(upstream=upstream, reader=READER))
    before = registry.emulator.state()["repositories"], registry.mutations()
    for command in ("check", "ensure"):
        done = registry(command, config=config)
        assert (done.exit_code, states(done)) == (0, {(upstream, "us"): "correct"}), done.log
        assert (registry.emulator.state()["repositories"], registry.mutations()) == before


@pytest.mark.parametrize("spelling", MADE_BY_GCLOUD)
def test_what_gcloud_made_is_correct_and_left_alone(gcloud: Gcloud, registry: Registry, spelling: str) -> None:
    upstream, asked = MADE_BY_GCLOUD[spelling]
    gcloud.create("m", asked)
    finished_by_gcloud(gcloud, registry)
    is_left_alone(registry, upstream)


@pytest.mark.parametrize("kept", ["normalise", "keep"])
def test_the_third_spelling_and_policies_as_gcloud_wrote_them(tmp_path: Path, kept: str) -> None:
    """gcloud 528 makes no `customRepository`, but keeps one; the service may keep the spelling of policies."""
    with running(scenario={"repository_seconds": 0, "switches": {"ar_enum_case": kept}}) as emulator:
        gcloud, registry = Gcloud(emulator, tmp_path), Registry(emulator, tmp_path)
        custom = {"dockerRepository": {"customRepository": {"uri": "https://ghcr.io"}}}
        registry.make("m", remoteRepositoryConfig=custom, cleanupPolicies={})
        finished_by_gcloud(gcloud, registry)
        (found,) = emulator.state()["repositories"]
        action = found["cleanupPolicies"]["delete-older-than-30d"]["action"]
        assert (found["remoteRepositoryConfig"], action) == (custom, "DELETE" if kept == "normalise" else "Delete")
        is_left_alone(registry, "ghcr.io")


def test_001_9_gcloud_shows_what_ensure_made(gcloud: Gcloud, registry: Registry) -> None:
    locations = "project: p1\nlocations: [us, europe]\n"
    mirrors = 'mirrors: {ghcr.io: {repository: m}, docker.io: {repository: hub}}\nreaders: ["allUsers"]\n'
    assert registry("ensure", config=registry.write(locations + mirrors)).exit_code == 0
    gcloud("create", "own", "--location=us", "--repository-format=docker")
    listed = {each["name"]: each for each in gcloud("list", "--filter=mode=REMOTE_REPOSITORY")}
    names = [
        f"projects/p1/locations/{place}/repositories/{name}" for place in ("europe", "us") for name in ("hub", "m")
    ]
    assert sorted(listed) == sorted(names)
    assert gcloud("list", "--location=europe", "--filter=mode=REMOTE_REPOSITORY") == [
        listed[name] for name in names[:2]
    ]
    shown = gcloud("describe", "m", "--location=us")
    # gcloud leaves the size out where it describes.
    assert {**shown, "sizeBytes": "0"} == listed[names[3]]
    assert shown["remoteRepositoryConfig"] == {"commonRepository": {"uri": "https://ghcr.io"}}
    assert listed[names[2]]["remoteRepositoryConfig"] == {"dockerRepository": {"publicRepository": "DOCKER_HUB"}}
    (binding,) = gcloud("get-iam-policy", "hub", "--location=europe")["bindings"]
    assert binding == {"role": "roles/artifactregistry.reader", "members": ["allUsers"]}
    kept = {each["name"]: each for each in gcloud("list-cleanup-policies", "m", "--location=us")}
    assert kept["keep-latest"]["mostRecentVersions"] == {"keepCount": 16}
    assert kept["delete-older-than-30d"]["condition"]["olderThan"].rstrip("s").rstrip("0").rstrip(".") == "2592"


def test_what_gcloud_changed_is_repaired_and_what_it_deleted_made_again(gcloud: Gcloud, registry: Registry) -> None:
    config = registry.write(CONFIG.format(upstream="ghcr.io", reader=READER))
    assert states(registry("ensure", config=config)) == {("ghcr.io", "us"): "created"}
    gcloud.create("m", "https://ghcr.io", fails="already exists")
    gcloud("update", "m", "--location=us", "--update-labels=team=other,more=1")
    gcloud("delete-cleanup-policies", "m", "--location=us", "--policynames=keep-latest")
    checked = registry("check", config=config)
    assert (checked.exit_code, states(checked)) == (1, {("ghcr.io", "us"): "drifted"})
    assert states(registry("ensure", config=config)) == {("ghcr.io", "us"): "repaired"}
    assert gcloud("describe", "m", "--location=us")["labels"] == {"team": "infra", "more": "1"}
    gcloud("delete", "m", "--location=us")
    gcloud("describe", "m", "--location=us", fails="not found")
    assert states(registry("check", config=config)) == {("ghcr.io", "us"): "missing"}
    assert states(registry("ensure", config=config)) == {("ghcr.io", "us"): "created"}
    gcloud("delete", "m", "--location=us")
    gcloud.create("m", "https://quay.io")
    assert states(registry("ensure", config=config)) == {("ghcr.io", "us"): "conflict"}
    assert (
        gcloud("describe", "m", "--location=us")["remoteRepositoryConfig"]["commonRepository"]["uri"]
        == "https://quay.io"
    )
