"""The table of requirements 001, row by row, with the default configuration: a project, and the locations us, europe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.commands.registry import config, mirrors, policies
from replicator.commands.registry.config import Registry
from replicator.commands.registry.rewrite import NoMirror, rewrite

if TYPE_CHECKING:
    from replicator.commands.registry.mirrors import Mirrors

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
ZONES = {"us-central1-a": "us", "us-east7-b": "us", "europe-west4-a": "europe", "europe-west15-c": "europe"}


@pytest.fixture
def known() -> Mirrors:
    return Registry.model_validate(config.short("acme", ("us", "europe"), "ghcr.io")).declared()


def test_001_1_one_upstream_has_the_images(known: Mirrors) -> None:
    assert known.upstreams == ["ghcr.io"]


@pytest.mark.parametrize(("zone", "location"), ZONES.items())
def test_001_2_us_and_europe_have_their_hosts(known: Mirrors, zone: str, location: str) -> None:
    assert rewrite("ghcr.io/org/app:v1", zone, known).text == f"{location}-docker.pkg.dev/acme/ghcr-mirror/org/app:v1"


@pytest.mark.parametrize("zone", ["asia-east1-a", "asia-southeast3-b", "me-west1-a", "me-central2-c"])
def test_001_3_asia_and_me_are_errors(known: Mirrors, zone: str) -> None:
    with pytest.raises(NoMirror) as caught:
        rewrite("ghcr.io/org/app", zone, known)
    prefix = zone.partition("-")[0]
    for said in (zone, f"prefix {prefix} ", "ghcr.io", "(provisioned: europe, us)", f"zones: {{{prefix}: us}}"):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    "zone", ["southamerica-east1-a", "northamerica-south1-b", "africa-south1-a", "mars-red1-a", "none", ""]
)
def test_001_4_others_pull_from_the_upstream(known: Mirrors, zone: str) -> None:
    done = rewrite("ghcr.io/org/app:v1", zone, known)
    assert (done.text, done.mirror) == ("ghcr.io/org/app:v1", None)
    assert done.why


@pytest.mark.parametrize(
    "reference",
    [
        "ubuntu:22.04",
        "gcr.io/google/pause",
        "eu.gcr.io/p/ghcr.io/app",
        "quay.io/org/app:ghcr.io",
        "evil.ghcr.io/org/app",
        "ghcr.io.evil.example/org/app",
        "ghcr.io:8443/org/app",
        "localhost:5000/ghcr.io/app",
        "org/ghcr.io",
        "us-docker.pkg.dev/acme/ghcr-mirror/org/app:v1",
    ],
)
def test_001_5_only_the_whole_host_is_rewritten(known: Mirrors, reference: str) -> None:
    assert rewrite(reference, "us-central1-a", known).text == reference


@pytest.mark.parametrize("suffix", ["", ":v1.2", f"@{DIGEST}", f":latest@{DIGEST}"])
def test_001_5_path_tag_and_digest_stay(known: Mirrors, suffix: str) -> None:
    done = rewrite(f"ghcr.io/org/a__b/c-d.e{suffix}", "europe-west1-b", known)
    assert done.text == f"europe-docker.pkg.dev/acme/ghcr-mirror/org/a__b/c-d.e{suffix}"


def test_001_7_the_usual_policies_are_those_of_gcloud_s_file() -> None:
    assert policies.parse(policies.DEFAULT) == {
        "delete-older-than-30d": {
            "id": "delete-older-than-30d",
            "action": "DELETE",
            "condition": {"tagState": "ANY", "olderThan": "2592000s"},
        },
        "keep-latest": {"id": "keep-latest", "action": "KEEP", "mostRecentVersions": {"keepCount": 16}},
    }


def test_the_usual_name_of_a_mirror() -> None:
    found = {
        each: config.repository_name(each) for each in ("ghcr.io", "docker.io", "registry.k8s.io", "10.0.0.1:5000")
    }
    assert found["ghcr.io"] == "ghcr-mirror"
    assert found["registry.k8s.io"] == "registry-k8s-mirror"
    assert all(map(mirrors.is_repository, found.values()))
