"""Artifact Registry in the emulator: gcloud's recorded requests, its rules, faults, permissions and switches."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.artifact_registry.discovery import DOCUMENT
from emulator.artifact_registry.discovery.reduce import reduced
from emulator.artifact_registry.scenario import Switches
from emulator.core.discovery.reduce import text
from emulator.core.scenario import Switches as Common
from emulator.testing import running
from testkit.client import Client
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = "/v1/projects/p1/locations/us/repositories"
GHCR: dict[str, Any] = {
    "format": "DOCKER",
    "mode": "REMOTE_REPOSITORY",
    "remoteRepositoryConfig": {"commonRepository": {"uri": "https://ghcr.io"}},
}
RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "gcloud-requests.jsonl").read_text("utf-8").splitlines()
]
POLICY = {"old": {"action": "Delete", "condition": {"olderThan": "60.0s", "tagState": "any"}}}


@contextmanager
def world(**scenario: Any) -> Iterator[Client]:
    with running(driven=True, scenario=scenario) as emulator:
        yield Client(emulator)


def make(client: Client, name: str = "m", **fields: Any) -> Any:
    answer = client.send("POST", f"{HERE}?repositoryId={name}", {**GHCR, **fields})
    client.emulator.advance(2)
    return answer


def patch(client: Client, mask: str, **fields: Any) -> Any:
    return client.send("PATCH", f"{HERE}/m?updateMask={mask}", fields)


def test_the_document_is_that_of_the_installed_client() -> None:
    assert text(reduced()) == DOCUMENT.read_text("utf-8")


def test_the_readme_names_every_switch() -> None:
    readme = (ROOT / "emulator" / "README.md").read_text("utf-8")
    own = set(Switches.model_fields) - set(Common.model_fields)
    assert own
    assert {switch for switch in own if f"| `{switch}` |" not in readme} == set()


def test_the_recorded_requests_of_gcloud_are_answered() -> None:
    with world() as client:
        statuses = []
        for request in RECORDED:
            body: Any = request["b"]
            if "setIamPolicy" in request["p"]:
                body["policy"]["etag"] = client.send("GET", f"{HERE}/ghcr-mirror:getIamPolicy").json["etag"]
            statuses.append(client.send(request["m"], request["p"], body).status)
            client.emulator.advance(2)
        refused = {
            RECORDED[number]["p"].split("?")[0]: status for number, status in enumerate(statuses) if status != 200
        }
        # The same repository again; one that doesn't exist; an operation of the recording server.
        assert refused == {HERE: 409, f"{HERE}/nope": 404, "/v1/projects/p1/locations/us/operations/op1": 404}
        (left,) = client.emulator.state()["repositories"]
        assert left["name"].endswith("/dh")


def test_a_repository_takes_its_time_and_its_name_at_once() -> None:
    with world(repository_seconds=10) as client:
        started = client.send("POST", f"{HERE}?repositoryId=m", GHCR).json
        assert "done" not in started
        assert client.send("GET", f"{HERE}/m").status == 404
        assert make(client).status == 409
        client.emulator.advance(10)
        assert client.send("GET", f"/v1/{started['name']}").json["response"]["name"].endswith("/m")
        found = client.send("GET", f"{HERE}/m").json
        assert (found["registryUri"], found["mode"]) == ("us-docker.pkg.dev/p1/m", "REMOTE_REPOSITORY")
        assert client.emulator.journal()[0]["method"] == "artifactregistry.repositories.create"
        gone = client.send("DELETE", f"{HERE}/m").json
        client.emulator.advance(10)
        assert client.send("GET", f"/v1/{gone['name']}").json["done"] is True
        assert client.send("GET", f"{HERE}/m").status == 404
        assert make(client).status == 200


@pytest.mark.parametrize(("keep", "action", "duration"), [("normalise", "DELETE", "60s"), ("keep", "Delete", "60.0s")])
def test_enumerations_in_any_spelling(keep: str, action: str, duration: str) -> None:
    with world(switches={"ar_enum_case": keep}) as client:
        make(client, format=1, mode=3)
        found = patch(client, "cleanupPolicies", cleanupPolicies=POLICY).json["cleanupPolicies"]["old"]
        assert (found["action"], found["condition"]["olderThan"]) == (action, duration)
        numbers = {"old": {"action": 1, "condition": {"tagState": 3}}}
        assert patch(client, "cleanup_policies", cleanupPolicies=numbers).json["cleanupPolicies"]["old"] == {
            "id": "old",
            "action": "DELETE",
            "condition": {"tagState": "ANY"},
        }
        assert client.send("GET", f"{HERE}/m").json["format"] == "DOCKER"


@pytest.mark.parametrize(
    ("mask", "fields"),
    [
        ("", {"description": "a"}),
        ("mode", {"mode": "STANDARD_REPOSITORY"}),
        ("remoteRepositoryConfig", {"remoteRepositoryConfig": {}}),
        ("remoteRepositoryConfig.commonRepository.uri", GHCR),
        ("cleanupPolicies", {"cleanupPolicies": {"a": {"action": "DELETE"}}}),
        ("cleanupPolicies", {"cleanupPolicies": {"a": {"action": "DELETE", "mostRecentVersions": {"keepCount": 1}}}}),
        ("cleanupPolicies", {"cleanupPolicies": {"a": {"action": "Remove", "condition": {}}}}),
        ("cleanupPolicies", {"cleanupPolicies": {f"a{number}": POLICY["old"] for number in range(11)}}),
        ("description", {"nonsense": 1}),
    ],
)
def test_what_is_refused(mask: str, fields: Mapping[str, Any]) -> None:
    with world() as client:
        make(client)
        before = client.emulator.state()
        assert patch(client, mask, **fields).status == 400
        assert client.emulator.state() == before


def test_a_mask_changes_what_it_names_only() -> None:
    with world() as client:
        make(client, description="a", labels={"x": "1"})
        found = patch(client, "labels", description="b", labels={"y": "2"}).json
        assert (found["description"], found["labels"]) == ("a", {"y": "2"})
        assert "labels" not in patch(client, "labels").json


def test_without_a_mask_the_whole_repository_is_replaced() -> None:
    with world() as client:
        make(client, labels={"a": "1"}, cleanupPolicies=POLICY)
        changed = client.send("PATCH", f"{HERE}/m", {**GHCR, "description": "d"}).json
        assert {
            key: value for key, value in changed.items() if key in {"labels", "cleanupPolicies", "description"}
        } == {"description": "d"}
        other = {"remoteRepositoryConfig": {"commonRepository": {"uri": "https://quay.io"}}}
        for fields in (other, {"mode": "STANDARD_REPOSITORY"}, {"format": "NPM"}):
            assert client.send("PATCH", f"{HERE}/m", {**GHCR, **fields}).status == 400


def test_policies_are_guarded_by_their_etag() -> None:
    with world() as client:
        make(client)
        etag = client.send("GET", f"{HERE}/m:getIamPolicy").json["etag"]
        body = {"policy": {"etag": etag, "bindings": [{"role": "roles/x", "members": ["group:a@b.c"]}]}}
        assert client.send("POST", f"{HERE}/m:setIamPolicy", body).json["bindings"] == body["policy"]["bindings"]
        assert client.send("POST", f"{HERE}/m:setIamPolicy", body).status == 409


def test_principals_switches_secrets_and_upstreams() -> None:
    secret = "projects/p1/secrets/s/versions/1"
    config = {
        "commonRepository": {"uri": "https://ghcr.io"},
        "upstreamCredentials": {"usernamePasswordCredentials": {"username": "u", "passwordSecretVersion": secret}},
    }
    rules = {"ar_validates_upstream": "yes", "ar_policies_on_remote": "refuse", "ar_patch_missing": "create"}
    principals = {"all": ["*"], "reader": ["artifactregistry.repositories.get"]}
    with world(switches=rules, upstreams=["ghcr.io"], secrets={secret: "denied"}, principals=principals) as client:
        client.headers["Authorization"] = "Bearer all"
        other = {"commonRepository": {"uri": "https://quay.example"}}
        assert "quay.example" in make(client, remoteRepositoryConfig=other).message
        assert secret in make(client, remoteRepositoryConfig=config).message
        assert make(client, cleanupPolicies=POLICY).status == 400
        assert make(client).status == 200
        assert client.send("PATCH", f"{HERE}/new?updateMask=format", {"format": "DOCKER"}).status == 200
        client.headers["Authorization"] = "Bearer reader"
        assert client.send("GET", f"{HERE}/m").status == 200
        assert "artifactregistry.repositories.update" in patch(client, "description", description="x").message


def test_operations_fail_get_stuck_and_vanish() -> None:
    with world() as client:
        method = "artifactregistry.repositories.create"
        failing = {"kind": "operation", "code": "FAILED_PRECONDITION", "message": "no", "leaves": "nothing"}
        stuck, gone = {"kind": "operation", "state": "stuck"}, {"kind": "operation", "state": "gone"}
        client.emulator.faults([{"method": method, "action": each} for each in (failing, stuck, gone)])
        answers = []
        for name in ("a", "b", "c"):
            operation = make(client, name).json["name"]
            answers.append(client.send("GET", f"/v1/{operation}"))
        assert answers[0].json["error"] == {"code": 9, "message": "no"}
        assert "done" not in answers[1].json
        assert answers[2].status == 404
        assert [client.send("GET", f"{HERE}/{name}").status for name in "abc"] == [404, 404, 200]
        client.emulator.reset()
        assert client.emulator.state()["repositories"] == []


def test_lists_have_pages_and_locations() -> None:
    with world() as client:
        for name in ("c", "a", "b"):
            make(client, name)
        first = client.send("GET", f"{HERE}?pageSize=2").json
        second = client.send("GET", f"{HERE}?pageSize=2&pageToken={first['nextPageToken']}").json
        names = [each["name"][-1] for each in (*first["repositories"], *second["repositories"])]
        assert names == ["a", "b", "c"]
        assert client.send("GET", "/v1/projects/p1/locations/europe/repositories").json == {}
        listed = client.send("GET", "/v1beta2/projects/p1/locations").json["locations"]
        assert {"us", "europe", "asia"} <= {each["locationId"] for each in listed}
        assert client.send("GET", "/v1/projects/p1/locations/eu").status == 404
