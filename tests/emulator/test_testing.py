"""The emulator inside a test's own process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from emulator.errors import ApiError
from emulator.testing import Running, running

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


def test_it_starts_and_ends_quickly() -> None:
    times = []
    for _ in range(5):
        before = time.monotonic()
        with running():
            pass
        times.append(time.monotonic() - before)
    assert min(times) < 0.1


def test_images_put_in_place_read_like_others(emulator: Running, client: Client) -> None:
    added = emulator.add_image(
        project="p1",
        name="web",
        family="fam",
        labels={"a": "b"},
        location="asia",
        disk_size_gb=20,
        archive_size_bytes=5,
        architecture="ARM64",
        guest_os_features=["GVNIC"],
        licenses=["https://www.googleapis.com/compute/v1/projects/l/global/licenses/l"],
        public=True,
        policy=[{"role": "roles/viewer", "members": ["user:a@b.c"]}],
        description="d",
        created=1_700_000_000.5,
        source_image="projects/p0/global/images/base",
        source_image_id="7",
        deprecated={"state": "DEPRECATED"},
        encrypted=True,
    )
    assert client.get("/images/web").json == added == emulator.image("p1", "web")
    assert added["creationTimestamp"] == "2023-11-14T14:13:20.500-08:00"
    assert added["sourceImage"] == "https://www.googleapis.com/compute/v1/projects/p0/global/images/base"
    assert added["imageEncryptionKey"]["kmsKeyName"]
    policy = emulator.policy("p1", "web")
    assert [binding["members"] for binding in policy["bindings"]] == [["user:a@b.c"], ["allAuthenticatedUsers"]]
    assert client.get("/images/web/getIamPolicy", optionsRequestedPolicyVersion=3).json == policy
    assert emulator.journal()[0]["method"] == "compute.images.get"


def test_an_image_may_stay_pending_until_it_is_settled(emulator: Running, client: Client) -> None:
    emulator.add_image(project="p1", name="late", status="PENDING")
    assert client.get("/images/late").json["status"] == "PENDING"
    emulator.settle_image("p1", "late", "FAILED")
    assert client.get("/images/late").json["status"] == "FAILED"
    emulator.delete_image("p1", "late")
    assert emulator.image("p1", "late") is None
    for act in (emulator.delete_image, emulator.settle_image, emulator.policy):
        with pytest.raises(KeyError):
            act("p1", "late")


def test_what_cannot_be_put_in_place(emulator: Running) -> None:
    emulator.add_image(project="p1", name="web")
    with pytest.raises(ValueError, match="exists already"):
        emulator.add_image(project="p1", name="web")
    with pytest.raises(ApiError):
        emulator.add_image(project="p1", name="Web")
    with pytest.raises(ApiError):
        emulator.add_image(project="p1", name="b", labels={"A": ""})
    with pytest.raises(ValueError, match="kind"):
        emulator.faults([{"action": {"kind": "flood"}}])
    assert emulator.faults() == []
