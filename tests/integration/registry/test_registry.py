"""`registry` against the emulator: what it makes, repairs and leaves alone, and how failures end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from testkit.registry.mirroring import (
    CALLS,
    CONFIG,
    CREATE,
    PATCH,
    SET,
    SHORT,
    SPELLINGS,
    Registry,
    states,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(scenario={"repository_seconds": 0}) as emulator:
        yield emulator
        emulator.assert_faults_used()


@pytest.fixture
def registry(emulator: Running, tmp_path: Path) -> Registry:
    return Registry(emulator, tmp_path)


def test_001_6_and_7_each_location_has_one_remote_repository_with_the_same_policies(registry: Registry) -> None:
    assert registry("ensure", **SHORT).exit_code == 0
    made = {each["name"]: each for each in registry.emulator.state()["repositories"]}
    assert sorted(made) == [f"projects/p1/locations/{place}/repositories/ghcr-mirror" for place in ("europe", "us")]
    for each in made.values():
        assert (each["format"], each["mode"]) == ("DOCKER", "REMOTE_REPOSITORY")
        assert each["remoteRepositoryConfig"] == {"commonRepository": {"uri": "https://ghcr.io"}}
        assert each["description"] == "Pull-through mirror of ghcr.io"
        assert each["cleanupPolicyDryRun"] is False
        assert {name: policy["action"] for name, policy in each["cleanupPolicies"].items()} == {
            "delete-older-than-30d": "DELETE",
            "keep-latest": "KEEP",
        }
    assert {each["name"] for each in made.values()} == set(made)


def test_everything_is_made_once_and_recorded(registry: Registry) -> None:
    config = registry.write(CONFIG)
    first = registry("ensure", config=config)
    assert (first.exit_code, first.result) == (0, "complete")
    assert set(states(first).values()) == {"created"}
    assert len(states(first)) == 4
    count = registry.mutations()
    assert count == 8
    second = registry("ensure", config=config)
    assert set(states(second).values()) == {"correct"}
    assert registry.mutations() == count
    assert set(states(registry("check", config=config)).values()) == {"correct"}
    record = json.loads(Path(second.outputs["mirrors_path"]).read_text("utf-8"))
    assert [row["uri"] for row in record["mirrors"]] == [
        "asia-south1-docker.pkg.dev/p1/hub",
        "us-docker.pkg.dev/p1/hub",
        "europe-docker.pkg.dev/p1/ghcr-mirror",
        "us-docker.pkg.dev/p1/ghcr-mirror",
    ]
    assert record["zones"] == {"asia": "us", "me": "error"}
    assert len(record["mirrors"][0]["readers"]) == 2
    hub = next(each for each in registry.emulator.state()["repositories"] if "/us/repositories/hub" in each["name"])
    assert hub["remoteRepositoryConfig"] == {"dockerRepository": {"publicRepository": "DOCKER_HUB"}}
    assert hub["policy"]["bindings"][0]["role"] == "roles/artifactregistry.reader"


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("dry_run", [{}, {"cleanupPolicyDryRun": False}], ids=["", "said"])
def test_what_gcloud_made_is_adopted_without_a_change(
    registry: Registry, spelling: str, dry_run: dict[str, Any]
) -> None:
    registry.make("ghcr-mirror", remoteRepositoryConfig=SPELLINGS[spelling], description="By hand", **dry_run)
    done = registry("ensure", project_id="p1", registry_locations="us")
    assert states(done) == {("ghcr.io", "us"): "correct"}
    assert registry.mutations() == 1


OWN = """\
project: p1
locations: [europe, asia]
mirrors:
  projects/p1/locations/us/repositories/images: {repository: images-mirror}
readers: ["group:nodes@example.com"]
"""


def test_a_repository_of_artifact_registry_is_mirrored_by_its_name(registry: Registry, tmp_path: Path) -> None:
    config = registry.write(OWN)
    done = registry("ensure", config=config)
    assert (done.exit_code, set(states(done).values())) == (0, {"created"})
    for each in registry.emulator.state()["repositories"]:
        upstream = {"uri": "projects/p1/locations/us/repositories/images"}
        assert each["remoteRepositoryConfig"] == {"commonRepository": upstream}
    count = registry.mutations()
    again = registry("ensure", config=config)
    assert (set(states(again).values()), registry.mutations()) == ({"correct"}, count)
    record = tmp_path / "record.json"
    record.write_text(Path(again.outputs["mirrors_path"]).read_text("utf-8"), encoding="utf-8")
    image = "us-docker.pkg.dev/p1/images/app:v1"
    used = registry("rewrite", mirrors=str(record), zone="europe-west4-a", images=image)
    assert used.outputs["resolved_image"] == "europe-docker.pkg.dev/p1/images-mirror/app:v1"
    for wrong, says in (
        ("locations/eu/", "its project or its location is malformed"),
        ("projects/P!/", "its project or its location is malformed"),
    ):
        part = "projects/p1/" if wrong.startswith("projects") else "locations/us/"
        done = registry("ensure", config=registry.write(OWN.replace(part, wrong)))
        assert (done.exit_code, says in done.log) == (2, True)
    done = registry("ensure", config=registry.write(OWN.replace("images-mirror", "images")))
    assert "has the name of a mirror of this file; mirror what is behind it" in done.log


def test_drift_is_repaired_with_the_least_mask_and_the_rest_is_left(registry: Registry) -> None:
    registry.make("ghcr-mirror", remoteRepositoryConfig=SPELLINGS["common"], labels={"other": "1"}, description="old")
    config = registry.write(CONFIG.replace("locations: [us, europe]", "locations: [us]").split("  docker.io")[0] + "")
    checked = registry("check", config=config)
    assert (checked.exit_code, states(checked)) == (1, {("ghcr.io", "us"): "drifted"})
    assert "description: is 'old', wanted 'Packages of ours'" in checked.outputs["mirrors"]
    assert registry.mutations() == 1
    done = registry("ensure", config=config)
    assert states(done) == {("ghcr.io", "us"): "repaired"}
    (sent,) = [entry for entry in registry.emulator.journal() if entry["method"] == PATCH]
    credentials = "remoteRepositoryConfig.upstreamCredentials.usernamePasswordCredentials"
    mask = f"description,labels,{credentials}.username,{credentials}.passwordSecretVersion"
    assert sent["query"]["updateMask"] == mask
    (now,) = registry.emulator.state()["repositories"]
    assert now["labels"] == {"other": "1", "team": "infra"}
    assert now["remoteRepositoryConfig"]["commonRepository"] == {"uri": "https://ghcr.io"}


@pytest.mark.parametrize(
    "fields",
    [
        {"remoteRepositoryConfig": {"commonRepository": {"uri": "https://ghcr.io.evil.example"}}},
        {"mode": "STANDARD_REPOSITORY"},
        {"mode": "VIRTUAL_REPOSITORY"},
        {"format": "MAVEN", "remoteRepositoryConfig": SPELLINGS["common"]},
    ],
)
def test_another_repository_of_that_name_is_left_alone_and_never_used(
    registry: Registry, fields: dict[str, Any]
) -> None:
    registry.make("ghcr-mirror", **fields)
    before = registry.emulator.state()["repositories"]
    done = registry("ensure", **SHORT)
    assert (done.exit_code, states(done)) == (1, {("ghcr.io", "us"): "conflict", ("ghcr.io", "europe"): "created"})
    assert [each for each in registry.emulator.state()["repositories"] if "/us/" in each["name"]] == before
    record = registry.action.folder / "record.json"
    record.write_text(Path(done.outputs["mirrors_path"]).read_text("utf-8"), encoding="utf-8")
    refused = registry("rewrite", mirrors=str(record), zone="us-central1-a", images="ghcr.io/o/a:v1")
    assert (refused.exit_code, refused.outputs["images"]) == (1, "[]")
    assert "prefix us has no mirror of ghcr.io (provisioned: europe)" in refused.log


def test_001_9_what_is_missing_is_told_and_check_changes_nothing(registry: Registry) -> None:
    registry.make("ghcr-mirror", remoteRepositoryConfig=SPELLINGS["common"])
    done = registry("check", **SHORT)
    assert (done.exit_code, states(done)) == (1, {("ghcr.io", "us"): "correct", ("ghcr.io", "europe"): "missing"})
    assert "europe-docker.pkg.dev/p1/ghcr-mirror doesn't exist. Run `registry ensure`" in done.log
    assert registry.mutations() == 1
    record = json.loads(Path(done.outputs["mirrors_path"]).read_text("utf-8"))
    assert [row["location"] for row in record["mirrors"]] == ["us"]


def test_001_8_hosts_are_named_for_the_credential_helper(registry: Registry) -> None:
    images = (
        "us-docker.pkg.dev/p/m/a ghcr.io/us-docker.pkg.dev/x us-docker.pkg.dev/p/m/b europe-west4-docker.pkg.dev/p/m/c"
    )
    done = registry("hosts", images=f"{images} evil.example/us-docker.pkg.dev/x us-docker.pkg.dev.evil.example/a")
    assert done.outputs["registry_hosts"] == "us-docker.pkg.dev,europe-west4-docker.pkg.dev"


def test_policies_are_shown_then_set(registry: Registry) -> None:
    registry("ensure", **SHORT)
    count = registry.mutations()
    file = registry.write(
        '[{"name": "drop", "action": {"type": "Delete"}, "condition": {"olderThan": "7d"}}]', "policy.json"
    )
    shown = registry("policies", cleanup_policy_file=file, **SHORT)
    assert (shown.exit_code, set(states(shown).values()), registry.mutations()) == (1, {"drifted"}, count)
    done = registry("policies", cleanup_policy_file=file, apply="true", **SHORT)
    assert (done.exit_code, set(states(done).values()), registry.mutations()) == (0, {"repaired"}, count + 2)
    for each in registry.emulator.state()["repositories"]:
        assert each["cleanupPolicies"]["drop"]["condition"] == {"olderThan": "604800s"}


def test_policies_that_delete_nothing_are_a_warning(registry: Registry) -> None:
    keep = '[{"name": "keep", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": 3}}]'
    done = registry("ensure", cleanup_policy_file=registry.write(keep, "policy.json"), **SHORT)
    assert done.exit_code == 0
    (warned,) = [message for level, _, message in done.annotations if level == "warning"]
    assert warned == "The cleanup policies keep versions and delete none, so nothing is ever deleted."


def test_the_wrong_configuration_is_told_whole_before_any_call(registry: Registry) -> None:
    text = CONFIG.replace("europe]", "eu]").replace("team: infra", "Team: x").replace("asia: us", "asia: mars")
    done = registry("ensure", config=registry.write(text.replace("username: bot, ", "")))
    assert done.exit_code == 2
    for said in ("line 2: locations.1: 'eu' isn't a location of Artifact Registry: Artifact Registry says europe", "'Team'",
                 "line 11", "username' is missing"):  # fmt: skip
        assert said in done.log
    assert registry.emulator.journal() == []


MISTAKES = {
    "no location": ("locations: [us, europe]", "locations: []", "line 2: locations: must not be empty, found a list"),
    "no list": ("locations: [us, europe]", "locations: us", "line 2: locations: must be a list, found 'us'"),
    "a location twice": ("[us, europe]", "[us, us]", "line 2: locations: 'us' is named twice"),
    "a mirror's location twice": ("[us, asia-south1]", "[us, us]", "mirrors.docker.io.locations: 'us' is named twice"),
    "one location is wrong, and no other": ("[us, europe]", "[mars]", "locations.0: 'mars' isn't a location"),
    "an upstream in two spellings": (
        "  docker.io:", "  index.docker.io: {repository: b}\n  docker.io:",
        "mirrors: 'docker.io' and 'index.docker.io' are one upstream; name it once",
    ),
    "one repository of two": ("repository: hub", "repository: ghcr-mirror", "'ghcr-mirror' is the repository of two upstreams"),
    "eu as zones": ("asia: us", "eu: us", "zones.eu: 'eu' isn't the prefix of zones, or a region: the zones of Europe begin with europe"),
    "a zone as zones": ("asia: us", "us-central1-a: us", "that is a zone; write its region, 'us-central1'"),
    "capitals": ("asia: us", "Asia: us", "zones.Asia: 'Asia' isn't the prefix of zones, or a region: write 'asia'"),
    "a token for a secret": (
        "projects/p1/secrets/ghcr/versions/3", "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "what looks like a key or token (40 characters) isn't a valid secret",
    ),
    "a mirror of Artifact Registry": ("ghcr.io:", "us-docker.pkg.dev:", "is a registry of Google's: mirror one of its repositories"),
    "an address": ("ghcr.io:", "https://ghcr.io:", "'https://ghcr.io' isn't the host of a registry, such as ghcr.io"),
    "a key twice": ("zones:", "project: p2\nzones:", "'project' is given twice, first in line 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_in_the_file_is_told_in_plain_words(registry: Registry, name: str) -> None:
    before, after, says = MISTAKES[name]
    assert before in CONFIG
    done = registry("ensure", config=registry.write(CONFIG.replace(before, after)))
    assert (done.exit_code, registry.emulator.journal()) == (2, [])
    assert says in done.log
    assert "validation" not in done.log
    assert "ghp_" not in done.log


def test_what_can_not_be_written_is_the_output_s_problem(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for form in ("text", "hosts"):
        path = str(tmp_path / "file" / "x")
        done = registry("rewrite", zone="us-east1-b", images="ghcr.io/a", format=form, output=path, **SHORT)
        assert done.exit_code == 2
        assert "Input output" in done.log


FAILURES: dict[str, tuple[list[dict[str, Any]], int, str, str]] = {
    "one location is forbidden by policy": (
        [{"method": CREATE, "match": "/europe/", "action": {"kind": "http", "code": 400, "reason": "failedPrecondition",
          "message": "Constraint constraints/gcp.resourceLocations violated"}}],
        1, "org_policy", "Take the location out",
    ),
    "the API is off": (
        [{"times": None, "action": {"kind": "http", "code": 403, "reason": "accessNotConfigured"}}],
        3, "api_disabled", "gcloud services enable artifactregistry.googleapis.com --project p1",
    ),
    "nobody answers": (
        [{"times": None, "action": {"kind": "http", "code": 503, "reason": "backendError"}}],
        4, "unreachable", "Check the network",
    ),
    "the operation fails": (
        [{"method": CREATE, "match": "/us/", "action": {"kind": "operation", "code": "FAILED_PRECONDITION",
          "message": "The upstream https://ghcr.io could not be reached", "leaves": "nothing"}}],
        1, "upstream_invalid", "Check the host of the upstream",
    ),
    "the operation never ends": (
        [{"method": CREATE, "match": "/us/", "action": {"kind": "operation", "state": "stuck"}}],
        1, "deadline", "Run this again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_is_told_and_stops_no_other(registry: Registry, name: str) -> None:
    faults, code, reason, says = FAILURES[name]
    registry.emulator.faults(faults)
    done = registry("ensure", **SHORT)
    rows = {row["location"]: row for row in json.loads(done.outputs["mirrors"])}
    wrong = [row for row in rows.values() if row["reason"]]
    assert (done.exit_code, {row["reason"] for row in wrong}) == (code, {reason})
    assert all(says in row["message"] for row in wrong)
    if "times" not in faults[0]:
        assert sorted(row["state"] for row in rows.values()) == ["created", "failed"]


HEALED: list[dict[str, Any]] = [
    {"kind": "http", "code": 503, "reason": "backendError"},
    {"kind": "http", "code": 503, "reason": "backendError", "when": "after"},
    {"kind": "http", "code": 429, "reason": "rateLimitExceeded"},
    {"kind": "http", "code": 403, "reason": "rateLimitExceeded"},
    {"kind": "drop", "how": "reset"},
    {"kind": "drop", "when": "after", "how": "close"},
    {"kind": "drop", "when": "during", "how": "close"},
    {"kind": "body", "status": 502, "text": "<html>"},
    {"kind": "body", "status": 200, "text": "<html>"},
]


@pytest.mark.parametrize("action", HEALED, ids=lambda each: "-".join(str(value) for value in each.values()))
def test_every_call_heals(registry: Registry, action: dict[str, Any], record_property: Any) -> None:
    config = registry.write(CONFIG)
    # With other labels and policies, so that it has to be patched.
    registry.make("ghcr-mirror", remoteRepositoryConfig=SPELLINGS["common"], cleanupPolicies={})
    registry.emulator.faults([{"method": method, "action": action} for method in CALLS])
    done = registry("ensure", config=config)
    assert done.exit_code == 0, done.log
    assert set(states(registry("check", config=config)).values()) == {"correct"}
    record_property("counted", ("faults of Artifact Registry's calls", len(CALLS)))


def test_a_policy_changed_by_others_meanwhile_is_read_again(registry: Registry) -> None:
    stale = {"kind": "http", "code": 409, "reason": "aborted", "message": "concurrent policy changes"}
    registry.emulator.faults([{"method": SET, "times": 2, "action": stale}])
    assert registry("ensure", config=registry.write(CONFIG)).exit_code == 0
    assert all(len(each["policy"]["bindings"][0]["members"]) == 2 for each in registry.emulator.state()["repositories"])


def test_check_of_what_can_t_be_read_is_exit_4(registry: Registry) -> None:
    registry.emulator.faults([{"times": None, "action": {"kind": "http", "code": 503, "reason": "backendError"}}])
    done = registry("check", **SHORT)
    assert (done.exit_code, set(states(done).values())) == (4, {"unreachable"})


def test_rewrite_through_the_action_asks_nobody(registry: Registry) -> None:
    done = registry("rewrite", zone="europe-west4-a", images="ghcr.io/o/a:v1, ubuntu", **SHORT)
    assert json.loads(done.outputs["images"]) == ["europe-docker.pkg.dev/p1/ghcr-mirror/o/a:v1", "ubuntu"]
    assert (done.outputs["registry_hosts"], done.outputs["resolved_image"]) == ("europe-docker.pkg.dev", "")
    one = registry("rewrite", zone="us-east1-b", images="ghcr.io/o/a@sha256:" + "ab" * 32, **SHORT)
    assert one.outputs["resolved_image"] == f"us-docker.pkg.dev/p1/ghcr-mirror/o/a@sha256:{'ab' * 32}"
    assert registry.emulator.journal() == []


def test_hostile_text_starts_no_command(registry: Registry) -> None:
    done = registry("rewrite", zone="us-east1-b", images="ghcr.io/a::error::b ghcr.io/%0A::set-output x", **SHORT)
    assert done.exit_code == 2
    assert not [line for line in done.log.splitlines() if line.startswith("::set-output")]
    message = "::error::owned\n::add-mask::x"
    registry.emulator.faults([{"times": 2, "action": {"kind": "http", "code": 418, "reason": "x", "message": message}}])
    done = registry("ensure", **SHORT)
    assert done.exit_code == 1
    assert not [line for line in done.log.splitlines() if line.startswith(("::error::owned", "::add-mask"))]
