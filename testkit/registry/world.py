"""A registry with images, mirrors in front of it, and the repositories that `registry ensure` made for them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.testing import running
from testkit.registry.mirroring import Registry
from testkit.registry.network import Asked, Network, Reply, network
from testkit.registry.pull_through import Front, crane, mirror, push, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.registry import pull_through

UPSTREAMS = ("ghcr.io", "registry-1.docker.io")
LOCATIONS = ("us", "europe")
CONFIG = """\
project: p1
locations: [us, europe]
mirrors:
  ghcr.io: {repository: ghcr-mirror}
  docker.io: {repository: hub-mirror}
readers: [allUsers]
"""


@dataclass
class World:
    """ghcr.io and Docker Hub are one registry; each location has a registry of its own that mirrors it."""

    registry: Registry
    upstream: pull_through.Registry
    fronts: dict[str, Front]
    network: Network
    folder: Path
    single: str
    """The digest of `org/app:v1`, and of `library/ubuntu:22.04`."""
    several: str
    """The digest of `org/multi:v1`, an index of two architectures."""

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.folder), **self.network.env}

    @property
    def config(self) -> str:
        return str(self.folder / "registry.yaml")

    def rewritten(self, reference: str, zone: str) -> str:
        done = self.registry("rewrite", config=self.config, zone=zone, images=reference)
        assert done.exit_code == 0, done.log
        return done.outputs["resolved_image"]

    def written(self, form: str, zone: str) -> Path:
        """What `rewrite` writes in a format for a zone: a file or a folder."""
        path = self.folder / f"{form}-{zone}"
        done = self.registry("rewrite", config=self.config, zone=zone, format=form, output=str(path))
        assert done.exit_code == 0, done.log
        return path

    def crane(self, *words: str, fails: str = "") -> str:
        return crane(*words, env=self.env, fails=fails)


@contextmanager
def pulling(folder: Path) -> Iterator[World]:
    """Start everything. `crane` and `distribution` must be built."""
    with ExitStack() as stack:
        emulator = stack.enter_context(running(scenario={"repository_seconds": 0}))
        origin = stack.enter_context(upstream(folder / "upstream"))
        single = push(origin, "org/app:v1", folder / "app")
        crane("copy", f"127.0.0.1:{origin.port}/org/app:v1", f"127.0.0.1:{origin.port}/library/ubuntu:22.04")
        several = push(origin, "org/multi:v1", folder / "multi", architectures=("amd64", "arm64"))
        fronts = {}
        for place in LOCATIONS:
            there = stack.enter_context(mirror(origin, folder / place))
            fronts[place] = Front(place, emulator, {"ghcr.io": there, "docker.io": there})
        # Nobody made a mirror there, and its host exists all the same.
        fronts["asia"] = Front("asia", emulator, {})
        sites = {front.host: front for front in fronts.values()}
        here = stack.enter_context(network(folder, {**sites, **dict.fromkeys(UPSTREAMS, nobody)}))
        # The certificate is good for them; who asks them without being told to is refused.
        here.sites = dict(sites)
        registry = Registry(emulator, folder)
        (folder / "registry.yaml").write_text(CONFIG, encoding="utf-8")
        assert registry("ensure", config=str(folder / "registry.yaml")).exit_code == 0
        yield World(registry, origin, fronts, here, folder, single, several)


def nobody(_asked: Asked) -> Reply:
    """A host that has nothing."""
    return Reply(404, b"{}")
