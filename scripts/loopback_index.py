"""A package index on loopback, for rehearsals: takes uploads as PyPI does, and serves them as PEP 503 says.

A file that was uploaded once is never taken again, whatever it holds; what doesn't match its own hash is refused.
"""

from __future__ import annotations

import hashlib
import re
import threading
from contextlib import contextmanager
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Index:
    """What was uploaded, and where."""

    def __init__(self, url: str) -> None:
        self.upload, self.simple = f"{url}/legacy/", f"{url}/simple/"
        self.files: dict[str, bytes] = {}

    def take(self, fields: dict[str, bytes], name: str, content: bytes) -> tuple[int, str]:
        """Take one upload. Returns the status and what is said."""
        if fields.get(":action") != b"file_upload" or fields.get("protocol_version") != b"1":
            return 400, "not an upload"
        if not name or hashlib.sha256(content).hexdigest().encode() != fields.get("sha256_digest"):
            return 400, "the file has another digest"
        if name in self.files:
            return 400, "File already exists"
        self.files[name] = content
        return 200, "OK"

    def page(self, project: str) -> str:
        """Return the page of a project: a link to each of its files, with its hash."""
        own = [name for name in self.files if _normalised(re.split(r"-\d", name)[0]) == project]
        links = (f'<a href="/files/{name}#sha256={_digest(self.files[name])}">{name}</a>\n' for name in own)
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"


@contextmanager
def serving() -> Iterator[Index]:
    """An index that is empty at first."""
    found: list[Index] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            fields: dict[str, bytes] = {}
            name, content = "", b""
            for part in BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts():
                data = bytes(part.get_payload(decode=True) or b"")
                if part.get_filename():
                    name, content = part.get_filename() or "", data
                else:
                    fields[str(part.get_param("name", header="content-disposition"))] = data
            self._answer(*found[0].take(fields, name, content))

        def do_GET(self) -> None:
            kind, _, name = self.path.strip("/").partition("/")
            if kind == "files" and name in found[0].files:
                self._answer(200, found[0].files[name])
            elif kind == "simple" and "<a " in (page := found[0].page(_normalised(name))):
                self._answer(200, page)
            else:
                self._answer(404, "no such project")

        def _answer(self, status: int, body: str | bytes) -> None:
            data = body.encode() if isinstance(body, str) else body
            # twine shows the reason.
            self.send_response(status, body if isinstance(body, str) and status >= 400 else None)
            self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/octet-stream")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.append(Index(f"http://127.0.0.1:{server.server_port}"))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield found[0]
        finally:
            server.shutdown()
            thread.join()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
