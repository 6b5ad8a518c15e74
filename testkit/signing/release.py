"""A release of two builds whose indexes are merged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.merge import run
from replicator.index import image_index
from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.action import Action, Finished


import io
from typing import TYPE_CHECKING

from replicator.__main__ import main

if TYPE_CHECKING:
    from testkit.action import Action, Finished


REVISION = json.dumps({"repository": "acme/images", "ref": "refs/tags/v1", "commit": "c1"})

EXPECT = "X86_64, ARM64"

KEY = world.private_key()

SIGNED = ("bundle_path", "attestation_path")

FAMILIES = {"web-us": "us", "web-eu": "eu", "web-asia": "asia"}

PROMOTED = {family.replace("web", stem) for family in FAMILIES for stem in ("web", "web-arm64")}


@dataclass
class Release:
    """Two builds, each with an image of its own architecture, and what their runs left."""

    action: Action
    fragments: Path
    sign: str = "off"

    def build(self, name: str, family: str, architecture: str, **inputs: str) -> Finished:
        """One build's job: the image, its replicas without families, and its fragment."""
        if not self.action.emulator.image("p1", name):
            self.action.emulator.add_image(
                project="p1",
                name=name,
                family=family,
                architecture="ARM64" if architecture == "ARM64" else "X86_64",
                public=True,
            )
        usual = {"promote": "false", "revision": REVISION, "home_copy": "true"}
        done = self.action(source_image=f"projects/p1/global/images/{name}", **{**usual, **inputs})
        folder = self.fragments / f"image-index-{architecture}-{inputs.get('variant', '')}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "image-index.json").write_bytes(done.index)
        return done

    def build_all(self, **arm64: str) -> None:
        self.build("web-a", "web", "X86_64")
        self.build("web-b", "web-arm64", "ARM64", **arm64)

    def merge(self, **inputs: str) -> Finished:
        given = {"fragments": str(self.fragments), "expect": EXPECT, "sign": self.sign, **inputs}
        done = self.action.carry_out(run.run, given)
        signs = given["sign"] != "off" and bool(done.index)
        assert [bool(done.outputs[name]) for name in SIGNED] == [signs, signs]
        return done

    def edit(self, architecture: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change one fragment."""
        path = self.fragments / f"image-index-{architecture}-" / "image-index.json"
        document = json.loads(path.read_bytes())
        change(document["images"][0])
        path.write_bytes(image_index.to_bytes(document))


def images(done: Finished) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(done.outputs["images"])
    return found


def families(release: Release) -> set[str]:
    images = release.action.emulator.state()["images"]
    return {image["family"] for image in images if image.get("family") and image.get("sourceImageId")}


OUTPUTS = ("index_path", "index_digest", "bundle_path", "attestation_path")


def verify(done: Finished, tmp_path: Path, *policy: str) -> tuple[int, str]:
    """What `verify` says of a run's outputs, offline."""
    if not policy:
        (tmp_path / "key.pub").write_bytes(world.public_key(KEY))
        policy = ("--key", str(tmp_path / "key.pub"))
    files = {"--index": "index_path", "--bundle": "bundle_path", "--attestation": "attestation_path"}
    argv = [part for option, output in files.items() for part in (option, done.outputs[output])]
    stdout = io.StringIO()
    return main(["verify", "--offline-only", *argv, *policy], {}, stdout), stdout.getvalue()
