"""A server on loopback for those of Google's services that the emulator is not: it writes down what it is asked for.

Its answers are no more than what gcloud needs to go on. So a test sees which requests a line of gcloud sends, and that
gcloud takes the line as it stands.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = ("SERVICEUSAGE", "CLOUDRESOURCEMANAGER", "CLOUDBILLING", "IAM", "CLOUDKMS")
DONE = {"name": "operations/noop.DONE_OPERATION", "done": True, "response": {}}
PERMISSIONS = ["compute.images.get", "compute.images.setIamPolicy"]


@dataclass
class Recorder:
    """Where it listens, and the requests that change something: verb and path without version, and the body."""

    url: str
    changes: list[tuple[str, str]] = field(default_factory=list)

    def overrides(self, *services: str) -> dict[str, str]:
        """The variables that send gcloud here."""
        return {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": self.url for name in services or SERVICES}

    def answer(self, verb: str, path: str, body: str) -> Any:
        """What gcloud is told."""
        reading = verb == "GET" or path.endswith((":getIamPolicy", ":queryTestablePermissions", ":testIamPermissions"))
        if not reading:
            self.changes.append((f"{verb} {path}", body))
        if path.endswith(":setIamPolicy"):
            return json.loads(body)["policy"]
        if path.endswith(":getIamPolicy"):
            return {"etag": "ACAB", "version": 1}
        if path.endswith(":testIamPermissions"):
            return {"permissions": json.loads(body)["permissions"]}
        if "/roles" in path:
            return {"name": path.strip("/"), "etag": "ACAB", "includedPermissions": PERMISSIONS}
        if "workloadIdentityPools" in path or "/services" in path:
            return DONE
        return {"projectId": "acme-images", "projectNumber": "123"} if reading else {}


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder on a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            # Versions differ from service to service, and a query says nothing that path and body don't.
            path = "/" + self.path.partition("?")[0].partition("/v1/")[2]
            content = json.dumps(recorder.answer(self.command, path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815 -- as http.server calls them

        def log_message(self, *_: object) -> None:
            """The test says what counts."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder = Recorder(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
