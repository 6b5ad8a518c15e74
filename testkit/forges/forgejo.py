"""Forgejo's workflows and runs in memory, as its handlers' source has them: 10, which tells no run, to 16, which tells all.

Forgejo's server was never run; what is here was read in forks of its source and in its release notes. With which version
it began to tell runs is a guess: 12.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from testkit.forges.front import Request, Response, as_json


@dataclass
class Forgejo:
    """One repository, `acme/images`, with the branch `main` and the tag `v1.0`."""

    version: str = "16.0.0+gitea-1.22.0"
    token: str = "right"
    url: str = ""
    status: str = "waiting"
    """The state of the run and of its jobs, in Forgejo's words."""
    log: bytes | None = b"hello\n"
    started: list[dict[str, Any]] = field(default_factory=list)
    """What each dispatch asked for."""

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        parts = urlsplit(request.target)
        path = parts.path.removeprefix("/api/v1")
        if path == "/version":
            return as_json(200, {"version": self.version})
        path = path.removeprefix("/repos/acme/images")
        major = int(self.version.partition(".")[0])
        if path.endswith("/dispatches"):
            return self._dispatch(request, major)
        if path == "/branches/main":
            return as_json(200, {"name": "main"})
        if path == "/tags/v1.0":
            return as_json(200, {"name": "v1.0", "commit": {"sha": "0" * 40}})
        if path == "/actions/runs/7" and major >= 12:
            return as_json(200, self._run())
        if path == "/actions/runs/7/jobs" and major >= 16:
            # Always all of them, whatever page is asked for.
            return as_json(200, [{"id": 70 + n, "name": f"job {n}", "status": self.status} for n in range(2)])
        if re.fullmatch("/actions/jobs/7[01]/logs", path) and major >= 16 and self.log is not None:
            return Response(200, self.log, {"Content-Type": "text/plain; charset=utf-8"})
        return as_json(404, {"message": "The target couldn't be found.", "errors": []})

    def _dispatch(self, request: Request, major: int) -> Response:
        if request.headers.get("authorization") != f"token {self.token}":
            return as_json(401, {"message": "token is required"})
        asked = json.loads(request.body)
        if "deploy.yml" not in request.target:
            return as_json(404, {"message": "workflow not found"})
        if asked.get("inputs", {}).get("image") == "":
            return as_json(400, {"message": "input required for 'image'"})
        self.started.append(asked)
        if asked.get("return_run_info") and major >= 12:
            return as_json(201, {"id": 7, "run_number": 3, "jobs": ["job 0", "job 1"]})
        return Response(204)

    def _run(self) -> dict[str, Any]:
        return {
            "id": 7,
            "title": "Deploy",
            "index_in_repo": 3,
            "event": "workflow_dispatch",
            "commit_sha": "0" * 40,
            "status": self.status,
            "html_url": f"{self.url}/acme/images/actions/runs/3",
        }
