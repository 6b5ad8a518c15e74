"""Images pulled by crane through real mirrors, at the references that `registry rewrite` prints."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from testkit.registry.pull_through import crane, manifest_digest, push
from testkit.registry.world import UPSTREAMS, pulling

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.registry.world import World

ZONES = {"us-central1-a": "us", "europe-west4-b": "europe"}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("image", ["org/app:v1", "org/app@{single}", "org/app:v9@{single}", "org/multi:v1"])
def test_what_is_pulled_is_what_was_pushed(world: World, zone: str, image: str) -> None:
    """001.1 and 001.5: pushed once, to the upstream; by tag, by digest, by both; one architecture or an index."""
    reference = world.rewritten(f"ghcr.io/{image.format(single=world.single)}", zone)
    assert reference.startswith(f"{ZONES[zone]}-docker.pkg.dev/p1/ghcr-mirror/org/")
    wanted = world.several if "multi" in image else world.single
    assert world.crane("digest", reference) == wanted
    manifest = world.crane("manifest", reference)
    assert wanted in {manifest_digest(manifest), manifest_digest(manifest + "\n")}
    assert ("manifests" in json.loads(manifest)) == ("multi" in image)


def test_all_of_an_image_comes_through_the_mirror(world: World, tmp_path: Path) -> None:
    """001.9: the first pull is a miss, which fetches; the second is served without the upstream."""
    push(world.upstream, "org/new:v1", tmp_path / "new")
    reference = world.rewritten("ghcr.io/org/new:v1", "us-east1-b")
    before = len(world.network.asked)
    world.crane("pull", reference, str(tmp_path / "image.tar"))
    assert {each.host for each in world.network.asked[before:]} == {"us-docker.pkg.dev"}
    with tarfile.open(tmp_path / "image.tar") as image:
        (layer,) = [name for name in image.getnames() if name.endswith(".tar.gz")]
        content = image.extractfile(layer)
        assert content
        with tarfile.open(fileobj=content, mode="r:gz") as inside:
            text = inside.extractfile("amd64.txt")
            assert text
            assert text.read() == b"org/new:v1 for amd64\n"


def test_docker_hub_s_one_word_names(world: World) -> None:
    reference = world.rewritten("ubuntu:22.04", "us-west1-c")
    assert reference == "us-docker.pkg.dev/p1/hub-mirror/library/ubuntu:22.04"
    assert world.crane("digest", reference) == world.single


def test_a_location_without_mirrors_is_an_error_before_any_request(world: World) -> None:
    """001.3, and what happens to those who don't heed it."""
    before = len(world.network.asked)
    done = world.registry("rewrite", config=world.config, zone="asia-east1-a", images="ghcr.io/org/app:v1")
    assert (done.exit_code, done.outputs["images"], len(world.network.asked)) == (1, "[]", before)
    assert "asia has no mirror of ghcr.io (provisioned: europe, us)" in done.log
    world.crane("digest", "asia-docker.pkg.dev/p1/ghcr-mirror/org/app:v1", fails="NAME_UNKNOWN")


def test_what_the_upstream_lacks_the_mirror_lacks(world: World) -> None:
    world.crane("digest", world.rewritten("ghcr.io/org/app:none", "us-east1-b"), fails="MANIFEST_UNKNOWN")


def test_check_asks_mirrors_and_upstreams_as_crane_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upstreams have their own names here, for as long as this test takes."""
    for name, value in world.network.env.items():
        monkeypatch.setenv(name, value)
    for host in UPSTREAMS:
        monkeypatch.setitem(world.network.sites, host, world.upstream.site)
    signature = f"{world.several.replace(':', '-')}.sig"
    crane("tag", f"127.0.0.1:{world.upstream.port}/org/multi:v1", signature)
    done = world.registry("check", config=world.config, pull="ghcr.io/org/multi:v1 ubuntu:22.04")
    rows = {row["image"]: row for row in json.loads(done.outputs["pulls"])}
    assert (done.exit_code, len(rows)) == (0, 4), done.log
    for image, row in rows.items():
        wanted = world.several if "multi" in image else world.single
        found = row["state"], row["digest"], row["upstream_digest"], row["lacks"]
        assert found == ("same", wanted, wanted, [])
    # The signature was looked for, and came through the mirror.
    assert any(path.endswith(f"/manifests/{signature}") for path in world.network.paths("us-docker.pkg.dev"))
    none = world.registry("check", config=world.config, pull="ghcr.io/org/none:v1")
    assert (none.exit_code, {row["state"] for row in json.loads(none.outputs["pulls"])}) == (1, {"not_upstream"})


def test_what_was_fetched_is_served_after_the_upstream_is_gone(world: World, tmp_path: Path) -> None:
    """In a world of its own, whose upstream ends: that of the module (which skips where nothing is built) goes on."""
    assert world.upstream.process.poll() is None
    with pulling(tmp_path) as own:
        reference = own.rewritten("ghcr.io/org/multi:v1", "europe-west1-b")
        assert own.crane("digest", reference) == own.several
        own.upstream.stop()
        assert own.crane("digest", reference) == own.several
        assert own.crane("digest", f"{reference.rpartition(':')[0]}@{own.several}") == own.several
        own.crane("digest", own.rewritten("ghcr.io/org/never:v1", "europe-west1-b"), fails="MANIFEST_UNKNOWN")
