"""What releasing the largest file that GitHub takes costs: memory, reads of the file, and the rate beside curl's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import ROOT
from benchmarks.figures import Figure, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 2**31 - 1
_COMMIT = "c" * 40
_TIMES = 3
_NAME = "disk.raw"

#: Runs in a process of its own, so that its memory and its reads are those of the release alone.
_CHILD = """
import json, os, resource, sys
from replicator.__main__ import main
code = main(sys.argv[1:], dict(os.environ), sys.stderr)
lines = dict(line.split(": ") for line in open("/proc/self/io").read().splitlines())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"code": code, "memory": peak / 1024, "read": int(lines["rchar"])}))
"""


class Sink(ThreadingHTTPServer):
    """As much of GitHub's API as one release takes; what is uploaded is read and dropped."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.digests: dict[str, str] = {}
        """What each name's content is known to be: hashing it here would take the time that is measured."""
        self.spans: list[float] = []
        """Seconds from an upload's headers to its last byte."""
        self.begin()

    def begin(self) -> None:
        """Forget all releases."""
        self.assets: list[dict[str, Any]] = []
        self.release: dict[str, Any] | None = None
        self.tag = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def do_GET(self) -> None:
        sink, path = self.server, self.path.partition("?")[0].removeprefix("/api/v3/repos/o/r")
        first = "page=1" in self.path or "page=" not in self.path
        if path == "":
            self._answer(200, {"archived": False})
        elif path.startswith("/git/ref/"):
            ref = {"ref": "refs/tags/v1", "object": {"type": "commit", "sha": _COMMIT}}
            self._answer(200 if sink.tag else 404, ref if sink.tag else {})
        elif path.startswith("/releases/tags/"):
            public = sink.release is not None and not sink.release["draft"]
            self._answer(200 if public else 404, sink.release if public else {})
        elif path.endswith("/assets"):
            self._answer(200, sink.assets if first else [])
        else:
            self._answer(200, [sink.release] if sink.release and first else [])

    def do_POST(self) -> None:
        sink, left = self.server, int(self.headers["Content-Length"])
        if "/assets" not in self.path and not self.path.startswith("/sink"):
            given = json.loads(self.rfile.read(left))
            if "ref" in given:
                sink.tag = True
                return self._answer(201, {})
            uploads = f"{sink.url}/api/v3/repos/o/r/releases/1/assets"
            sink.release = {**given, "id": 1, "upload_url": uploads, "html_url": sink.url}
            return self._answer(201, sink.release)
        began, room = time.perf_counter(), memoryview(bytearray(2**20))
        size = left
        while left:
            left -= self.rfile.readinto(room[: min(left, 2**20)])
        if size == SIZE:
            sink.spans.append(time.perf_counter() - began)
        name = self.path.partition("name=")[2]
        digest = f"sha256:{sink.digests[name]}" if name in sink.digests else None
        asset = {"id": len(sink.assets) + 1, "name": name, "size": size, "digest": digest, "state": "uploaded"}
        sink.assets.append(asset)
        return self._answer(201, asset)

    def do_PATCH(self) -> None:
        sink = self.server
        sink.release = {**(sink.release or {}), **json.loads(self.rfile.read(int(self.headers["Content-Length"])))}
        self._answer(200, sink.release)

    def _answer(self, status: int, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    """One that listens until the block ends."""
    with Sink() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


def measure() -> Iterator[Figure]:
    """Release it some times, and send it as often by curl. Raises Skipped without curl or /proc."""
    if not shutil.which("curl") or not Path("/proc/self/io").exists():
        raise Skipped("curl or /proc is missing")
    ours, theirs, told = [], [], {}
    with tempfile.TemporaryDirectory() as name, sink() as server:
        file = Path(name, _NAME)
        with file.open("wb") as opened:
            opened.truncate(SIZE)
        digest = _digest()
        sums = hashlib.sha256(f"{digest}  {_NAME}\n".encode()).hexdigest()
        server.digests = {_NAME: digest, "SHA256SUMS": sums}
        for _ in range(_TIMES):
            server.begin()
            told = _released(server, file)
            ours.append(server.spans.pop())
            put = ["curl", "-sS", "-f", "-o", "/dev/null", "-X", "POST", "-H", "Expect:", "-T", str(file)]
            subprocess.run([*put, f"{server.url}/sink"], check=True, timeout=600)
            theirs.append(server.spans.pop())
    yield Figure(name="2 GiB on a release: memory", value=told["memory"], unit="MB", at_most=80)
    yield Figure.ratio(
        "2 GiB on a release: bytes read / bytes of the file",
        told["read"] / 2**20,
        SIZE / 2**20,
        at_most=2.05,
        parts="MiB",
        note="once to hash it, once to send it",
    )
    yield Figure.ratio("2 GiB on a release: time of curl for the upload / ours", min(theirs), min(ours), at_least=0.9)


def _released(server: Sink, file: Path) -> dict[str, Any]:
    argv = ["release", "publish", "--server-url", server.url, "--repository", "o/r", "--release-tag", "v1"]
    argv += ["--commit", _COMMIT, "--forge", "github", "--files", str(file)]
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *argv],
        # Where SHA256SUMS is written.
        cwd=file.parent,
        env={**os.environ, "GH_TOKEN": "t", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    if told["code"] or "is published with 2 verified assets" not in done.stderr:
        raise RuntimeError(done.stdout + done.stderr)
    return told


def _digest() -> str:
    digest, piece = hashlib.sha256(), bytes(2**20)
    for _ in range(SIZE // 2**20):
        digest.update(piece)
    digest.update(piece[: SIZE % 2**20])
    return digest.hexdigest()
