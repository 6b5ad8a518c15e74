"""Unmodified gcloud, pointed at the emulator by environment alone, before and after the action."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from testkit.harness.gcloud import gcloud_env
from testkit.harness.here import run_here
from testkit.harness.job import on_emulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")

IMAGE = "projects/p1/global/images/web-1"
ORIGINS = {
    "snapshot": ("--source-snapshot=packer-1",),
    "disk": ("--source-disk=packer-1", "--source-disk-zone=us-central1-a"),
    "file": ("--source-uri=gs://acme-builds/web-1.tar.gz",),
}


class Gcloud:
    """Runs `gcloud compute images …` in project p1, with a configuration of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.env = gcloud_env(folder, **on_emulator(url), CLOUDSDK_CORE_PROJECT="p1")

    def __call__(self, *words: str) -> Any:
        command = ["gcloud", "compute", "images", *words, "--format=json", "--quiet"]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null", object_pairs_hook=_comparable)


def _comparable(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Without what gcloud writes in the one alphabet of base64 when it lists and in the other when it describes."""
    return {name: value for name, value in pairs if name != "labelFingerprint"}


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.3) as emulator:
        yield emulator


@pytest.fixture
def gcloud(emulator: Running, tmp_path: Path) -> Gcloud:
    return Gcloud(emulator.url, tmp_path)


@pytest.mark.parametrize("origin", ORIGINS)
def test_replicates_what_gcloud_made(emulator: Running, gcloud: Gcloud, tmp_path: Path, origin: str) -> None:
    gcloud("create", "web-1", "--family=web", "--storage-location=us", *ORIGINS[origin])
    run = run_here(tmp_path, emulator.url, {"source_image": IMAGE})
    assert (run.exit_code, run.outputs["result"]) == (0, "complete")
    images = {image["name"]: image for image in gcloud("list", "--no-standard-images")}
    source, replica = images["web-1"], images["web-1-eu"]
    assert replica["sourceImageId"] == source["id"]
    assert (replica["diskSizeGb"], replica["architecture"]) == (source["diskSizeGb"], source["architecture"])
    assert run.replicas["eu"]["access"] == "private"


def test_gcloud_reads_back_what_the_action_says(emulator: Running, gcloud: Gcloud, tmp_path: Path) -> None:
    gcloud(
        *("create", "web-1", "--source-snapshot=packer-1", "--family=web", "--storage-location=us"),
        *("--description=The web server", "--guest-os-features=UEFI_COMPATIBLE,GVNIC"),
    )
    gcloud("add-labels", "web-1", "--labels=team=infra,tier=front")
    member = "allAuthenticatedUsers"
    gcloud("add-iam-policy-binding", "web-1", f"--member={member}", "--role=roles/compute.imageUser")

    run = run_here(tmp_path, emulator.url, {"source_image": IMAGE, "labels": "release=v1-2-3"})

    assert (run.exit_code, run.outputs["result"]) == (0, "complete")
    (index,) = json.loads(run.index)["images"]
    listed = {image["name"]: image for image in gcloud("list", "--no-standard-images")}
    assert set(listed) == {"web-1", "web-1-eu", "web-1-asia"}
    assert run.images == {
        location: f"projects/p1/global/images/{name}"
        for location, name in (("us", "web-1"), ("eu", "web-1-eu"), ("asia", "web-1-asia"))
    }
    source = listed["web-1"]
    assert source["id"] == index["source"]["id"]
    for location in ("eu", "asia"):
        name = f"web-1-{location}"
        by_name, by_family = gcloud("describe", name), gcloud("describe-from-family", f"web-{location}")
        row, entry = run.replicas[location], index["locations"][location]
        assert by_name == by_family == listed[name]
        assert by_name["selfLink"].endswith(run.images[location])
        assert by_name["id"] == row["id"] == entry["id"]
        assert by_name["storageLocations"] == [location]
        assert by_name["sourceImageId"] == source["id"] == entry["source_image_id"]
        assert by_name["sourceImage"].endswith(entry["copied_from"])
        assert by_name["labels"] == {"team": "infra", "tier": "front", "release": "v1-2-3"} == entry["labels"]
        assert by_name["family"] == f"web-{location}" == entry["family"]
        assert by_name["diskSizeGb"] == entry["disk_size_gb"]
        assert by_name["description"] == "The web server"
        assert by_name["guestOsFeatures"] == source["guestOsFeatures"]
        (binding,) = gcloud("get-iam-policy", name)["bindings"]
        assert binding == {"role": "roles/compute.imageUser", "members": [member]}
        assert (row["access"], entry["public"], row["promoted"]) == ("public", True, True)
    assert gcloud("describe-from-family", "web")["name"] == "web-1"
    assert gcloud("describe", "web-1") == source
