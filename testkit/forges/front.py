"""An HTTP server on loopback that hands requests to a backend, notes them, and puts faults in their way.

The backend is the emulator of GitHub, or a forwarder to a real server: the same faults meet both.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


#: What can go wrong with one request. `after` and `stored` mean that it was carried out.
FAULTS = (
    "drop_before",
    "drop_after",
    "reset_during",
    "500_before",
    "502_stored",
    "403_rate",
    "429",
    "truncated",
    "html_stored",
    "stale",
)


@dataclass
class Entry:
    """One request in the journal."""

    method: str
    target: str
    status: int
    token: str
    fault: str = ""


class Front:
    """The server. `fault` gives the fault that meets the request of this number, counted from 0, or nothing."""

    def __init__(self, backend: Callable[[Request], Response]) -> None:
        self.backend = backend
        self.fault: Callable[[int, Request], str] = lambda _number, _request: ""
        self.before: Callable[[int, Request], None] = lambda _number, _request: None
        self.journal: list[Entry] = []
        self.broken: list[Exception] = []
        """What the backend raised: requests or answers that the forge's document doesn't allow."""
        self._earlier: dict[str, Response] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def writes(self) -> list[Entry]:
        """The requests that may change something."""
        return [entry for entry in self.journal if entry.method not in {"GET", "HEAD"}]

    def _answer(self, request: Request) -> tuple[Response | None, str]:
        with self._lock:
            number = len(self.journal)
            entry = Entry(request.method, request.target, 0, request.headers.get("authorization", ""))
            self.journal.append(entry)
            self.before(number, request)
            fault = self.fault(number, request)
            entry.fault = fault
            early = _early(fault)
            if early is not None or fault == "drop_before":
                entry.status = early.status if early else 0
                return early, fault
            key = request.target
            if fault == "stale" and request.method == "GET" and key in self._earlier:
                return self._earlier[key], ""
            try:
                response = self.backend(request)
            except Exception as error:  # noqa: BLE001 - told when the front closes
                self.broken.append(error)
                response = Response(500, b"the test's forge broke")
            entry.status = response.status
            if request.method == "GET":
                # What a list said before its last change.
                known = self._earlier.get(f"now {key}")
                if known and known.body != response.body:
                    self._earlier[key] = known
                self._earlier[f"now {key}"] = response
            return response, fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                headers = {name.lower(): value for name, value in self.headers.items()}
                # A client behind HTTP_PROXY names the whole URL.
                parts = urlsplit(self.path)
                target = self.path if not parts.scheme else self.path.partition(parts.netloc)[2]
                response, fault = front._answer(Request(self.command, target, headers, body))
                self.close_connection = True
                if response is None or fault == "drop_after":
                    return
                with contextlib.suppress(OSError):
                    self._send(_late(fault, response), fault)

            def _send(self, response: Response, fault: str) -> None:
                self.send_response_only(response.status)
                for name, value in response.headers.items():
                    self.send_header(name, value)
                if response.status != 204:
                    self.send_header("Content-Length", str(len(response.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                if self.command == "HEAD":
                    return
                if fault == "reset_during":
                    self.wfile.write(response.body[: len(response.body) // 2])
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                    return
                self.wfile.write(response.body)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = _do  # noqa: N815 - the names of the library

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        return Handler


def _early(fault: str) -> Response | None:
    if fault == "500_before":
        return Response(500, b'{"message": "broken"}')
    if fault == "403_rate":
        said = b'{"message": "You have exceeded a secondary rate limit"}'
        return Response(403, said, {"Retry-After": "7", "Content-Type": "application/json"})
    if fault == "429":
        return Response(429, b"slow down", {"Retry-After": "3"})
    return None


def _late(fault: str, response: Response) -> Response:
    if fault == "502_stored":
        return Response(502, b'{"message": "Bad gateway"}')
    if fault == "html_stored":
        return Response(200, b"<html>maintenance</html>", {"Content-Type": "text/html"})
    if fault == "truncated" and response.body:
        return Response(response.status, response.body[: len(response.body) // 2], response.headers)
    return response


@contextlib.contextmanager
def front(backend: Callable[[Request], Response]) -> Iterator[Front]:
    """A server until the block ends."""
    server = Front(backend)
    try:
        yield server
    finally:
        server.close()
    for error in server.broken:
        raise error


def forward(url: str) -> Callable[[Request], Response]:
    """A backend that hands on to a real server."""
    parts = urlsplit(url)

    def send(request: Request) -> Response:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        dropped = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
        headers = {name: value for name, value in request.headers.items() if name not in dropped}
        connection.request(request.method, request.target, request.body or None, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        kept = {"content-type": "Content-Type", "location": "Location"}
        return Response(
            answer.status,
            body,
            {kept[name.lower()]: value for name, value in answer.getheaders() if name.lower() in kept},
        )

    return send


def as_json(status: int, body: Any) -> Response:
    """An answer in JSON."""
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
