"""What clients do to a server that many use: resets, long polls by the hundred, floods."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from emulator.core import journal
from emulator.core.clock import DrivenClock
from emulator.testing import running
from testkit.client import ROOT, Client

if TYPE_CHECKING:
    import pytest

    from emulator.testing import Running

MANY = 500


def address(client: Client) -> tuple[str, int]:
    parts = urlsplit(client.emulator.url)
    return str(parts.hostname), int(parts.port or 0)


async def answered(client: Client, verb: str, path: str, body: bytes = b"") -> int:
    """The status of an answer, over a connection of its own."""
    reader, writer = await asyncio.open_connection(*address(client))
    head = f"{verb} {ROOT}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    content = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(content.split()[1])


def test_two_hundred_resets_in_a_row(still: Client) -> None:
    for number in range(200):
        connection = socket.create_connection(address(still), timeout=5)
        request = f"GET {ROOT}/images/web HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        connection.sendall(request[: number % (len(request) + 1)])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert still.get("/images/web").status == 200
    still.emulator.faults([{"action": {"kind": "drop", "how": "reset"}, "times": 200}])
    for _ in range(200):
        try:
            still.get("/images/web")
        except ConnectionResetError:
            continue
        raise AssertionError("an answer came")
    assert still.get("/images/web").status == 200
    still.emulator.assert_faults_used()


def test_garbage_by_the_hundred(still: Client) -> None:
    chance = random.Random(7)
    for _ in range(100):
        with socket.create_connection(address(still), timeout=5) as connection:
            connection.sendall(chance.randbytes(chance.randrange(1, 300)))
    assert still.get("/images/web").status == 200


def test_copies_in_flight_each_with_an_open_wait(still: Client) -> None:
    async def copy(number: int) -> int:
        body = json.dumps({"name": f"c{number}", "sourceImage": "global/images/web"}).encode()
        return await answered(still, "POST", "/images", body)

    async def go() -> None:
        assert set(await asyncio.gather(*(copy(number) for number in range(MANY)))) == {200}
        names = [each["name"] for each in still.emulator.state()["operations"]]
        assert len(set(names)) == MANY
        waits = [asyncio.ensure_future(answered(still, "POST", f"/operations/{name}/wait")) for name in names]
        clock = still.emulator.app.clock
        assert isinstance(clock, DrivenClock)
        while len(clock.awaited()) < MANY:  # noqa: ASYNC110 -- another thread fills it
            await asyncio.sleep(0.01)
        before = time.monotonic()
        assert await answered(still, "GET", "/images/web") == 200
        assert time.monotonic() - before < 1
        still.advance(10.0)
        assert set(await asyncio.gather(*waits)) == {200}
        assert clock.awaited() == []

    asyncio.run(asyncio.wait_for(go(), 30))
    images = still.emulator.state()["images"]
    assert len(images) == MANY + 1
    assert {image["status"] for image in images} == {"READY"}


def test_the_end_comes_quickly_though_hundreds_hang() -> None:
    with running(driven=True) as emulator:
        client = Client(emulator)
        emulator.faults([{"action": {"kind": "hang"}, "times": None}])
        hanging = [socket.create_connection(address(client), timeout=5) for _ in range(200)]
        for connection in hanging:
            connection.sendall(f"GET {ROOT}/images/web HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while len(emulator.journal()) < len(hanging):
            time.sleep(0.005)
        before = time.monotonic()
    assert time.monotonic() - before < 2
    for connection in hanging:
        connection.close()


def test_the_journal_forgets_the_oldest_when_bodies_are_large(
    emulator: Running, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "BYTES", 100_000)
    for number in range(8):
        client.post("/images", {"name": f"n{number}", "description": "x" * 30_000})
    kept = [entry["body"]["name"] for entry in emulator.journal()]
    assert kept == ["n5", "n6", "n7"]
