"""What is said of replicas that failed or came too late is true of their images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.faults import operation_error, refuse

if TYPE_CHECKING:
    from testkit.action import Action

REMOVE = "`gcloud compute images delete web-1-eu --project p1`"


@pytest.mark.parametrize("code", ["QUOTA_EXCEEDED", "SOME_ERROR"])
def test_a_failed_image_that_is_left_is_told_at_once(action: Action, code: str) -> None:
    """A rerun alone can only fail on it: the first message has the command, and the other way out."""
    action.emulator.faults([operation_error("web-1-eu", code, leaves="failed")])
    first = action(locations="us, eu")
    row = first.replicas["eu"]
    assert row["message"].endswith(
        f"A FAILED image was left under its name: before a rerun remove it with {REMOVE}, or set replace_failed: true."
    )
    assert "there is an image in eu (FAILED)" in first.outputs["reason"]
    assert action(locations="us, eu").replicas["eu"]["reason"] == "image_failed"
    assert action(locations="us, eu", replace_failed="true").result == "complete"


@pytest.mark.parametrize("leaves", ["nothing", "ready"])
def test_nothing_is_told_to_be_removed_where_nothing_failed_is_left(action: Action, leaves: str) -> None:
    action.emulator.faults([operation_error("web-1-eu", "SOME_ERROR", leaves=leaves)])
    assert "FAILED image" not in action(locations="us, eu").log


@pytest.mark.parametrize(
    ("method", "inputs", "doing"),
    [("setIamPolicy", {}, "Opening projects/p1/global/images/web-1-eu to allAuthenticatedUsers was refused"),
     ("setLabels", {"labels": "more=1"}, "Labelling projects/p1/global/images/web-1-eu was refused")],
)  # fmt: skip
def test_what_was_refused_of_a_copy_that_stands(
    action: Action, method: str, inputs: dict[str, str], doing: str
) -> None:
    if inputs:
        action(locations="us, eu")
    action.emulator.faults([refuse("web-1-eu", method=method, code=400, reason="invalid")])
    done = action(locations="us, eu", **inputs)
    assert done.replicas["eu"]["message"].startswith(doing)
    assert done.outputs["reason"] == (
        "No replica is verified: eu (operation_failed); there is an image in eu; the source is untouched"
    )
    assert ("warning", "Nothing was verified") in [item[:2] for item in done.annotations]


def test_a_copy_that_goes_on_is_told_and_the_rerun_has_more_time(action: Action) -> None:
    stuck = {"kind": "operation", "state": "stuck"}
    action.emulator.faults([{"method": "compute.images.insert", "match": "-eu", "action": stuck}])
    done = action(locations="us, eu", timeout_minutes="3")
    assert done.outputs["reason"] == (
        "No replica is verified: eu (deadline); copies go on in eu; the source is untouched"
    )
    assert "--timeout-minutes=6" in done.summary


def test_a_rerun_for_another_reason_has_the_same_time(action: Action) -> None:
    action.emulator.faults([refuse("-eu")])
    assert "--timeout-minutes=3" in action(timeout_minutes="3").summary


def test_what_waited_for_its_sources_rate_is_called_so(action: Action) -> None:
    limited = operation_error("web-1-eu", "RESOURCE_OPERATION_RATE_EXCEEDED", leaves="nothing")
    action.emulator.faults([limited])
    row = action(locations="us, eu", timeout_minutes="5").replicas["eu"]
    assert (row["outcome"], row["reason"]) == ("interrupted", "deadline")
    assert "An image may be copied about six times an hour." in row["message"]
