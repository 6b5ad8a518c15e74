"""Operations: their shape, request ids, and waiting."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

import pytest

from emulator.compute.operations import progress, status
from emulator.compute.state import Operation
from emulator.testing import running
from testkit.client import Client

if TYPE_CHECKING:
    from emulator.testing import Running

ONE = "1f0e2d3c-0000-4000-8000-000000000001"


def operation(*, ends: float, kind: str = "insert") -> Operation:
    return Operation(project="p", id="1", name="o", type=kind, target="t", target_id="2", inserted=100.0, ends=ends)


@pytest.mark.parametrize(
    ("ends", "now", "polls", "shown"),
    [
        (110.0, 100.0, 0, "RUNNING"),
        (110.0, 109.9, 5, "RUNNING"),
        (110.0, 110.0, 1, "DONE"),
        (100.0, 100.0, 0, "RUNNING"),
        (100.0, 100.0, 1, "DONE"),
        (math.inf, 1e12, 1, "RUNNING"),
    ],
)
def test_status_is_a_function_of_time_and_looks(ends: float, now: float, polls: int, shown: str) -> None:
    assert status(operation(ends=ends), now, polls) == shown


def test_labels_are_set_at_once() -> None:
    assert status(operation(ends=100.0, kind="setLabels"), 100.0, 0) == "DONE"


def test_progress_stays_below_the_end() -> None:
    assert [progress(operation(ends=110.0), now) for now in (99.0, 100.0, 105.0, 109.999)] == [0, 0, 50, 99]
    assert progress(operation(ends=math.inf), 1e12) == 0


def test_the_shape_as_recorded(still: Client) -> None:
    first = still.post("/images", {"name": "copy", "sourceImage": "global/images/web"}, requestId=ONE).json
    name = first["name"]
    assert first.keys() == {
        "kind", "id", "name", "operationType", "targetLink", "targetId", "status", "user", "progress", "insertTime",
        "selfLink", "clientOperationId",
    }  # fmt: skip
    assert (first["status"], still.get(f"/operations/{name}").json["status"]) == ("PENDING", "RUNNING")
    assert "startTime" in still.get(f"/operations/{name}").json
    assert first["kind"] == "compute#operation"
    assert first["operationType"] == "insert"
    assert first["clientOperationId"] == ONE
    assert first["targetId"] == still.get("/images/copy").json["id"]
    assert first["selfLink"] == f"https://www.googleapis.com/compute/v1/projects/p1/global/operations/{name}"
    assert still.get(f"/operations/{first['id']}").json["name"] == name


def test_a_repeated_request_id_gives_the_same_operation(still: Client) -> None:
    body = {"name": "copy", "sourceImage": "global/images/web"}
    first = still.post("/images", body, requestId=ONE)
    still.advance(10.0)
    second = still.post("/images", body, requestId=ONE.upper())
    assert second.json["name"] == first.json["name"]
    assert second.json["status"] == "DONE"
    assert [entry["committed"] for entry in still.emulator.journal()] == [True, False]
    assert still.post("/images", body).reason == "alreadyExists"


def test_a_refused_request_id_may_be_used_again(still: Client) -> None:
    body = {"name": "copy", "sourceImage": "global/images/later"}
    assert still.post("/images", body, requestId=ONE).status == 404
    still.emulator.add_image(project="p1", name="later")
    assert still.post("/images", body, requestId=ONE).status == 200


@pytest.mark.parametrize("value", ["", "x", "00000000-0000-0000-0000-000000000000", ONE.replace("-", ""), f"{ONE}0"])
def test_a_malformed_or_zero_request_id_is_refused(still: Client, value: str) -> None:
    answer = still.post("/images", {"name": "copy", "sourceImage": "global/images/web"}, requestId=value)
    assert (answer.status, answer.reason) == (400, "invalid")


def test_set_labels_has_no_request_id(still: Client) -> None:
    assert still.post("/images/web/setLabels", {}, requestId=ONE).reason == "invalidParameter"


def test_wait_answers_the_moment_the_operation_ends(emulator: Running, client: Client) -> None:
    emulator.add_image(project="p1", name="web")
    before = time.monotonic()
    done = client.wait(client.insert("copy"))
    assert 0.015 < time.monotonic() - before < 0.5
    assert done["progress"] == 100


def test_wait_gives_up_after_its_longest_time() -> None:
    with running(copy_seconds=60.0, wait_seconds=0.02) as emulator:
        emulator.add_image(project="p1", name="web")
        client = Client(emulator)
        name = client.insert("copy").json["name"]
        before = time.monotonic()
        answer = client.post(f"/operations/{name}/wait").json
        assert 0.015 < time.monotonic() - before < 0.5
        assert answer["status"] == "RUNNING"


def test_wait_ends_when_time_is_moved(still: Client) -> None:
    name = still.insert("copy").json["name"]
    answers: list[str] = []
    waiter = threading.Thread(
        target=lambda: answers.append(still.post(f"/operations/{name}/wait").json["status"]), daemon=True
    )
    waiter.start()
    while len(still.emulator.journal()) < 2:
        time.sleep(0.001)
    assert still.emulator.journal()[-1]["answered"] is None
    still.advance(10.0)
    waiter.join(5)
    assert answers == ["DONE"]


def test_missing_operations(still: Client) -> None:
    for answer in (
        still.get("/operations/none"),
        still.post("/operations/none/wait"),
        still.delete("/operations/none"),
    ):
        assert (answer.status, answer.reason) == (404, "notFound")


def test_deleting_an_operation_forgets_the_record_only(still: Client) -> None:
    name = still.insert("copy").json["name"]
    answer = still.delete(f"/operations/{name}")
    assert (answer.status, answer.content) == (204, b"")
    assert still.get(f"/operations/{name}").status == 404
    still.advance(10.0)
    assert still.get("/images/copy").json["status"] == "READY"


def test_lists_of_operations(still: Client) -> None:
    names = [still.insert(name).json["name"] for name in ("a", "b")]
    still.wait(still.delete("/images/a"))
    listed = still.get("/operations", filter='(operationType = "insert") (targetLink : "images/b")').json
    assert [each["name"] for each in listed["items"]] == [names[1]]
    newest = still.get("/operations", orderBy="creationTimestamp desc", maxResults=1).json
    assert (newest["items"][0]["operationType"], "nextPageToken" in newest) == ("delete", True)
    path = "/compute/v1/projects/p1/aggregated/operations?returnPartialSuccess=True&includeAllScopes=true"
    assert len(still.send("GET", path).json["items"]["global"]["operations"]) == 3
    empty = still.send("GET", "/compute/v1/projects/none/aggregated/operations").json
    assert empty["items"]["global"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
