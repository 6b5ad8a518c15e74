"""The snippet for machines that boot, as its page shows it: real gcloud and its credential helper, and crane as `docker`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from testkit.harness.gcloud import gcloud_env
from testkit.places import ROOT
from testkit.registry.pull_through import CRANE
from testkit.registry.snippet import BOOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.registry.world import World

pytestmark = pytest.mark.skipif(
    not shutil.which("gcloud") or not shutil.which("docker-credential-gcloud"), reason="gcloud is not installed"
)
TOKEN = "ya29.of-this-machine"
IMAGE = "us-docker.pkg.dev/my-project/ghcr-mirror/org/app:v1"


@pytest.fixture
def private(world: World) -> Iterator[World]:
    """The mirror in us takes this machine's token only."""
    front = world.fronts["us"]
    front.tokens = frozenset({TOKEN})
    yield world
    front.tokens = frozenset()
    front.failing.clear()


def machine(world: World, folder: Path) -> dict[str, str]:
    """A machine that has gcloud, our command, and `docker pull`, which crane carries out; waiting is left out."""
    commands = {
        "docker": f'[ "$1" = pull ] && exec "{CRANE}" pull "$2" "{folder}/image.tar"',
        "sleep": f'echo "$1" >>"{folder}/slept"',
        "gce-image-replicator": f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m replicator "$@"',
    }
    (folder / "bin").mkdir()
    for name, script in commands.items():
        path = folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    env = gcloud_env(
        folder, **world.network.env, CLOUDSDK_AUTH_ACCESS_TOKEN=TOKEN, DOCKER_CONFIG=str(folder / "docker")
    )
    # gcloud has no part in what crane is told to trust.
    return env | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def boot(
    env: dict[str, str], image: str = "us-docker.pkg.dev/p1/ghcr-mirror/org/app:v1"
) -> subprocess.CompletedProcess[str]:
    assert IMAGE in BOOT
    script = BOOT.replace(IMAGE, image)
    return subprocess.run(["bash", "-uc", script], env=env, capture_output=True, text=True, timeout=240, check=False)


def test_the_snippet_configures_and_pulls(private: World, tmp_path: Path) -> None:
    """001.8: what the snippet asks `hosts` for is the host that gcloud is told of, and then the pull has a token."""
    done = boot(machine(private, tmp_path))
    assert (tmp_path / "image.tar").exists(), done.stderr
    configured = json.loads((tmp_path / "docker" / "config.json").read_text("utf-8"))
    assert configured["credHelpers"] == {"us-docker.pkg.dev": "gcloud"}
    assert not (tmp_path / "slept").exists()


def test_a_pull_that_is_denied_at_first_is_tried_again_with_the_helper(private: World, tmp_path: Path) -> None:
    """Three pulls fail: crane asks twice in each, and again by itself where it may."""
    private.fronts["us"].failing += [401, 403, 403]
    done = boot(machine(private, tmp_path))
    assert (tmp_path / "image.tar").exists(), done.stderr
    slept = (tmp_path / "slept").read_text("utf-8").split()
    assert slept
    assert set(slept) == {"15"}


def test_without_the_helper_the_pull_is_denied(private: World, tmp_path: Path) -> None:
    """What the snippet is for: nobody gives a token of the machine's to a pull that isn't told to have one."""
    env = machine(private, tmp_path)
    done = subprocess.run(
        ["docker", "pull", "us-docker.pkg.dev/p1/ghcr-mirror/org/app:v1"],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode
    assert "UNAUTHORIZED" in done.stderr or "401" in done.stderr
