"""What a machine's environment does to a run: proxies, certificates, variables of Google's libraries. Never a defect."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from replicator.compute import errors as compute_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.action import Action, Finished

SECRET = "hunter2"
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def proxy(answer: str) -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that answers every request so; its port, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(4096))
                    connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], asked
        server.shutdown(socket.SHUT_RDWR)


def encrypted(action: Action) -> Finished:
    """A run that would speak with an address where nobody listens, by https."""
    return action(compute_endpoint="https://127.0.0.1:9", timeout_minutes="5")


@pytest.mark.parametrize("answer", ["407 Proxy Authentication Required", "403 Forbidden"])
def test_a_proxy_that_refuses_is_asked_once(action: Action, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    with proxy(answer) as (port, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@127.0.0.1:{port}")
        done = encrypted(action)
    assert (done.exit_code, done.annotations[0][1]) == (3, compute_errors.ENDPOINT_UNREACHABLE.title)
    assert f"the proxy http://127.0.0.1:{port} (HTTPS_PROXY)" in done.outputs["reason"]
    assert f"(HTTP {answer[:3]})" in done.outputs["reason"]
    assert "NO_PROXY" in done.annotations[0][2]
    assert SECRET not in done.log + done.summary
    assert len(asked) == 1


def test_a_proxy_that_is_in_trouble_is_asked_again(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy("502 Bad Gateway") as (port, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        done = encrypted(action)
    assert done.exit_code == 3
    assert f"the proxy http://127.0.0.1:{port} (HTTPS_PROXY) could not connect (HTTP 502)" in done.outputs["reason"]
    assert len(asked) > 3


def test_a_bundle_that_is_not_there(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/acme.pem")
    done = encrypted(action)
    assert done.exit_code == 3
    assert "REQUESTS_CA_BUNDLE names no file (/no/such/acme.pem)" in done.outputs["reason"]
    assert "Next try" not in done.log


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", ""),
        ("GOOGLE_API_USE_MTLS_ENDPOINT", "true"),
        ("GOOGLE_API_USE_MTLS_ENDPOINT", ""),
    ],
)
def test_a_variable_of_googles_libraries(
    action: Action, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    done = action()
    assert (done.exit_code, done.annotations[0][1]) == (3, compute_errors.LIBRARY_VARIABLE.title)
    assert name in done.outputs["reason"]


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "http://[::1", f"foo://{SECRET}:1"])
def test_a_proxy_that_is_none(action: Action, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    done = encrypted(action)
    assert done.exit_code == 3
    assert "HTTPS_PROXY is not the URL of a proxy that can be used" in done.outputs["reason"]
    assert SECRET not in done.log
    assert "Next try" not in done.log
