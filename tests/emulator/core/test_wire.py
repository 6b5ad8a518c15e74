"""Hostile and clumsy clients on the real socket."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.core.server import BODY_LIMIT

if TYPE_CHECKING:
    from emulator.testing import Running
    from testkit.client import Client

HEAD = b"POST /compute/v1/projects/p1/global/images HTTP/1.1\r\nHost: x\r\n"


def talk(client: Client, content: bytes) -> bytes:
    """Everything that is answered until the server closes, or says nothing more."""
    host, port = client.address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(content)
        connection.settimeout(0.15)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


@pytest.mark.parametrize(
    "content",
    [
        b"\0\xff\xfe garbage\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        b"GET /" + b"a/" * 30_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
    ],
)
def test_garbage_harms_nobody_else(still: Client, content: bytes) -> None:
    answer = talk(still, content)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert still.get("/images/web").status == 200


@pytest.mark.parametrize(
    "path", ["/%00", "/%ff%fe", "/../../etc/passwd", "/images/%2e%2e", "/images/a%2Fb", "/images/%0d%0a"]
)
def test_odd_paths(still: Client, path: str) -> None:
    assert still.get(path).status in {400, 404}


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.text(max_size=30), st.binary(max_size=60))
def test_any_path_query_and_body_is_answered(still: Client, path: str, query: str, body: bytes) -> None:
    for verb in ("GET", "POST"):
        answer = still.send(verb, f"/compute/v1/projects/{quote(path)}?{quote(query, safe='=&%')}", body)
        assert answer.status in {400, 404, 501}


def test_too_large_a_body_is_refused(still: Client) -> None:
    head = HEAD + f"Connection: close\r\nContent-Length: {BODY_LIMIT + 1}\r\n\r\n".encode()
    answer = talk(still, head + b" " * (BODY_LIMIT + 1))
    # Where the client is still sending, the end of the connection may overtake the answer.
    assert answer.startswith(b"HTTP/1.1 413") or answer == b""
    assert still.emulator.journal() == []
    assert still.get("/images/web").status == 200


def test_bodies_in_chunks(still: Client) -> None:
    body = b'{"name":"copy","sourceImage":"global/images/web"}'
    chunks = b"".join(b"1\r\n" + bytes([each]) + b"\r\n" for each in body) + b"0\r\n\r\n"
    answer = talk(still, HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 200")


def test_several_requests_on_one_connection(still: Client) -> None:
    one = b"GET /compute/v1/projects/p1/global/images/web HTTP/1.1\r\nHost: x\r\n\r\n"
    last = one.replace(b"Host: x", b"Host: x\r\nConnection: close")
    assert talk(still, one + one + last).count(b"HTTP/1.1 200") == 3


def test_a_client_that_leaves_ends_its_wait(still: Client) -> None:
    name = still.insert("copy").json["name"]
    wait = HEAD.replace(b"images", f"operations/{name}/wait".encode()) + b"Content-Length: 0\r\n\r\n"
    assert talk(still, wait) == b""
    deadline = time.monotonic() + 5
    while not still.emulator.journal()[-1]["dropped"]:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert still.emulator.journal()[-1]["answered"] is None


def test_the_emulator_listens_on_loopback_only(emulator: Running) -> None:
    assert emulator.url.startswith("http://127.0.0.1:")
