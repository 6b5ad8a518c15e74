"""An image that is being deleted is waited for until it is gone; then its location gets a copy."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
from replicator.__main__ import main
from testkit.action import Action
from testkit.conformance.events import stored
from testkit.faults import meanwhile
from testkit.make import RIGHT
from testkit.virtual import JointLoop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = {"project": "p1", "name": "web-1", "family": "web", "public": True, **RIGHT}


@pytest.fixture
def switches() -> dict[str, str]:
    """Of the emulator."""
    return {}


@pytest.fixture
def joint(tmp_path: Path, switches: dict[str, str]) -> Iterator[Action]:
    """The action, on one clock with its emulator."""
    with running(scenario={"switches": switches}, driven=True, copy_seconds=30) as emulator:
        emulator.add_image(**SOURCE)
        yield Action(emulator, tmp_path, make_loop=lambda: JointLoop(emulator))


def of(action: Action) -> dict[str, Any]:
    source = action.image("web-1")
    return {"source_image": source["selfLink"], "source_image_id": source["id"]}


@pytest.mark.parametrize("lineage", ["ours", "foreign", "unproven"])
def test_waits_until_it_is_gone_then_copies(joint: Action, lineage: str) -> None:
    origin = {
        "ours": of(joint),
        "foreign": {},
        "unproven": {"source_image": "projects/p1/global/images/gone", "source_image_id": "7"},
    }[lineage]
    joint.emulator.add_image(
        project="p1", name="web-1-eu", location="eu", status="DELETING", status_seconds=70, **RIGHT, **origin
    )
    done = joint(required_locations="all")
    assert (done.exit_code, done.result) == (0, "complete"), done.log
    assert done.replicas["eu"]["outcome"] == "created"
    assert "web-1-eu is DELETING; waiting until it is gone" in done.log
    assert len(joint.calls("insert", "-eu")) == 1
    assert not joint.calls("delete")
    # The others were not held up.
    assert done.replicas["asia"]["seconds"] < 70 <= done.replicas["eu"]["seconds"]


def test_one_that_stays_so_is_interrupted(joint: Action) -> None:
    joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", status="DELETING", **RIGHT, **of(joint))
    done = joint(timeout_minutes="5")
    assert (done.replicas["eu"]["outcome"], done.replicas["eu"]["reason"]) == ("interrupted", "deadline")
    assert "being deleted" in done.replicas["eu"]["message"]
    assert done.column("outcome")["asia"] == "created"


@pytest.mark.parametrize("taken", ["ours", "foreign"])
def test_what_takes_the_name_then_is_looked_at(joint: Action, monkeypatch: pytest.MonkeyPatch, taken: str) -> None:
    joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", status="DELETING", **RIGHT, **of(joint))
    origin = of(joint) if taken == "ours" else {}

    def take(_: Any) -> None:
        joint.emulator.delete_image("p1", "web-1-eu")
        joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", **RIGHT, **origin)

    meanwhile(monkeypatch, "get", take)
    row = joint().replicas["eu"]
    assert (row["outcome"], row["reason"]) == (("repaired", "") if taken == "ours" else ("failed", "conflict"))


def test_a_copy_under_way_that_is_deleted_is_made_anew(joint: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", status="PENDING", **RIGHT, **of(joint))

    def leave(_: Any) -> None:
        gone = joint.emulator.app.clock.now() + 20
        stored(joint.emulator, "web-1-eu", lambda image: replace(image, gone=gone))

    meanwhile(monkeypatch, "get", leave)
    assert joint().replicas["eu"]["outcome"] == "created"


def test_a_failed_one_that_is_deleted_already_is_not_deleted_again(
    joint: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", status="DELETING", status_seconds=9, **RIGHT)
    assert joint(replace_failed="true").replicas["eu"]["outcome"] == "created"
    assert not joint.calls("delete")


@pytest.mark.parametrize("switches", [{"image_by_id": each} for each in ("accept", "refuse")])
@pytest.mark.parametrize("before", ["get", "delete"])
def test_the_copy_of_another_run_in_place_of_a_failed_one_stays(
    joint: Action, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """Two runs at once that replace what failed: the second one neither deletes the first one's copy nor fails."""
    joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", status="FAILED", **RIGHT, **of(joint))

    def replaced(_: Any) -> None:
        joint.emulator.delete_image("p1", "web-1-eu")
        joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", **RIGHT, **of(joint))

    meanwhile(monkeypatch, before, replaced)
    done = joint(replace_failed="true", required_locations="all")
    assert (done.exit_code, done.result, done.replicas["eu"]["reason"]) == (0, "complete", ""), done.log
    assert not [call for call in joint.calls("delete") if call["committed"]]
    assert not [call for call in joint.calls("insert", "-eu") if call["committed"]]


@pytest.mark.parametrize("switches", [{"image_by_id": "refuse"}])
def test_a_service_that_takes_no_ids_deletes_by_name(joint: Action) -> None:
    joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", status="FAILED", **RIGHT, **of(joint))
    assert joint(replace_failed="true").replicas["eu"]["outcome"] == "created"
    assert [call["committed"] for call in joint.calls("delete")] == [False, True]


def test_told_as_what_it_is(joint: Action) -> None:
    joint.emulator.add_image(project="p1", name="web-1-eu", location="eu", status="DELETING", **RIGHT, **of(joint))
    env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": joint.emulator.url, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
    argv = ["--source-image", "projects/p1/global/images/web-1"]
    stdout = io.StringIO()
    assert main(["plan", *argv], env, stdout) == 0
    assert "once the image that is being deleted is gone" in stdout.getvalue()
    stdout = io.StringIO()
    assert main(["verify", *argv], env, stdout) == 1
    assert "status: wanted READY, found DELETING" in stdout.getvalue()


def shows(action: Action, verb: str, name: str, status: str) -> None:
    """Reads show the image in another state."""
    shown = {key: value for key, value in action.image(name).items() if key not in {"project", "policy"}}
    shown["status"] = status
    answer = shown if verb == "get" else {"kind": "compute#imageList", "items": [shown]}
    body = {"kind": "body", "when": "before", "status": 200, "text": json.dumps(answer)}
    match = f"{name}$" if verb == "get" else ""
    action.emulator.faults([{"method": f"compute.images.{verb}", "match": match, "times": None, "action": body}])


@pytest.mark.parametrize("state", ["RESTORING", "ARCHIVED", ""])
@pytest.mark.parametrize("replace_failed", ["true", "false"])
def test_a_state_that_nobody_knows_is_told_as_what_it_is(
    action: Action, source: dict[str, Any], state: str, replace_failed: str
) -> None:
    """It isn't told as a copy that could not be made, and no command removes it."""
    origin = {"source_image": source["selfLink"], "source_image_id": source["id"]}
    action.emulator.add_image(project="p1", name="web-1-eu", location="eu", **RIGHT, **origin)
    shows(action, "list", "web-1-eu", state)
    done = action(locations="eu", replace_failed=replace_failed)
    row = done.replicas["eu"]
    assert (row["outcome"], row["reason"]) == ("failed", "not_ready")
    assert f"is in the state {state or '(none)'}, which is neither READY" in row["message"]
    assert not action.mutations()
    assert "images delete" not in done.log


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("RESTORING", "is in the state RESTORING, which nobody knows here. Look up what that means"),
        ("FAILED", "is in state FAILED. Build it anew"),
    ],
)
def test_a_source_in_another_state(action: Action, state: str, said: str) -> None:
    shows(action, "get", "web-1", state)
    done = action(locations="eu")
    assert done.exit_code == 3
    assert said in done.log
