"""The files that `registry rewrite` prints, read by those whose files they are: containerd, k3s, Podman and its kin, Skopeo.

Each asks for the name at the upstream, which is no site here: what comes, comes through the mirror that the file names.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from testkit.registry.pull_through import PULL, missing, program

if TYPE_CHECKING:
    from testkit.registry.world import World

ZONES = {"us-central1-a": "us-docker.pkg.dev", "europe-west4-b": "europe-docker.pkg.dev"}
#: Who reads → the format. Of an index k3s takes the machine's own image, so it is asked for the single one.
READERS = {"containerd": "hosts", "k3s": "k3s", "podman": "registries.conf"}


@pytest.mark.skipif(bool(missing(PULL)), reason=missing(PULL))
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("image", ["org/app:v1", "org/app@{single}", "org/multi:v1"])
def test_each_finds_the_image_through_the_mirror(world: World, zone: str, reader: str, image: str) -> None:
    if reader == "k3s" and "multi" in image:
        index = json.loads(world.crane("manifest", world.rewritten(f"ghcr.io/{image}", zone)))
        wanted = index["manifests"][0]["digest"]
    else:
        wanted = world.several if "multi" in image else world.single
    before = len(world.network.asked)
    reference = f"ghcr.io/{image.format(single=world.single)}"
    said = program(str(PULL), reader, str(world.written(READERS[reader], zone)), reference, env=world.env)
    assert said == wanted
    asked = world.network.asked[before:]
    assert {each.host for each in asked} == {ZONES[zone]}
    # containerd's and k3s' code add `?ns=ghcr.io`.
    paths = {each.path.partition("?")[0] for each in asked} - {"/v2/"}
    assert paths
    assert all(path.startswith("/v2/p1/ghcr-mirror/org/") for path in paths)


@pytest.mark.skipif(bool(missing(PULL)), reason=missing(PULL))
@pytest.mark.parametrize("reader", READERS)
def test_docker_hub_is_found_by_its_short_names(world: World, reader: str) -> None:
    reference = "docker.io/library/ubuntu:22.04"
    file = str(world.written(READERS[reader], "us-west1-c"))
    assert program(str(PULL), reader, file, reference, env=world.env) == world.single
    # Nothing serves South America, and the file names no mirror: the upstream itself is asked, which is no site here.
    nowhere = str(world.written(READERS[reader], "southamerica-east1-a"))
    refused = len(world.network.refused)
    program(str(PULL), reader, nowhere, reference, env=world.env, fails="docker.io")
    assert set(world.network.refused[refused:]) <= {"registry-1.docker.io", "index.docker.io"}
    assert len(world.network.refused) > refused


@pytest.mark.skipif(bool(missing(PULL)), reason=missing(PULL))
def test_podman_finds_a_repository_of_artifact_registry_by_its_path(world: World) -> None:
    upstream = "projects/p1/locations/asia/repositories/images"
    config = world.registry.write(
        f"project: p1\nlocations: [us]\nmirrors: {{{upstream}: {{repository: images-mirror}}}}\nreaders: [allUsers]\n",
        "own.yaml",
    )
    assert world.registry("ensure", config=config).exit_code == 0
    front = world.fronts["us"]
    front.mirrors[upstream] = front.mirrors["ghcr.io"]
    conf = str(world.folder / "own.conf")
    given = {"config": config, "zone": "us-central1-a", "format": "registries.conf", "output": conf}
    assert world.registry("rewrite", **given).exit_code == 0
    before = len(world.network.asked)
    said = program(str(PULL), "podman", conf, "asia-docker.pkg.dev/p1/images/org/app:v1", env=world.env)
    assert said == world.single
    assert {each.host for each in world.network.asked[before:]} == {"us-docker.pkg.dev"}


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed: apt-get install skopeo")
@pytest.mark.parametrize("zone", ZONES)
def test_skopeo_itself(world: World, zone: str) -> None:
    """Its option must be given: Skopeo 1.9 doesn't heed CONTAINERS_REGISTRIES_CONF."""
    before = len(world.network.asked)
    conf = str(world.written("registries.conf", zone))
    shown = program(
        "skopeo", "--registries-conf", conf, "inspect", "--raw", "docker://ghcr.io/org/multi:v1", env=world.env
    )
    assert len(json.loads(shown)["manifests"]) == 2
    assert {each.host for each in world.network.asked[before:]} == {ZONES[zone]}
