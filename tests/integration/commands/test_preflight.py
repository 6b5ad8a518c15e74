"""Before the first copy the permissions that the plan needs are asked for, and what is missing is told at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from google.oauth2.credentials import Credentials

from emulator.testing import running
from testkit.action import Action

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.action import Finished

ASKS = "testIamPermissions"
COPYING = ["create", "get", "list", "getFromFamily", "getIamPolicy", "setIamPolicy", "update", "useReadOnly"]
ALL = [*(f"compute.images.{name}" for name in COPYING), "compute.globalOperations.get"]
IMAGE = {"project": "p1", "name": "web-1", "family": "web", "labels": {"a": "b"}, "policy": []}
GROUP = {"role": "roles/compute.imageUser", "members": ["group:g@example.com"]}


class Account(Credentials):
    """A token of a service account."""

    service_account_email = "ci@p1.iam.gserviceaccount.com"


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.auth, "default", lambda **_: (Account(token="t"), None))  # type: ignore[no-untyped-call]


@contextmanager
def world(folder: Path, *lacking: str, ask: bool = True, **scenario: Any) -> Iterator[Action]:
    held = [name for name in ALL if name.rpartition(".")[2] not in lacking]
    rules = {"images": [{**IMAGE, "policy": [GROUP]}], "principals": {"t": held}, **scenario}
    with running(copy_seconds=0.02, wait_seconds=0.2, scenario=rules) as emulator:
        action = Action(emulator, folder)
        action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
        if ask:
            action.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"] = f"{emulator.url}/"
        yield action


def asked(action: Action) -> list[tuple[str, str]]:
    return [(entry["method"].split(".")[0], entry["target"]) for entry in action.calls(ASKS)]


def made(action: Action) -> list[str]:
    return [entry["target"] for entry in action.mutations()]


def plan_of(done: Finished) -> list[str]:
    return [line.strip() for line in done.log.splitlines() if line.strip().startswith("permission")]


class TestPresent:
    def test_the_plan_says_so(self, tmp_path: Path) -> None:
        with world(tmp_path) as action:
            done = action(dry_run="true")
            assert plan_of(done) == ["permissions: all that are needed are present"]
            # They are asked at the same time.
            assert sorted(asked(action)) == [
                ("cloudresourcemanager", "projects/p1"),
                ("compute", "projects/p1/global/images/web-1"),
            ]

    def test_two_questions_a_project_and_none_of_what_does_not_exist(self, tmp_path: Path) -> None:
        places = ", ".join(["us", "eu", "asia", *(f"us-west{number}" for number in range(1, 10))])
        with world(tmp_path) as action:
            assert action(locations=places, replica_project="{project}").result == "complete"
            assert len(asked(action)) == 2
            assert action(locations=places).column("outcome")["eu"] == "adopted"
            # Nothing was to be done, so nothing was asked.
            assert len(asked(action)) == 2

    def test_each_project_is_asked_about(self, tmp_path: Path) -> None:
        with world(tmp_path) as action:
            action(locations="eu, asia", replica_project="acme-{location}")
            assert sorted(asked(action)) == [
                ("cloudresourcemanager", "projects/acme-asia"),
                ("cloudresourcemanager", "projects/acme-eu"),
                ("compute", "projects/p1/global/images/web-1"),
            ]


class TestMissing:
    @pytest.mark.parametrize(
        ("lacking", "of"),
        [
            ("create", "project p1"),
            ("setIamPolicy", "project p1"),
            ("update", "project p1"),
            ("getFromFamily", "project p1"),
            ("useReadOnly", "projects/p1/global/images/web-1"),
        ],
    )
    def test_it_is_told_for_all_locations_before_a_copy_is_paid_for(
        self, tmp_path: Path, lacking: str, of: str
    ) -> None:
        with world(
            tmp_path, lacking, images=[{**IMAGE, "policy": [{**GROUP, "role": "roles/compute.viewer"}, GROUP]}]
        ) as action:
            planned = action(dry_run="true")
            done = action()
            assert (done.exit_code, done.result) == (3, "failed"), done.log
            assert done.column("reason") == {"us": "", "eu": "forbidden", "asia": "forbidden"}
            assert made(action) == []
            [line] = plan_of(planned)
            assert line.startswith(f"permission missing: compute.images.{lacking} (roles/compute.")
            assert f"on {of}, for eu, asia: `gcloud " in line
            assert "--member=serviceAccount:ci@p1.iam.gserviceaccount.com" in line
            assert next(title for level, title, _ in planned.annotations if level == "warning") == "Permissions"

    def test_only_what_is_needed(self, tmp_path: Path) -> None:
        with world(tmp_path, "setIamPolicy", "getFromFamily", "update") as action:
            assert action(access="private", promote="false").result == "complete"

    def test_one_project_alone(self, tmp_path: Path) -> None:
        principal = {"t": {"permissions": ALL[1:], "projects": {"acme-eu": ["compute.images.create"]}}}
        with world(tmp_path, principals=principal) as action:
            done = action(locations="eu, asia", replica_project="acme-{location}")
            assert done.column("outcome") == {"eu": "created", "asia": "failed"}
            assert "project acme-asia, for asia" in done.replicas["asia"]["message"]

    def test_where_nothing_may_be_written_the_insert_decides(self, tmp_path: Path) -> None:
        """A role under a condition on names of images isn't seen by a question about the project."""
        with world(tmp_path, "create", "setIamPolicy", "update") as action:
            done = action()
            assert done.column("reason")["eu"] == "forbidden"
            assert len(plan_of(done)) == 3
            assert sorted(made(action)) == [
                "projects/p1/global/images/web-1-asia",
                "projects/p1/global/images/web-1-eu",
            ]
            assert not action.emulator.image("p1", "web-1-eu")

    def test_a_repair(self, tmp_path: Path) -> None:
        with world(tmp_path) as action:
            assert action(replica_project="acme-public").result == "complete"
            before = len(asked(action))
            done = action(replica_project="acme-public", labels="team=infra", dry_run="true")
            assert asked(action)[before:] == [("compute", "projects/acme-public/global/images/web-1-us")]
            assert plan_of(done)[0].startswith("permission missing: compute.images.setLabels")


class TestNobodyCanTell:
    def test_not_asked_beside_an_emulator(self, tmp_path: Path) -> None:
        with world(tmp_path, ask=False) as action:
            done = action()
            assert done.result == "complete"
            assert asked(action) == [("compute", "projects/p1/global/images/web-1")]
            assert plan_of(done) == [
                "permissions: 1 present, none found missing",
                "permissions unknown: project p1: Resource Manager is not asked beside an emulator of Compute Engine",
            ]

    def test_switched_off(self, tmp_path: Path) -> None:
        with world(tmp_path, switches={"resource_manager": "off"}) as action:
            done = action()
            assert done.result == "complete"
            assert "the Cloud Resource Manager API is off" in plan_of(done)[1]

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "http", "code": 403, "reason": "forbidden"},
            {"kind": "http", "code": 404, "reason": "notFound"},
            {"kind": "http", "code": 501, "reason": "notImplemented"},
            {"kind": "http", "code": 503, "reason": "backendError"},
            {"kind": "body", "status": 200, "text": "<html>"},
            {"kind": "body", "status": 200, "text": "[]"},
            {"kind": "drop", "how": "reset"},
        ],
        ids=lambda fault: str(fault.get("code") or fault.get("text") or fault["kind"]),
    )
    @pytest.mark.parametrize("service", ["compute.images", "cloudresourcemanager.projects"])
    def test_a_service_that_gives_no_answer(self, tmp_path: Path, fault: dict[str, Any], service: str) -> None:
        if service == "compute.images" and fault.get("text") == "[]":
            pytest.skip("Google's library reads an empty list as an empty answer")
        with world(tmp_path) as action:
            action.emulator.faults([{"method": f"{service}.{ASKS}", "times": None, "action": fault}])
            done = action()
            assert (done.exit_code, done.result) == (0, "complete"), done.log
            assert any(line.startswith("permissions unknown: ") for line in plan_of(done))
            assert not any(level == "warning" for level, _, _ in done.annotations)

    @pytest.mark.parametrize("endpoint", ["http://example.com", "ftp://127.0.0.1", "example.com", "https://[x"])
    def test_no_token_is_sent_unencrypted(self, tmp_path: Path, endpoint: str) -> None:
        with world(tmp_path) as action:
            action.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"] = endpoint
            done = action(dry_run="true")
            assert done.result == "planned"
            assert asked(action) == [("compute", "projects/p1/global/images/web-1")]
            assert "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER must be an https address" in plan_of(done)[1]
