"""The container image: built stage by stage, and the main job in it, as user 65532 in a read-only root."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import replicator
from testkit.ci import container
from testkit.ci.machine import IMAGES, SOURCE, machine, variables
from testkit.harness.callers import locked, shared_by_workers
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.ci.container import Image

#: Bytes of what we add to the base, unpacked: Google's library alone has 100 MB, half of it bytecode.
LARGEST = 190 * 10**6


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if why := container.missing():
        pytest.skip(why)
    with locked(shared_by_workers(tmp_path_factory) / "container.lock"):
        try:
            made = container.built(tmp_path_factory.mktemp("container") / "context")
        except container.Missing as missing:
            pytest.skip(str(missing))
        yield made
        container.remove(made)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder of a CI system, which the container's user may write to."""
    folder = tmp_path / "work"
    folder.mkdir()
    os.chown(folder, container.USER, container.USER)
    return folder


def test_the_main_job(image: Image, work: Path) -> None:
    """Nothing of it can be written to but the folder that is mounted, and /tmp."""
    with machine() as around:
        env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{around.emulator.url}/", **around.metadata()}
        given = ("--source-image", SOURCE, "--required-locations=all", "--dotenv=image.env")
        done = image.read_only(work, env, "replicate", *given)
    assert done.returncode == 0, done.stdout
    told = variables(work / "image.env")
    assert {name: told[name] for name in IMAGES} == IMAGES
    assert json.loads((work / "image-index.json").read_text("utf-8"))["schema"] == 1
    assert {(path.name, path.stat().st_uid) for path in work.iterdir()} == {
        ("image.env", container.USER),
        ("image-index.json", container.USER),
    }


def test_it_signs(image: Image, work: Path) -> None:
    """So the packages for signatures are there, and load in a read-only root."""
    done = image.read_only(work, {}, "replicate", "--source-image", SOURCE, "--sign=keyless")
    assert (done.returncode, "there is no identity token here" in done.stdout) == (3, True), done.stdout
    probe = ["/opt/replicator/bin/python", "-I", "-c", "import sigstore.sign, replicator.index.verify_signature"]
    container.buildah("run", image.container, "--", *probe)


def test_entry_and_user(image: Image) -> None:
    assert image.config["User"] == f"{container.USER}:{container.USER}"
    assert image.config["WorkingDir"] == "/workdir"
    said = container.buildah("run", image.container, "--", *image.config["Entrypoint"], "--version")
    assert said == f"gce-image-replicator {replicator.__version__}"
    ids = container.buildah("run", image.container, "--", "id", "-u")
    assert ids == str(container.USER)
    # CI systems that need a shell call the command by its name.
    assert container.buildah("run", image.container, "--", "sh", "-c", "gce-image-replicator --version") == said


def test_nothing_is_left_over(image: Image) -> None:
    there = [path for path in (image.root / "opt").rglob("*") if path.is_file() and not path.is_symlink()]
    names = {path.name for path in (image.root / "opt" / "replicator" / "lib").glob("*/site-packages/*")}
    assert "replicator" in names
    assert not {"pip", "setuptools", "emulator"} & names
    assert not (image.root / "source").exists()
    assert not list((image.root / "tmp").iterdir())
    assert not list(image.root.glob("*/.cache")) + list((image.root / "opt").rglob(".git"))
    assert not [path for path in there if path.stat().st_uid or path.stat().st_mode & 0o022]
    assert sum(path.stat().st_size for path in there) < LARGEST


def test_the_base_is_pinned_and_the_lock_is_whole() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert "ARG BASE=docker.io/library/python:3.13-slim@sha256:" in text
    pinned = {
        name: {line.split()[0] for line in (ROOT / "locks" / name).read_text("utf-8").splitlines() if "==" in line}
        for name in ("action.txt", "sign.txt")
    }
    assert pinned["action.txt"] <= pinned["sign.txt"]
