"""Real host names on loopback: a proxy that leads each of them to a site of the test, encrypted by a certificate of its own.

    with network(folder, {"us-docker.pkg.dev": site}) as here:
        subprocess.run(["crane", "digest", …], env={**here.env})

A program that heeds HTTPS_PROXY and trusts the certificate that the variables name (Go's programs, requests) speaks to the
sites as if they were the real ones; every other host is refused, and nothing leaves the machine.
"""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Any

from testkit.resolve import https

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """A request as a site sees it."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    """With names in lower case."""


@dataclass(frozen=True)
class Reply:
    """What a site answers; of a HEAD request the body is left out, and its length told."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


if TYPE_CHECKING:
    Site = Callable[[Asked], Reply]


@dataclass
class Network:
    """What is where, who asked for what, and the variables that lead programs here."""

    sites: dict[str, Site]
    env: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Hosts that somebody wanted and that are no site."""

    def paths(self, host: str) -> list[str]:
        return [each.path for each in self.asked if each.host == host]


class _Site(BaseHTTPRequestHandler):
    """Speaks HTTP inside of a tunnel."""

    protocol_version = "HTTP/1.1"
    server: _Proxy

    def _any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, headers["host"].partition(":")[0], self.path, headers)
        self.server.network.asked.append(asked)
        reply = self.server.network.sites[asked.host](asked)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if asked.method != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _any  # noqa: N815 - as the library names them

    def log_message(self, *_: Any) -> None: ...


class _Tunnel(StreamRequestHandler):
    """Takes one CONNECT, and is the host that was asked for, if it is a site."""

    server: _Proxy

    def handle(self) -> None:
        words = self.rfile.readline().decode("latin-1").split()
        while self.rfile.readline().strip():
            pass
        host = words[1].rpartition(":")[0] if len(words) > 1 else ""
        if words[:1] != ["CONNECT"] or host not in self.server.network.sites:
            self.server.network.refused.append(host)
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        # Clients drop connections as they please.
        with suppress(OSError), self.server.context.wrap_socket(self.connection, server_side=True) as inside:
            _Site(inside, self.client_address, self.server)


class _Proxy(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, network: Network, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.network, self.context = network, context


@contextmanager
def network(folder: Path, sites: Mapping[str, Site]) -> Iterator[Network]:
    """Run the proxy for these sites."""
    here = Network(dict(sites))
    certificate = https.certificate(folder, here.sites)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with _Proxy(here, context) as server:
        proxy = f"http://127.0.0.1:{server.server_address[1]}"
        here.env = {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(certificate),
            "REQUESTS_CA_BUNDLE": str(certificate),
        }
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()
