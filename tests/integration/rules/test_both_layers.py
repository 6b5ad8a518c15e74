"""Trouble, names that are taken and policies mean the same in an operation as in an HTTP answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from testkit.faults import operation_error, refuse

if TYPE_CHECKING:
    from testkit.action import Action

CUSTOM = 'Operation denied by custom org policies: ["customConstraints/custom.costCentre": "Images need a label"].'
TRUSTED = "Constraint constraints/compute.trustedImageProjects violated for project p1."
LOCATION = "Location violates constraint constraints/gcp.resourceLocations on the resource."
PERIMETER = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X"


def ids(action: Action) -> list[str]:
    return [call["query"]["requestId"] for call in action.calls("insert", "-eu")]


class TestTroubleOfTheService:
    @pytest.mark.parametrize(
        ("code", "status", "times"),
        [("INTERNAL_ERROR", 503, 1), ("INTERNAL_ERROR", None, 2), ("SOME_ERROR", 500, 4), ("BACKEND_ERROR", None, 1)],
    )
    def test_a_copy_is_asked_for_anew(self, action: Action, code: str, status: int | None, times: int) -> None:
        action.emulator.faults([{**operation_error("web-1-eu", code, http_status=status), "times": times}])
        done = action(required_locations="all")
        assert (done.exit_code, done.result, done.replicas["eu"]["outcome"]) == (0, "complete", "created")
        assert len(ids(action)) == len(set(ids(action))) == times + 1

    def test_only_some_times(self, action: Action) -> None:
        action.emulator.faults([{**operation_error("web-1-eu", "INTERNAL_ERROR"), "times": None}])
        done = action(required_locations="all")
        assert (done.exit_code, done.replicas["eu"]["reason"]) == (1, "operation_failed")
        assert len(ids(action)) == 5
        assert "The trouble is Compute Engine's own: run this again later." in done.replicas["eu"]["message"]

    def test_only_while_there_is_time(self, action: Action) -> None:
        action.emulator.faults([{**operation_error("web-1-eu", "INTERNAL_ERROR"), "times": None}])
        done = action(timeout_minutes="0.2")
        assert (done.replicas["eu"]["outcome"], done.replicas["eu"]["reason"]) == ("interrupted", "deadline")
        assert 1 < len(ids(action)) < 5

    @pytest.mark.parametrize(("leaves", "outcome"), [("ready", "repaired"), ("failed", "failed")])
    def test_what_it_left_is_looked_at(self, action: Action, leaves: str, outcome: str) -> None:
        action.emulator.faults([operation_error("web-1-eu", "INTERNAL_ERROR", leaves=leaves)])
        row = action().replicas["eu"]
        assert (row["outcome"], row["reason"]) == (outcome, "image_failed" if leaves == "failed" else "")

    @pytest.mark.parametrize("method", ["patch", "setLabels"])
    def test_repairs_are_asked_for_anew(self, action: Action, source: dict[str, Any], method: str) -> None:
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", disk_size_gb=20, guest_os_features=["UEFI_COMPATIBLE", "GVNIC"],
            licenses=["projects/debian-cloud/global/licenses/debian-12"],
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        fault = operation_error("web-1-eu", "INTERNAL_ERROR", http_status=503)
        action.emulator.faults([{**fault, "method": f"compute.images.{method}"}])
        done = action()
        assert (done.result, done.replicas["eu"]["outcome"]) == ("complete", "repaired")


class TestANameThatIsTaken:
    @pytest.mark.parametrize("status", [409, None])
    def test_the_right_copy_is_adopted(self, action: Action, status: int | None) -> None:
        fault = operation_error("web-1-eu", "RESOURCE_ALREADY_EXISTS", http_status=status, leaves="ready")
        action.emulator.faults([fault])
        done = action(required_locations="all")
        assert (done.exit_code, done.replicas["eu"]["outcome"]) == (0, "repaired")
        assert len(ids(action)) == 1

    def test_a_failed_one_is_told_as_that(self, action: Action) -> None:
        action.emulator.faults([operation_error("web-1-eu", "ALREADY_EXISTS", http_status=409, leaves="failed")])
        assert action().replicas["eu"]["reason"] == "image_failed"


@pytest.mark.parametrize("layer", ["answer", "operation"])
@pytest.mark.parametrize(("message", "exit_code"), [(LOCATION, 0), (TRUSTED, 3), (CUSTOM, 3), (PERIMETER, 3)])
def test_all_refused_for_one_reason_of_set_up(action: Action, layer: str, message: str, exit_code: int) -> None:
    if layer == "answer":
        fault = refuse("", code=412, reason="conditionNotMet", message=message)
    else:
        fault = operation_error("", "CONDITION_NOT_MET", http_status=412)
        fault = {**fault, "times": None, "action": {**fault["action"], "message": message}}
    action.emulator.faults([fault])
    done = action()
    assert (done.exit_code, done.result) == (exit_code, "failed"), done.log
    assert done.column("reason") == {"us": "", "eu": "org_policy", "asia": "org_policy"}
    assert "`locations`" in done.replicas["eu"]["message"] or exit_code


def test_two_constraints_are_no_one_reason_of_set_up(action: Action) -> None:
    """One forbids a location, the other all images: only for one of them the set-up is at fault."""
    refused: dict[str, Any] = {"code": 412, "reason": "conditionNotMet"}
    action.emulator.faults([refuse("-eu", **refused, message=TRUSTED), refuse("-asia", **refused, message=LOCATION)])
    assert action().exit_code == 0


@pytest.mark.parametrize("method", ["insert", "setIamPolicy"])
def test_a_custom_constraint_is_asked_once(action: Action, method: str) -> None:
    fault = refuse("", code=412, reason="conditionNotMet", message=CUSTOM, method=method)
    action.emulator.faults([fault])
    done = action(locations="eu")
    assert done.replicas["eu"]["reason"] == {"insert": "org_policy", "setIamPolicy": "access_blocked"}[method]
    assert len(action.calls(method, "-eu")) == 1
    assert "customConstraints/custom.costCentre" in done.replicas["eu"]["message"]
    assert "meanwhile" not in done.log


class TestARemedyThatNeverLoops:
    @pytest.mark.parametrize("field", ["guestOsFeatures", "licenses"])
    def test_what_compute_engine_leaves_out_of_copies(self, action: Action, source: dict[str, Any], field: str) -> None:
        """The source lists what was retired since: the copy of this run lacks it, and so will each new one."""
        more = [{"type": "SECURE_BOOT"}] if field == "guestOsFeatures" else ["projects/old/global/licenses/gone"]
        shown = {**action.emulator.image("p1", "web-1"), field: [*source[field], *more]}  # type: ignore[dict-item]
        for key in ("project", "policy"):
            shown.pop(key, None)
        text = json.dumps(shown)
        body = {"kind": "body", "when": "before", "status": 200, "text": text}
        action.emulator.faults([{"method": "compute.images.get", "match": "web-1$", "times": None, "action": body}])
        first = action(locations="eu").replicas["eu"]
        assert (first["reason"], "Running this again can't help" in first["message"]) == ("drift", True)
        again = action(locations="eu").replicas["eu"]
        assert again["reason"] == "drift"
        assert "Where the new copy differs alike, only building the image anew helps." in again["message"]
