from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.commands.registry import references
from replicator.commands.registry.config import Registry
from replicator.commands.registry.references import BadReference
from replicator.commands.registry.rewrite import BadZone, NoMirror, rewrite
from replicator.core import locations

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.commands.registry.mirrors import Mirrors

DIGEST = f"sha256:{'ab01' * 16}"
#: A spelling of an upstream → its repository and what Docker puts before the path.
UPSTREAMS = {
    "ghcr.io/": ("ghcr-mirror", ""),
    "docker.io/": ("hub", "library/"),
    "index.docker.io/": ("hub", "library/"),
    "": ("hub", "library/"),
    "registry.k8s.io/": ("k8s", ""),
}
SUFFIXES = ("", ":v1", f"@{DIGEST}", f":v1@{DIGEST}")
EXPECTED = {"us": "us", "europe": "europe", "northamerica": "us", "southamerica": "", "africa": "", "australia": "asia"}


def world(**more: object) -> Mirrors:
    """Three upstreams; one has a mirror in a region, one is in us only."""
    raw = {
        "project": "example.com:acme",
        "locations": ["us", "europe"],
        "mirrors": {
            "ghcr.io": {"repository": "ghcr-mirror", "locations": ["us", "europe", "asia-south1", "asia"]},
            "docker.io": {"repository": "hub", "locations": ["us", "europe", "asia-south1", "asia"]},
            "registry.k8s.io": {"repository": "k8s", "locations": ["us", "europe", "asia-south1", "asia"]},
            "quay.io": {"repository": "quay", "locations": ["us"]},
        },
        "zones": {"northamerica": "us", "australia": "asia", "me": "error", "southamerica": "direct"},
    }
    return Registry.model_validate({**raw, **more}).declared()


def test_every_region_with_every_upstream_and_suffix(record_property: Callable[[str, object], None]) -> None:
    known, seen = world(), 0
    for region in locations.REGIONS:
        part = region.partition("-")[0]
        for spelling, (repository, library) in UPSTREAMS.items():
            for suffix in SUFFIXES:
                text = f"{spelling}app{suffix}"
                seen += 1
                if part == "me":
                    with pytest.raises(NoMirror, match="me-"):
                        rewrite(text, f"{region}-b", known)
                    continue
                place = region if region == "asia-south1" else EXPECTED.get(part, part)
                uri = f"{place}-docker.pkg.dev/example.com/acme/{repository}/{library}app{suffix}"
                assert rewrite(text, f"{region}-b", known).text == (uri if place else text)
                assert rewrite(text, region, known).text == (uri if place else text)
    record_property("counted", ("references by region, upstream and suffix", seen))
    assert seen == 43 * 5 * 4


WORD = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,5})?", fullmatch=True)
PATH = st.lists(WORD, min_size=1, max_size=4).map("/".join)
HOST = st.sampled_from(
    ["ghcr.io/", "GHCR.io/", "docker.io/", "", "quay.io/", "evil.ghcr.io/", "us-docker.pkg.dev/p/r/"]
)
TAG = st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
ZONE = st.sampled_from(["us-central1-a", "europe-west4-b", "asia-south1-c", "southamerica-east1-a", "none"])


@settings(max_examples=60, deadline=None)
@given(host=HOST, path=PATH, tag=TAG, digest=st.sampled_from(["", f"@{DIGEST}"]), zone=ZONE)
def test_parts_are_kept_and_twice_is_once(host: str, path: str, tag: str, digest: str, zone: str) -> None:
    known, text = world(), f"{host}{path}{tag}{digest}"
    try:
        done = rewrite(text, zone, known)
    except NoMirror:
        assert "quay.io" in text
        return
    assert done.text.endswith(f"{path}{tag}{digest}")
    assert rewrite(done.text, zone, known).text == done.text
    if done.mirror:
        assert done.mirror in known.mirrors
        assert done.text == f"{done.mirror.uri}/{done.image.path}{tag}{digest}"
    else:
        assert done.text == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("https://ghcr.io/a", "scheme"),
        ("ghcr.io/a b", "blanks"),
        ("ghcr.io/a\nb", "blanks"),
        ("ghcr.io/", "empty"),
        ("ghcr.io/Org/app", "lower case"),
        ("ghcr.io/a//b", "malformed"),
        ("ghcr.io/a:", "tag"),
        ("ghcr.io/a:v 1", "blanks"),
        ("ghcr.io/a:-v", "tag"),
        ("ghcr.io/a@sha256:12", "digest"),
        ("ghcr.io/a@", "digest"),
        ("ghcr.io/a:v1:v2", "tag"),
        ("-evil.example/a", "host"),
        ("ghcr.io/$(id)", "malformed"),
        ("ghcr.io/../../a", "malformed"),
        (f"ghcr.io/{'a' * 250}", "255"),
    ],
)
def test_what_is_no_reference(text: str, says: str) -> None:
    with pytest.raises(BadReference, match=re.escape(says)):
        references.parse(text)


@pytest.mark.parametrize("zone", ["us", "eu", "europe", "US-central1-a", "us-central1-a;id", "us-central1-a-b", " "])
def test_what_is_no_zone(zone: str) -> None:
    with pytest.raises(BadZone):
        rewrite("ghcr.io/org/app", zone, world())


OWN = "projects/example.com:acme/locations/us/repositories/images"


@pytest.mark.parametrize(
    ("zone", "becomes"),
    [
        ("europe-west4-a", "europe-docker.pkg.dev/example.com/acme/images-mirror/team/app:v1"),
        # There the repository is itself.
        ("us-central1-a", "us-docker.pkg.dev/example.com/acme/images/team/app:v1"),
        ("southamerica-east1-a", "us-docker.pkg.dev/example.com/acme/images/team/app:v1"),
    ],
)
def test_a_repository_of_artifact_registry_is_an_upstream_by_its_name(zone: str, becomes: str) -> None:
    known = world(mirrors={OWN: {"repository": "images-mirror", "locations": ["europe"]}})
    done = rewrite("us-docker.pkg.dev/example.com/acme/images/team/app:v1", zone, known)
    assert done.text == becomes
    assert rewrite(done.text, zone, known).text == becomes
    for other in (
        "us-docker.pkg.dev/example.com/acme/images-of-others/app:v1",
        "us-docker.pkg.dev/acme/images/app:v1",
        "europe-docker.pkg.dev/example.com/acme/images/app:v1",
        "us-docker.pkg.dev.evil.example/example.com/acme/images/app",
        "us-docker.pkg.dev/example.com/acme/images",
    ):
        assert rewrite(other, zone, known).text == other
    with pytest.raises(NoMirror, match=r"asia has no mirror of projects/example.com:acme"):
        rewrite(
            "us-docker.pkg.dev/example.com/acme/images/app",
            "asia-east1-a",
            world(mirrors={OWN: {"repository": "m", "locations": ["europe"]}}, zones={"asia": "error"}),
        )


def test_a_zone_in_capitals_is_told_how_it_is_written() -> None:
    with pytest.raises(BadZone, match="write 'us-central1-a'"):
        rewrite("ghcr.io/org/app", "US-Central1-A", world())


def test_a_region_in_zones_is_minded_before_its_multi_region() -> None:
    known = world(zones={"us-west1": "europe", "us-west2": "direct", "us-west3": "error"})
    assert rewrite("ghcr.io/a", "us-west1-a", known).text.startswith("europe-")
    assert rewrite("ghcr.io/a", "us-west2-a", known).text == "ghcr.io/a"
    assert rewrite("ghcr.io/a", "us-east1-b", known).text.startswith("us-")
    with pytest.raises(NoMirror):
        rewrite("ghcr.io/a", "us-west3-a", known)


def test_a_mapped_location_without_the_mirror_is_an_error() -> None:
    known = world(zones={"africa": "europe"})
    with pytest.raises(NoMirror, match=r"africa.*europe has no mirror of quay.io \(provisioned: us\).*Add europe "):
        rewrite("quay.io/a/b", "africa-south1-a", known)
    with pytest.raises(NoMirror, match=r"prefix europe has no mirror of quay.io"):
        rewrite("quay.io/a/b", "europe-west1-b", known)


def drawn(number: int) -> tuple[str, str, str]:
    """A reference drawn by its number: what is in front of the path, the path, tag and digest."""
    draw = random.Random(number)
    hosts = (
        "ghcr.io/",
        "GHCR.io/",
        "docker.io/",
        "index.docker.io/",
        "",
        "registry.k8s.io/",
        "evil.ghcr.io/",
        "ghcr.io:8443/",
    )
    words = ["".join(draw.choices("abcxyz019", k=draw.randint(1, 9))) for _ in range(draw.randint(1, 5))]
    joints = (draw.choice(("/", "/", "-", "__", ".", "_")) for _ in words)
    path = "".join(part for pair in zip(words, joints, strict=True) for part in pair)[:-1].rstrip("/-_.")
    host = draw.choice(hosts)
    # Docker takes a first word with a dot for a host.
    path = path if host else path.replace(".", "-")
    tag = draw.choice(("", ":v1", f":{draw.choice('A_9')}{'.-_x' * draw.randint(0, 30)}"))
    digest = draw.choice(("", f"@sha256:{draw.getrandbits(256):064x}"))
    return host, path, f"{tag}{digest}"


@pytest.mark.exhaustive
def test_ten_thousand_references_keep_their_parts_and_twice_is_once(
    record_property: Callable[[str, object], None],
) -> None:
    known = world()
    zones = ("us-central1-a", "europe-west4-b", "asia-south1-c", "asia-east1-a", "africa-south1-a", "none")
    for number in range(10_000):
        host, path, suffix = drawn(number)
        text, zone = f"{host}{path}{suffix}", zones[number % len(zones)]
        done = rewrite(text, zone, known)
        assert done.text.endswith(f"{path}{suffix}"), text
        assert rewrite(done.text, zone, known).text == done.text, text
        if zone in zones[:4] and host not in {"evil.ghcr.io/", "ghcr.io:8443/"}:
            assert done.mirror, text
            assert done.text == f"{done.mirror.uri}/{done.image.path}{suffix}"
        else:
            assert done.text == text
    record_property("counted", ("generated references rewritten twice", 10_000))


def test_ten_thousand_references_take_less_than_a_second() -> None:
    known, begun = world(), time.process_time()
    for number in range(10_000):
        rewrite(f"ghcr.io/org/app-{number}:v{number}@{DIGEST}", "europe-west4-a", known)
    assert time.process_time() - begun < 1
