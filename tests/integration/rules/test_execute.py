"""What happens between the plan and its end: others change things at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from testkit.action import Action
from testkit.faults import meanwhile, operation_error, refuse
from testkit.make import RIGHT

if TYPE_CHECKING:
    from pathlib import Path


class TestSomeoneElseMakesIt:
    def test_a_right_copy(self, action: Action, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        def make(ref: Any) -> None:
            action.emulator.add_image(
                project="p1", name=ref.name, location="eu", **RIGHT,
                source_image=source["selfLink"], source_image_id=source["id"],
            )  # fmt: skip

        meanwhile(monkeypatch, "insert", make)
        done = action()
        assert (done.result, done.replicas["eu"]["outcome"]) == ("complete", "repaired")

    @pytest.mark.parametrize(("location", "ours"), [("eu", False), ("asia", True)])
    def test_another_image(
        self, action: Action, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch, location: str, ours: bool
    ) -> None:
        of = {"source_image": source["selfLink"], "source_image_id": source["id"]} if ours else {}
        meanwhile(
            monkeypatch,
            "insert",
            lambda ref: action.emulator.add_image(project="p1", name=ref.name, location=location, **of),
        )
        assert action().replicas["eu"]["reason"] == "conflict"

    @pytest.mark.parametrize("status", ["READY", "FAILED"])
    def test_a_copy_under_way(
        self, action: Action, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch, status: str
    ) -> None:
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", status="PENDING", **RIGHT,
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        meanwhile(monkeypatch, "get", lambda ref: action.emulator.settle_image("p1", ref.name, status))
        row = action().replicas["eu"]
        assert not action.calls("insert", "-eu")
        assert (row["outcome"], row["reason"]) == (
            ("repaired", "") if status == "READY" else ("failed", "image_failed")
        )

    def test_two_runs_at_once(self, tmp_path: Path, action: Action) -> None:
        """The same release, started twice: both end well, and every image was made once."""
        folders = [tmp_path / "first", tmp_path / "second"]
        for folder in folders:
            folder.mkdir()
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda folder: Action(action.emulator, folder)(), folders))
        assert [run.result for run in done] == ["complete", "complete"]
        assert done[0].index == done[1].index
        assert sum(call["committed"] for call in action.calls("insert")) == 2
        assert len(action.emulator.policy("p1", "web-1-eu")["bindings"]) == 1


class TestTheSourceChanges:
    def test_replaced_under_its_name(
        self, action: Action, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def replace(_ref: Any) -> None:
            action.emulator.delete_image("p1", "web-1")
            action.emulator.add_image(project="p1", name="web-1", disk_size_gb=20)

        meanwhile(monkeypatch, "insert", replace)
        row = action().replicas["eu"]
        assert (row["outcome"], row["reason"], row["promoted"]) == ("failed", "source_changed", False)
        assert source["id"] in row["message"]
        assert not action.calls("setIamPolicy", "-eu")

    def test_deleted(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        meanwhile(monkeypatch, "insert", lambda _: action.emulator.delete_image("p1", "web-1"))
        done = action(locations="eu")
        assert done.replicas["eu"]["reason"] == "source_changed"


class TestTheReplicaChanges:
    @pytest.mark.parametrize("method", ["get", "patch"])
    def test_replaced(self, action: Action, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        def replace(ref: Any) -> None:
            action.emulator.delete_image("p1", ref.name)
            action.emulator.add_image(project="p1", name=ref.name, location="eu")

        meanwhile(monkeypatch, method, replace)
        row = action().replicas["eu"]
        assert row["outcome"] == "failed"
        assert row["reason"] in {"drift", "source_changed"}

    def test_deleted(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        meanwhile(monkeypatch, "get", lambda ref: action.emulator.delete_image("p1", ref.name))
        done = action()
        assert (done.result, done.replicas["eu"]["outcome"]) == ("partial", "failed")
        assert "was not found" in done.replicas["eu"]["message"]

    def test_failed_copy_is_not_replaced_when_it_changed(
        self, action: Action, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", status="FAILED",
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        meanwhile(monkeypatch, "get", lambda ref: action.emulator.settle_image("p1", ref.name))
        row = action(replace_failed="true").replicas["eu"]
        assert row["reason"] == "image_failed"
        assert "changed since the plan was made" in row["message"]
        assert not action.calls("delete")


class TestOperations:
    def test_an_answer_that_is_no_operation_is_asked_for_again(self, action: Action) -> None:
        """Half of an answer is none: the same requestId is sent again, and one copy is made."""
        answer = {"kind": "body", "when": "after", "status": 200, "text": '{"kind": "compute#operation"}'}
        action.emulator.faults([{"method": "compute.images.insert", "match": "web-1-eu$", "action": answer}])
        assert action().result == "complete"
        inserts = [call for call in action.calls("insert") if call["target"].endswith("web-1-eu")]
        assert [call["committed"] for call in inserts] == [True, False]
        assert len({call["query"]["requestId"] for call in inserts}) == 1


class TestRepairs:
    def spoilt(self, action: Action, source: dict[str, Any], **spoil: Any) -> None:
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", **{**RIGHT, **spoil},
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip

    def test_stale_fingerprint(self, action: Action, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.spoilt(action, source, labels={})
        stale = {"kind": "http", "code": 412, "reason": "conditionNotMet", "message": "Stale."}
        action.emulator.faults([{"method": "compute.images.setLabels", "times": 2, "action": stale}])
        done = action()
        assert done.replicas["eu"]["outcome"] == "repaired"
        assert action.image("web-1-eu")["labels"] == {"team": "infra"}
        action.emulator.faults([{"method": "compute.images.setLabels", "times": None, "action": stale}])
        self_again = action(labels="more=1")
        assert self_again.replicas["eu"]["reason"] == "drift"

    def test_a_copy_that_somebody_deprecated(self, action: Action, source: dict[str, Any]) -> None:
        self.spoilt(action, source, deprecated={"state": "DEPRECATED"})
        row = action().replicas["eu"]
        assert (row["outcome"], row["promoted"]) == ("repaired", True)
        assert row["message"] == "It is marked DEPRECATED, so its family passes it over."

    def test_failing_repair(self, action: Action, source: dict[str, Any]) -> None:
        self.spoilt(action, source, description="other")
        action.emulator.faults(
            [
                {
                    "method": "compute.images.patch",
                    "action": {"kind": "operation", "code": "SOME_ERROR", "message": "No."},
                }
            ]
        )
        row = action().replicas["eu"]
        assert (row["outcome"], row["reason"]) == ("failed", "operation_failed")
        assert "Describing projects/p1/global/images/web-1-eu failed: No." in row["message"]

    def test_a_family_that_can_not_be_moved(self, action: Action) -> None:
        action.emulator.faults([refuse("web-1-eu", method="patch")])
        done = action()
        assert (done.result, done.replicas["eu"]["reason"]) == ("partial", "forbidden")
        assert done.replicas["eu"]["promoted"] is False
        assert "eu" not in done.images
        action.emulator.faults([refuse("web-eu", method="getFromFamily")])
        assert action().replicas["eu"]["reason"] == "forbidden"

    def test_a_family_that_never_moves(self, action: Action) -> None:
        stuck = {
            "method": "compute.images.patch",
            "match": "web-1-eu",
            "action": {"kind": "operation", "state": "stuck"},
        }
        action.emulator.faults([stuck])
        done = action(timeout_minutes="1")
        assert (done.replicas["eu"]["outcome"], done.replicas["eu"]["reason"]) == ("interrupted", "deadline")
        assert "while projects/p1/global/images/web-1-eu was being promoted" in done.replicas["eu"]["message"]
        assert done.replicas["asia"]["promoted"] is True
        assert done.seconds < 130

    def test_an_operation_that_is_gone(self, action: Action) -> None:
        gone = {"method": "compute.images.patch", "action": {"kind": "operation", "state": "gone"}}
        action.emulator.faults([gone])
        assert action().result == "complete"


class TestLookUp:
    def test_refused_for_one_project(self, action: Action) -> None:
        action.emulator.faults([refuse("acme-eu", method="list")])
        done = action(replica_project="acme-{location}")
        assert done.column("reason") == {"us": "", "eu": "forbidden", "asia": ""}
        assert "compute.images.list" in done.replicas["eu"]["message"]

    def test_refused_for_all(self, action: Action) -> None:
        action.emulator.faults([refuse("", method="list")])
        assert action(replica_project="acme-{location}").exit_code == 3

    def test_policy_of_an_existing_replica(self, action: Action) -> None:
        action()
        action.emulator.faults([refuse("web-1-eu", method="getIamPolicy")])
        assert action().replicas["eu"]["reason"] == "forbidden"

    def test_a_parent_that_may_not_be_read(self, action: Action) -> None:
        action.emulator.add_image(
            project="p1",
            name="web-1-eu",
            location="eu",
            source_image="projects/p9/global/images/x",
            source_image_id="9",
        )
        action.emulator.faults([refuse("projects/p9/", method="get")])
        assert action().replicas["eu"]["reason"] == "forbidden"

    @pytest.mark.exhaustive
    def test_pages(self, action: Action) -> None:
        """More names than a list of one page holds would still be found by the insert's 409."""
        regions = ",".join(f"us-west{number}" for number in range(1, 44))
        first = action(locations=regions)
        assert first.result == "complete"
        assert set(action(locations=regions).column("outcome").values()) == {"adopted"}


def test_an_operation_error_of_the_source_rate_stays_with_its_location(action: Action) -> None:
    fault = operation_error("web-1-eu", "RESOURCE_OPERATION_RATE_EXCEEDED", leaves="failed")
    action.emulator.faults([fault])
    done = action()
    assert done.replicas["eu"]["reason"] == "image_failed"
    assert done.replicas["asia"]["outcome"] == "created"


def test_an_unanswered_call_is_given_up_after_ten_minutes(action: Action) -> None:
    action.emulator.faults(
        [{"method": "compute.images.insert", "match": "-eu", "times": None, "action": {"kind": "drop", "how": "reset"}}]
    )
    done = action()
    assert (done.replicas["eu"]["outcome"], done.replicas["eu"]["reason"]) == ("failed", "unreachable")
    assert 500 < done.seconds < 700


def test_no_credentials(action: Action, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
    done = action()
    assert (done.exit_code, done.result) == (3, "failed")
    assert "id-token: write" in done.outputs["reason"]
    assert not action.emulator.journal()


@pytest.mark.parametrize("text", ["[]", "{}", "no json", None])
def test_credentials_of_no_known_shape(
    action: Action, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "credentials.json"
    if text is None:
        path.mkdir()
    else:
        path.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
    assert action().exit_code == 3


def test_a_proxy_sees_nothing_of_loopback(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert action().result == "complete"
