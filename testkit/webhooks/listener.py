"""Receives webhooks on loopback: answers as told, one answer after the other, and keeps what it was sent."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Reply:
    """An answer; `drop` closes the connection instead."""

    status: int = 202
    text: str = '{"status": "queued", "reason": "", "publication_id": "pub_1"}'
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


@dataclass(frozen=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Where it listens, and what it heard."""

    url: str
    heard: list[Heard]


@contextmanager
def receiver(replies: Sequence[Reply]) -> Iterator[Receiver]:
    """A receiver on loopback that gives these answers; the last one again and again."""
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = replies[min(len(heard), len(replies) - 1)]
            heard.append(Heard(self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            if reply.drop:
                self.close_connection = True
                return
            data = reply.text.encode()
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library names it
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Receiver(f"http://127.0.0.1:{server.server_port}/hooks/acme", heard)
        finally:
            server.shutdown()
            thread.join()
