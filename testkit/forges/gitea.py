"""A real Gitea server on loopback, where `scripts/gitea-server.sh build` has built one, and what tests ask of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "v1.26.0"
OWNER = "some-owner"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gce-image-replicator" / f"gitea-{VERSION}"


@dataclass(frozen=True)
class Gitea:
    """The server: its address, and a token that may do everything."""

    url: str
    token: str
    folder: Path

    def api(
        self, method: str, path: str, *, anonymous: bool = False, token: str | None = None, **more: Any
    ) -> requests.Response:
        """Ask its API, with another token where one is given."""
        used = self.token if token is None else token
        headers = {} if anonymous or not used else {"Authorization": f"token {used}"}
        return requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=60, **more)

    def repository(self, name: str) -> str:
        """Make a repository with one commit, and return that commit."""
        made = self.api("POST", "/user/repos", json={"name": name, "auto_init": True, "default_branch": "main"})
        assert made.status_code == 201, made.text
        branch = self.api("GET", f"/repos/{OWNER}/{name}/branches/main")
        return str(branch.json()["commit"]["id"])

    def admin(self, *words: str) -> str:
        """Run a command about users, as who owns the machine may."""
        command = [str(_CACHE / "bin" / "gitea"), "--config", str(self.folder / "app.ini")]
        command += ["--work-path", str(self.folder), "admin", "user", *words]
        return subprocess.run(command, check=True, timeout=120, capture_output=True, text=True).stdout

    def releases(self, name: str) -> list[dict[str, Any]]:
        """All releases of a repository, drafts too."""
        found: list[dict[str, Any]] = self.api("GET", f"/repos/{OWNER}/{name}/releases?limit=50").json()
        return found


@contextlib.contextmanager
def gitea(folder: Path) -> Iterator[Gitea]:
    """A server until the block ends; the test is skipped where none is built."""
    if not (_CACHE / "bin" / "gitea").exists():
        pytest.skip("gitea is not built: `bash scripts/gitea-server.sh build` builds it where Go is")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "DATA": str(folder), "PORT": str(port)}
    command = ["bash", str(ROOT / "scripts" / "gitea-server.sh"), "start"]
    subprocess.run(command, env=env, check=True, timeout=120, stdout=subprocess.DEVNULL)
    try:
        url, token = ((folder / name).read_text("utf-8").strip() for name in ("url", "token"))
        yield Gitea(url, token, folder)
    finally:
        os.kill(int((folder / "pid").read_text("utf-8")), signal.SIGTERM)
