"""The emulator inside a test's own process."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from typing import TYPE_CHECKING

import pytest

from emulator import assembly
from emulator.core.api_errors import ApiError
from emulator.core.clock import RealClock
from emulator.core.server import Server
from emulator.core.service import Setting
from emulator.scenario import read
from emulator.testing import Running, running

if TYPE_CHECKING:
    from testkit.client import Client


def test_it_starts_and_ends_quickly() -> None:
    times = []
    for _ in range(5):
        before = time.monotonic()
        with running():
            pass
        times.append(time.monotonic() - before)
    assert min(times) < 0.1


@pytest.mark.parametrize("turns", range(6))
def test_a_connection_that_comes_up_while_it_ends_is_closed(recwarn: pytest.WarningsRecorder, turns: int) -> None:
    async def end_while_someone_connects() -> None:
        setting = Setting(scenario=read({}), clock=RealClock(), copy_seconds=0.05, wait_seconds=0.1)
        app = assembly.start(setting)
        listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server = Server(app, port=0, listening=listening.set_result)
        serving = asyncio.create_task(server.serve())
        host, port = (await listening).removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))):
            for _ in range(turns):
                await asyncio.sleep(0)
            server.stop()
            await serving

    asyncio.run(end_while_someone_connects())
    gc.collect()
    assert not [str(warning.message) for warning in recwarn]


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
