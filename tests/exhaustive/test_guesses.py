"""The product under every answer to what nobody has confirmed of the service, and under its models."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from google.oauth2.credentials import Credentials

from emulator.testing import running
from replicator.compute import permissions
from testkit.action import Action
from testkit.conformance.guesses import ANSWERS
from testkit.faults import operation_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
IMAGES = [
    {"project": "p1", "name": "web-1", "family": "web", "labels": {"team": "infra"}, "public": True, "description": "d"}
]


@contextmanager
def world(folder: Path, **scenario: Any) -> Iterator[Action]:
    with running(copy_seconds=0.02, wait_seconds=0.2, scenario={"images": IMAGES, **scenario}) as emulator:
        yield Action(emulator, folder)


@pytest.mark.parametrize(("switch", "answer"), ANSWERS)
class TestUnderEveryAnswer:
    def test_main_job_and_rerun(self, tmp_path: Path, switch: str, answer: Any) -> None:
        with world(tmp_path, switches={switch: answer}) as action:
            first = action(labels="a=b", access="public")
            mutations = len(action.mutations())
            second = action(labels="a=b", access="public")
            assert first.result == second.result == "complete"
            assert len(action.mutations()) == mutations
            assert first.index == second.index

    def test_shared_family_stays_at_home(self, tmp_path: Path, switch: str, answer: Any) -> None:
        with world(tmp_path, switches={switch: answer}) as action:
            state, heads = action.emulator.compute.state, set()
            commit = state.commit

            def watched(change: Any) -> None:
                commit(change)
                head = state.head("p1", "web", action.emulator.app.clock.now())
                heads.add(head.fields["storageLocations"][0] if head else "")

            action.emulator.run(lambda: setattr(state, "commit", watched))
            assert action(family_template="{family}").result == "complete"
            assert heads == {"us"}

    def test_what_goes_wrong(self, tmp_path: Path, switch: str, answer: Any) -> None:
        stale = {"kind": "http", "code": 412, "reason": "conditionNotMet", "message": "Stale."}
        with world(tmp_path, switches={switch: answer}) as action:
            action.emulator.faults(
                [
                    operation_error("web-1-eu", "RESOURCE_OPERATION_RATE_EXCEEDED"),
                    {"method": "compute.images.setIamPolicy", "match": "web-1-asia", "action": stale},
                ]
            )
            assert action().result == "complete"
            action.emulator.assert_faults_used()

    def test_what_the_organisation_forbids(self, tmp_path: Path, signed_in: None, switch: str, answer: Any) -> None:
        """Under principals, organisation policies and quotas, the same is said and done."""
        models = {
            "principals": {"t": PERMISSIONS},
            "org_policy": {"allowed_locations": ["us", "eu"], "allowed_member_domains": ["example.com"]},
            "quotas": {"images": 4, "copies_per_source": {"count": 2, "minutes": 60}, "reads_per_minute": 60},
        }
        with world(tmp_path, switches={switch: answer}, **models) as action:
            action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
            assert action(source_image="projects/p1/global/images/none").exit_code == 3
            done = action(access="public")
            assert done.column("reason") == {"us": "", "eu": "access_blocked", "asia": "org_policy"}, done.log
            again = action(locations="us, eu", access="private")
            assert again.replicas["eu"]["outcome"] in {"adopted", "repaired"}
            assert "family" in action.image("web-1-eu")


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.auth, "default", lambda **_: (Credentials(token="t"), None))  # type: ignore[no-untyped-call]


PERMISSIONS = sorted(
    {
        "compute.images." + name
        for name in ["create", "get", "list", "getFromFamily", "getIamPolicy", "setIamPolicy", "update"]
    }
    | {"compute.globalOperations.get", "compute.images.useReadOnly", "compute.images.setLabels"}
)


def test_with_exactly_the_permissions_of_the_readme(tmp_path: Path, signed_in: None) -> None:
    with world(tmp_path, principals={"t": PERMISSIONS}) as action:
        action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
        assert action(access="public", labels="a=b").result == "complete"
        assert {call["principal"] for call in action.emulator.journal()} == {"t"}


@pytest.mark.parametrize("lacking", PERMISSIONS)
def test_a_missing_permission_is_named(tmp_path: Path, signed_in: None, lacking: str) -> None:
    left = [name for name in PERMISSIONS if name != lacking]
    with world(tmp_path, principals={"t": left}) as action:
        action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
        done = action()
        needless = {"compute.images.setLabels", "compute.images.useReadOnly"}
        # Labels go with the insert, and everybody may use a public source.
        assert (done.result == "complete") is (lacking in needless)
        assert lacking in needless or lacking in done.log, done.log
        assert any(lacking in words for words in permissions.PERMISSIONS.values())


def test_without_credentials_that_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.auth, "default", lambda **_: (Credentials(token="unknown"), None))  # type: ignore[no-untyped-call]
    with world(tmp_path, principals={"t": PERMISSIONS}) as action:
        action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
        assert action().exit_code == 3


def test_organisation_policies(tmp_path: Path) -> None:
    with world(
        tmp_path, org_policy={"allowed_locations": ["us", "eu"], "allowed_member_domains": ["example.com"]}
    ) as action:
        done = action(access="public")
        assert done.column("reason") == {"us": "", "eu": "access_blocked", "asia": "org_policy"}
        assert "constraints/gcp.resourceLocations" in done.replicas["asia"]["message"]


@pytest.mark.parametrize(
    ("counted", "outcomes"),
    [("by_source", ["created", "created", "created"]), ("by_project", ["created", "created", "interrupted"])],
)
def test_copies_of_one_source_are_limited(tmp_path: Path, counted: str, outcomes: list[str]) -> None:
    """What is refused is copied from a replica; if those count as well it is told, and the run that follows goes on."""
    limits = {"copies_per_source": {"count": 2, "minutes": 60}}
    with world(tmp_path, quotas=limits, switches={"copies_counted": counted}) as action:
        done = action(locations="eu, asia, us-west1", timeout_minutes="5")
        assert sorted(done.column("outcome").values()) == outcomes, done.log
        for row in done.replicas.values():
            assert row["outcome"] == "created" or "about six times an hour" in row["message"]
