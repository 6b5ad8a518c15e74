from __future__ import annotations

import json
import shlex
import tomllib

import yaml

from replicator.commands.registry import formats
from replicator.commands.registry.mirrors import Mirror, Mirrors
from replicator.commands.registry.rewrite import rewrite

GHCR = Mirror("ghcr.io", "us", "acme", "ghcr-mirror")
HUB = Mirror("docker.io", "europe", "example.com:acme", "hub")
KNOWN = Mirrors("acme", (GHCR, Mirror("docker.io", "us", "acme", "hub")))
SERVING = {"ghcr.io": GHCR, "docker.io": HUB}
DONE = [
    rewrite(text, "us-central1-a", KNOWN)
    for text in ("ghcr.io/o/app:v1", "ubuntu", "quay.io/a/b:v2", "ghcr.io/o/app:v2")
]


def test_text_keeps_the_order() -> None:
    assert formats.text(DONE).splitlines() == [
        "us-docker.pkg.dev/acme/ghcr-mirror/o/app:v1",
        "us-docker.pkg.dev/acme/hub/library/ubuntu",
        "quay.io/a/b:v2",
        "us-docker.pkg.dev/acme/ghcr-mirror/o/app:v2",
    ]


def test_json_says_why() -> None:
    rows = json.loads(formats.as_json(DONE, "us-central1-a"))["images"]
    assert [(row["reference"], row["location"]) for row in rows][2] == ("quay.io/a/b:v2", "")
    assert rows[2]["why"] == "quay.io has no mirror"
    assert rows[0]["host"] == "us-docker.pkg.dev"


def test_env_sets_variables_in_a_shell() -> None:
    one, four = "us-docker.pkg.dev/acme/ghcr-mirror/o/app:v1", "us-docker.pkg.dev/acme/ghcr-mirror/o/app:v2"
    found = dict(word.split("=", 1) for word in shlex.split(formats.env(DONE)))
    assert (found["IMAGE_1"], found["IMAGE_4"], len(found)) == (one, four, 4)
    assert shlex.split(formats.env(DONE[:1])) == [f"IMAGE={one}"]


def test_kustomize_names_each_image_once_and_only_what_moves() -> None:
    assert yaml.safe_load(formats.kustomize(DONE)) == {
        "images": [
            {"name": "ghcr.io/o/app", "newName": "us-docker.pkg.dev/acme/ghcr-mirror/o/app"},
            {"name": "ubuntu", "newName": "us-docker.pkg.dev/acme/hub/library/ubuntu"},
        ]
    }
    assert yaml.safe_load(formats.kustomize([])) == {"images": []}


def test_hosts_are_read_by_toml() -> None:
    files = formats.hosts(SERVING)
    assert list(files) == ["docker.io/hosts.toml", "ghcr.io/hosts.toml"]
    hub = tomllib.loads(files["docker.io/hosts.toml"])
    assert hub["server"] == "https://registry-1.docker.io"
    assert hub["host"] == {
        "https://europe-docker.pkg.dev/v2/example.com/acme/hub": {
            "capabilities": ["pull", "resolve"],
            "override_path": True,
        }
    }
    assert "allUsers" in files["ghcr.io/hosts.toml"]


def test_k3s_leads_to_the_host_and_rewrites_the_path() -> None:
    found = yaml.safe_load(formats.k3s(SERVING))["mirrors"]
    assert found["ghcr.io"] == {"endpoint": ["https://us-docker.pkg.dev"], "rewrite": {"^(.*)$": "acme/ghcr-mirror/$1"}}
    assert set(found) == {"ghcr.io", "docker.io"}
    assert yaml.safe_load(formats.k3s({})) == {"mirrors": {}}


def test_a_repository_of_artifact_registry_is_named_where_a_path_can_be() -> None:
    upstream = "projects/acme/locations/us/repositories/images"
    serving = {upstream: Mirror(upstream, "europe", "acme", "images-mirror"), "ghcr.io": GHCR}
    assert list(formats.hosts(serving)) == ["ghcr.io/hosts.toml"]
    assert list(yaml.safe_load(formats.k3s(serving))["mirrors"]) == ["ghcr.io"]
    rows = tomllib.loads(formats.registries_conf(serving))["registry"]
    assert {row["prefix"]: row["mirror"][0]["location"] for row in rows} == {
        "ghcr.io": "us-docker.pkg.dev/acme/ghcr-mirror",
        "us-docker.pkg.dev/acme/images": "europe-docker.pkg.dev/acme/images-mirror",
    }


def test_registries_conf_is_read_by_toml() -> None:
    rows = tomllib.loads(formats.registries_conf(SERVING))["registry"]
    assert [(row["prefix"], row["mirror"][0]["location"]) for row in rows] == [
        ("docker.io", "europe-docker.pkg.dev/example.com/acme/hub"),
        ("ghcr.io", "us-docker.pkg.dev/acme/ghcr-mirror"),
    ]
    assert formats.registries_conf({}) == ""
