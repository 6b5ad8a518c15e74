"""A real pull-through: a registry that is ghcr.io, the distribution project's registry as its mirror, and Artifact
Registry's host names in front of it, which show what the emulator says exists.

`crane` and `distribution` are built by `scripts/engines.sh`; everything listens on loopback only.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
import requests

from testkit.places import ROOT
from testkit.registry.network import Asked, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from emulator.testing import Running

ENGINES = ROOT / "build" / "engines"
CRANE, DISTRIBUTION, PULL = (ENGINES / name for name in ("crane", "distribution", "pull"))
#: Seconds for a registry to listen, and for a program to end; both are far less.
PATIENCE = 60.0

_MIRROR = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
proxy: {{remoteurl: "{upstream}", ttl: 168h}}
"""
_PATH = re.compile(r"/v2/(?P<project>[^/]+)/(?P<repository>[^/]+)/(?P<rest>.+)")
_PASSED_ON = ("content-type", "content-length", "docker-content-digest", "etag", "oci-filters-applied")
#: What the front gives for a token of Google's: the one with which its images are asked for.
REGISTRY_TOKEN = "of-the-registry"


def missing(*programs: Path) -> str:
    """Why tests of these programs can't run; empty if they can."""
    lacking = [program.name for program in programs if not program.exists()]
    return (
        f"{', '.join(lacking)} not built: `make test-registry` builds what pulls images where Go is" if lacking else ""
    )


@dataclass
class Registry:
    """A registry that runs as a process of its own."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def site(self, asked: Asked, path: str = "") -> Reply:
        """Ask it what a site was asked."""
        headers = {name: asked.headers[name] for name in ("accept", "range") if name in asked.headers}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(asked.method, self.url + (path or asked.path), headers=headers, timeout=PATIENCE)
        kept = {name: value for name, value in answer.headers.items() if name.lower() in _PASSED_ON}
        return Reply(answer.status_code, answer.content, {name.title(): value for name, value in kept.items()})


@dataclass
class Front:
    """One location's host of Artifact Registry: serves the remote repositories that exist in the emulator."""

    location: str
    emulator: Running
    mirrors: dict[str, Registry]
    """Upstream → the registry that fetches from it."""
    tokens: frozenset[str] = frozenset()
    """Google's tokens that may read; without any, whoever the repository's policy lets in by `allUsers`."""
    failing: list[int] = field(default_factory=list)
    """Statuses of the next answers, whatever is asked."""

    @property
    def host(self) -> str:
        return f"{self.location}-docker.pkg.dev"

    def __call__(self, asked: Asked) -> Reply:
        if self.failing:
            return Reply(self.failing.pop(0))
        if asked.path.startswith("/v2/token"):
            return self._token(asked)
        if self.tokens and asked.headers.get("authorization") != f"Bearer {REGISTRY_TOKEN}":
            challenge = f'Bearer realm="https://{self.host}/v2/token",service="{self.host}"'
            return Reply(401, headers={"WWW-Authenticate": challenge})
        if asked.path.partition("?")[0] == "/v2/":
            return Reply(200, b"{}")
        parts = _PATH.fullmatch(asked.path)
        upstream = self._upstream(parts["project"], parts["repository"]) if parts else ""
        if not parts or not upstream:
            return Reply(404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"Repository not found"}]}')
        return self.mirrors[upstream].site(asked, f"/v2/{parts['rest']}")

    def _token(self, asked: Asked) -> Reply:
        """What gcloud's helper is for: a token of Google's, as the password of a user, for one of the registry's."""
        user, _, password = base64.b64decode(asked.headers.get("authorization", "")[6:]).decode().partition(":")
        if user not in {"_dcgcloud_token", "oauth2accesstoken"} or password not in self.tokens:
            return Reply(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        return Reply(200, f'{{"token": "{REGISTRY_TOKEN}"}}'.encode())

    def _upstream(self, project: str, repository: str) -> str:
        name = f"projects/{project}/locations/{self.location}/repositories/{repository}"
        found = next((each for each in self.emulator.state()["repositories"] if each["name"] == name), None)
        if found is None or found["mode"] != "REMOTE_REPOSITORY":
            return ""
        remote = found["remoteRepositoryConfig"]
        public = remote.get("dockerRepository", {}).get("publicRepository") == "DOCKER_HUB"
        return "docker.io" if public else remote["commonRepository"]["uri"].removeprefix("https://")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running_registry(command: Sequence[str | Path], port: int, folder: Path) -> Iterator[Registry]:
    """Start a registry, and wait until it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=log,
            stderr=log,
            env={"HOME": str(folder), "PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
        registry = Registry(port, process)
        try:
            ends = time.monotonic() + PATIENCE
            while time.monotonic() < ends and process.poll() is None:
                try:
                    if requests.get(f"{registry.url}/v2/", timeout=5).status_code == 200:
                        break
                except requests.RequestException:
                    time.sleep(0.02)
            else:
                pytest.fail(f"the registry doesn't answer: {(folder / 'log').read_text('utf-8')}")
            yield registry
        finally:
            registry.stop()


@contextmanager
def upstream(folder: Path) -> Iterator[Registry]:
    """A registry of people's own images."""
    port = free_port()
    command: list[str | Path] = [CRANE, "registry", "serve", "--address", f"127.0.0.1:{port}"]
    with running_registry(command, port, folder) as found:
        yield found


@contextmanager
def mirror(of: Registry, folder: Path) -> Iterator[Registry]:
    """A registry that fetches what it is asked for from another one, and keeps it."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(
        _MIRROR.format(folder=folder / "data", port=port, upstream=of.url), encoding="utf-8"
    )
    with running_registry([DISTRIBUTION, "serve", folder / "config.yml"], port, folder) as found:
        yield found


def crane(*words: str, env: dict[str, str] | None = None, fails: str = "") -> str:
    """Run crane. Returns what it prints; where it must fail, what it says."""
    return program(str(CRANE), *words, env=env, fails=fails)


def program(*words: str, env: dict[str, str] | None = None, fails: str = "") -> str:
    """Run a program with these variables, and nothing of the caller's but PATH."""
    whole = {"PATH": os.environ["PATH"], **(env or {})}
    done = subprocess.run(words, env=whole, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert bool(done.returncode) == bool(fails), f"{words}: {done.stdout}{done.stderr}"
    assert fails in done.stderr, done.stderr
    return (done.stderr if fails else done.stdout).strip()


def push(to: Registry, name: str, folder: Path, *, architectures: Sequence[str] = ("amd64",)) -> str:
    """Push an image of one small layer for each architecture, several as an index. Returns its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for architecture in architectures:
        content = folder / f"{architecture}.txt"
        content.write_text(f"{name} for {architecture}\n", encoding="utf-8")
        layer = shutil.make_archive(str(folder / architecture), "tar", folder, content.name)
        target = f"127.0.0.1:{to.port}/{name}{f'-{architecture}' if len(architectures) > 1 else ''}"
        crane("append", "--new_layer", layer, "--new_tag", target, env=_home(folder))
        crane("mutate", target, "--set-platform", f"linux/{architecture}", "--tag", target, env=_home(folder))
        made.append(target)
    whole = f"127.0.0.1:{to.port}/{name}"
    if len(made) > 1:
        parts = [word for target in made for word in ("-m", target)]
        crane("index", "append", *parts, "-t", whole, env=_home(folder))
    return crane("digest", whole, env=_home(folder))


def manifest_digest(text: str) -> str:
    """The digest of a manifest as it was printed."""
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def _home(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder)}
