"""Serves packages on loopback as a package index, and puts uv on a PATH."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from testkit.harness import stand_in
from testkit.harness.job import search_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Offer:
    """What an index answers when it is asked for the package: files by name, or something else."""

    files: dict[str, bytes]
    hashes: bool | str = False
    """Whether a link says the file's hash, as most indexes do; or what it says instead."""
    status: tuple[int, str] = (200, "OK")

    def fragment(self, file: str) -> str:
        """What stands behind a file's address."""
        digest = hashlib.sha256(self.files[file]).hexdigest() if self.hashes is True else self.hashes
        return f"#sha256={digest}" if digest else ""


@contextmanager
def index(offer: Offer) -> Iterator[str]:
    """A package index (PEP 503) on loopback; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            links = "".join(f'<a href="/files/{file}{offer.fragment(file)}">{file}</a>\n' for file in offer.files)
            body = offer.files.get(name) or f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
            self.send_response(*offer.status)
            self.send_header("Content-Type", "application/octet-stream" if name else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def with_uv(folder: Path, program: str = "") -> str:
    """A PATH with uv in front, or with a shell script in its place."""
    folder.mkdir()
    if program:
        (folder / "uv").write_text(f"#!/bin/bash\n{program}\n", "utf-8")
        (folder / "uv").chmod(0o755)
    else:
        (folder / "uv").symlink_to(stand_in.UV)
    return os.pathsep.join([str(folder), search_path()])
