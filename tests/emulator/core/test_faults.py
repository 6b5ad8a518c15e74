"""Faults to order, each on a real socket, and their accounts."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from emulator.core.api_errors import DEFAULT_MESSAGES

if TYPE_CHECKING:
    from emulator.testing import Running
    from testkit.client import Client, Response

INSERT = "compute.images.insert"
RATE = {"kind": "http", "code": 403, "reason": "rateLimitExceeded"}
TOO_OFTEN = {"kind": "operation", "code": "RESOURCE_OPERATION_RATE_EXCEEDED", "http_status": 403}


def order(client: Client, action: dict[str, Any], **spec: Any) -> None:
    client.emulator.faults([{"action": action, **spec}])


def account(client: Client, place: int = 0) -> tuple[int, int, int | None]:
    fault = client.emulator.faults()[place]
    return fault["seen"], fault["fired"], fault["left"]


def names(client: Client) -> set[str]:
    return {image["name"] for image in client.emulator.state()["images"]}


@pytest.mark.parametrize(("when", "made"), [("before", False), ("after", True)])
def test_an_error_answer_before_or_after_the_change(still: Client, when: str, made: bool) -> None:
    order(still, {**RATE, "when": when, "headers": {"Retry-After": "7"}}, method=INSERT, id="limit")
    answer = still.insert("copy")
    assert (answer.status, answer.reason, answer.message) == (403, "rateLimitExceeded", "Rate Limit Exceeded")
    assert answer.json["error"]["errors"][0]["domain"] == "usageLimits"
    assert answer.headers["retry-after"] == "7"
    assert ("copy" in names(still)) is made
    entry = still.emulator.journal()[-1]
    assert (entry["fault"], entry["committed"], entry["status"]) == ("limit", made, 403)
    assert entry["reason"] == "rateLimitExceeded"
    assert account(still) == (1, 1, 0)
    assert still.insert("copy").status == (409 if made else 200)


def test_before_comes_ahead_of_the_schema_check(still: Client) -> None:
    order(still, {"kind": "http", "code": 503, "reason": "backendError"})
    assert still.post("/images", b"{").status == 503
    assert still.post("/images", b"{").status == 400


def test_injected_errors_look_like_native_ones(still: Client) -> None:
    native = still.get("/images/none")
    message = "The resource 'projects/p1/global/images/none' was not found"
    order(still, {"kind": "http", "code": 404, "reason": "notFound", "message": message})
    assert still.get("/images/none").content == native.content
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"}]
    order(still, {**RATE, "details": details})
    assert still.get("/images/none").json["error"]["details"] == details
    assert all(DEFAULT_MESSAGES.values())


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(("when", "made"), [("before", False), ("after", True)])
def test_a_dropped_connection(still: Client, when: str, made: bool, how: str, caplog: pytest.LogCaptureFixture) -> None:
    order(still, {"kind": "drop", "when": when, "how": how}, method=INSERT)
    with pytest.raises(ConnectionResetError) as caught:
        still.insert("copy")
    assert isinstance(caught.value, http.client.RemoteDisconnected) is (how == "close")
    assert ("copy" in names(still)) is made
    entry = still.emulator.journal()[-1]
    assert (entry["dropped"], entry["answered"], entry["status"]) == (True, None, None)
    assert entry["committed"] is made
    assert not caplog.records


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_truncated_answer(still: Client, how: str) -> None:
    order(still, {"kind": "drop", "when": "during", "how": how}, method=INSERT)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)) as caught:
        still.insert("copy")
    if how == "close":
        assert isinstance(caught.value, http.client.IncompleteRead)
        assert 0 < len(caught.value.partial) < 2000
    assert "copy" in names(still)
    entry = still.emulator.journal()[-1]
    assert (entry["dropped"], entry["answered"], entry["status"]) == (True, None, 200)


@pytest.mark.parametrize(("when", "made"), [("before", False), ("after", True)])
def test_any_body(still: Client, when: str, made: bool) -> None:
    order(still, {"kind": "body", "when": when, "status": 502, "text": "<html>äh</html>"}, method=INSERT)
    answer = still.insert("copy")
    assert (answer.status, answer.content) == (502, "<html>äh</html>".encode())
    assert answer.headers["content-type"].startswith("text/html")
    assert ("copy" in names(still)) is made


def test_a_delay(emulator: Running, client: Client) -> None:
    order(client, {"kind": "delay", "seconds": 0.03})
    before = time.monotonic()
    assert client.get("/images").status == 200
    assert 0.03 <= time.monotonic() - before < 0.5
    entry = emulator.journal()[-1]
    assert entry["answered"] - entry["received"] >= 0.03
    assert entry["fault"] == "fault-0"


@pytest.mark.parametrize(("leaves", "status"), [("nothing", None), ("failed", "FAILED"), ("ready", "READY")])
def test_an_operation_that_fails_shows_it_at_its_end(still: Client, leaves: str, status: str | None) -> None:
    order(still, {**TOO_OFTEN, "leaves": leaves}, method=INSERT, match="images/copy")
    answer = still.insert("copy")
    assert answer.json["status"] == "PENDING"
    assert still.get("/images/copy").json["status"] == "PENDING"
    done = still.wait(answer)
    assert done["error"]["errors"][0]["code"] == "RESOURCE_OPERATION_RATE_EXCEEDED"
    assert "Too frequent operations from the source resource" in done["error"]["errors"][0]["message"]
    assert (done["httpErrorStatusCode"], done["httpErrorMessage"], done["progress"]) == (403, "FORBIDDEN", 100)
    image = still.get("/images/copy")
    assert (image.json["status"] if image.status == 200 else None) == status
    if status is None:
        assert still.insert("copy").status == 200
    assert account(still) == (1, 1, 0)


def test_an_operation_may_fail_without_an_http_status(still: Client) -> None:
    order(still, {"kind": "operation", "code": "INTERNAL_ERROR", "message": "m", "http_status": None})
    done = still.wait(still.insert("copy"))
    assert done["error"]["errors"] == [{"code": "INTERNAL_ERROR", "message": "m"}]
    assert not {"httpErrorStatusCode", "httpErrorMessage"} & done.keys()


def test_an_operation_may_fail_with_a_status_that_nobody_knows(still: Client) -> None:
    order(still, {**TOO_OFTEN, "http_status": 599})
    done = still.wait(still.insert("copy"))
    assert (done["httpErrorStatusCode"], done["httpErrorMessage"]) == (599, "ERROR")


def test_a_repeated_request_id_gives_the_failed_operation_again(still: Client) -> None:
    order(still, TOO_OFTEN)
    body = {"name": "copy", "sourceImage": "global/images/web"}
    query = {"requestId": "1f0e2d3c-0000-4000-8000-000000000001"}
    name = still.wait(still.post("/images", body, **query))["name"]
    again = still.post("/images", body, **query).json
    assert (again["name"], again["error"]["errors"][0]["code"]) == (name, TOO_OFTEN["code"])


@pytest.mark.parametrize(("leaves", "changed"), [("nothing", False), ("failed", False), ("ready", True)])
def test_other_operations_fail_too(still: Client, leaves: str, changed: bool) -> None:
    still.emulator.faults([{"times": None, "action": {**TOO_OFTEN, "leaves": leaves}}])
    mark = still.get("/images/web").json["labelFingerprint"]
    labels = still.post("/images/web/setLabels", {"labels": {"a": "b"}, "labelFingerprint": mark})
    for answer in (labels, still.patch("/images/web", {"description": "d"}), still.post("/images/web/deprecate", {})):
        assert answer.json["status"] == "RUNNING"
        assert "error" in still.wait(answer)
    image = still.get("/images/web").json
    assert ("labels" in image, "description" in image) == (changed, changed)
    assert "error" in still.wait(still.delete("/images/web"))
    assert (still.get("/images/web").status == 404) is changed


def test_an_operation_that_is_stuck_never_ends(still: Client) -> None:
    order(still, {"kind": "operation", "state": "stuck"}, method=INSERT)
    name = still.insert("copy").json["name"]
    still.advance(1e6)
    assert still.get(f"/operations/{name}").json["status"] == "RUNNING"
    assert still.get("/images/copy").json["status"] == "PENDING"


def test_an_operation_that_is_gone_leaves_an_image_that_becomes_ready(still: Client) -> None:
    order(still, {"kind": "operation", "state": "gone"}, method=INSERT)
    name = still.insert("copy").json["name"]
    assert still.get(f"/operations/{name}").status == 404
    assert still.post(f"/operations/{name}/wait").status == 404
    assert still.get("/operations").json.get("items") is None
    assert still.get("/images/copy").json["status"] == "PENDING"
    still.advance(10.0)
    assert still.get("/images/copy").json["status"] == "READY"


def test_an_operation_fault_waits_for_an_operation(still: Client) -> None:
    order(still, TOO_OFTEN)
    assert still.get("/images/web").status == 200
    assert still.insert("web").status == 409
    assert still.emulator.journal()[-1]["fault"] is None
    assert account(still)[1:] == (0, 1)
    assert "error" in still.wait(still.insert("copy"))


def test_the_first_match_wins_and_used_up_faults_give_way(still: Client) -> None:
    still.emulator.faults(
        [
            {"id": "two", "match": "images/web$", "times": 2, "action": {**RATE, "code": 403}},
            {"id": "rest", "method": "compute.images.get", "times": None, "action": {**RATE, "code": 503}},
        ]
    )
    assert [still.get("/images/web").status for _ in range(4)] == [403, 403, 503, 503]
    assert still.get("/images/other").status == 503
    assert still.get("/images").status == 200
    assert [account(still, place) for place in (0, 1)] == [(2, 2, 0), (3, 3, None)]


def test_a_skipped_request_may_meet_a_later_fault(still: Client) -> None:
    still.emulator.faults([{"skip": 2, "action": {**RATE, "code": 403}}, {"action": {**RATE, "code": 503}}])
    assert [still.get("/images").status for _ in range(4)] == [503, 200, 403, 200]
    assert account(still) == (3, 1, 0)


def test_match_looks_at_the_target_then_at_the_body(still: Client) -> None:
    order(still, RATE, match='"sourceImage":"projects/p1/global/images/web","storageLocations":\\["eu"\\]')
    for location, status in (("us", 200), ("eu", 403)):
        body = {
            "storageLocations": [location],
            "sourceImage": "projects/p1/global/images/web",
            "name": f"copy-{location}",
        }
        assert still.post("/images", body).status == status
    order(still, RATE, match="^projects/p1/global/images/copy-asia$")
    assert still.insert("copy-asia").status == 403


@pytest.mark.parametrize(
    "faults",
    [
        {},
        [1],
        [{}],
        [{"action": {}}],
        [{"action": {"kind": "hang", "seconds": 1}}],
        [{"action": {"kind": "stale", "reads": 0}}],
        [{"action": {"kind": "http", "code": 200, "reason": "x"}}],
        [{"action": {"kind": "http", "code": 403}}],
        [{"action": {**RATE, "when": "during"}}],
        [{"action": {**RATE, "headers": {"a b": "c"}}}],
        [{"action": {**RATE, "headers": {"a": "b\r\nc: d"}}}],
        [{"action": {**RATE, "headers": {"Content-Length": "1"}}}],
        [{"action": {**RATE, "what": 1}}],
        [{"action": RATE, "what": 1}],
        [{"action": RATE, "method": "compute.images.copy"}],
        [{"action": RATE, "match": "("}],
        [{"action": RATE, "skip": -1}],
        [{"action": RATE, "times": 0}],
        [{"action": RATE, "times": True}],
        [{"action": RATE, "id": "a"}, {"action": RATE, "id": "a"}],
        [{"action": {"kind": "drop", "how": "cut"}}],
        [{"action": {"kind": "delay"}}],
        [{"action": {"kind": "delay", "seconds": -1}}],
        [{"action": {"kind": "body", "status": 502}}],
        [{"action": {"kind": "body", "status": 204, "text": ""}}],
        [{"action": {"kind": "operation"}}],
        [{"action": {"kind": "operation", "state": "late"}}],
        [{"action": {**TOO_OFTEN, "state": "stuck"}}],
        [{"action": {**TOO_OFTEN, "leaves": "all"}}],
        [{"action": {**TOO_OFTEN, "http_status": 200}}],
    ],
)
def test_wrong_faults_set_nothing(still: Client, faults: Any) -> None:
    order(still, RATE, id="kept")
    wrong = [{"action": RATE}, *faults] if isinstance(faults, list) else faults
    answer = still.send("POST", "/_emulator/faults", wrong)
    assert answer.status == 400
    assert answer.message
    assert [fault["id"] for fault in still.emulator.faults()] == ["kept"]


def test_faults_over_http(still: Client) -> None:
    spec = {
        "id": "x",
        "method": INSERT,
        "match": None,
        "skip": 1,
        "times": None,
        "action": {"kind": "delay", "seconds": 0},
    }
    assert still.send("POST", "/_emulator/faults", [spec]).status == 200
    shown = still.send("GET", "/_emulator/faults").json
    assert shown == [{**spec, "seen": 0, "fired": 0, "left": None}]
    assert still.send("POST", "/_emulator/faults", []).json == []
    for content in (b"", b"[", b"null"):
        assert still.send("POST", "/_emulator/faults", content).status == 400


@pytest.mark.parametrize("what", ["delay", "wait"])
def test_a_reset_frees_whoever_waits(still: Client, what: str) -> None:
    operation = still.insert("copy").json["name"]
    if what == "delay":
        order(still, {"kind": "delay", "seconds": 3600})
    ended: list[Response | Exception] = []

    def ask() -> None:
        try:
            ended.append(still.post(f"/operations/{operation}/wait"))
        except ConnectionError as error:
            ended.append(error)

    waiter = threading.Thread(target=ask, daemon=True)
    waiter.start()
    while len(still.emulator.journal()) < 2:
        time.sleep(0.001)
    assert still.send("POST", "/_emulator/reset").status == 200
    waiter.join(5)
    assert isinstance(ended[0], ConnectionError)
    assert still.emulator.faults() == still.emulator.journal() == []
    assert still.emulator.state() == {"repositories": [], "images": [], "operations": []}


def test_a_request_that_hangs_until_a_reset(still: Client) -> None:
    order(still, {"kind": "hang"}, method=INSERT)
    broken: list[Exception] = []

    def hang() -> None:
        try:
            still.insert("copy")
        except ConnectionResetError as error:
            broken.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    while not still.emulator.journal():
        time.sleep(0.001)
    still.advance(10_000.0)
    assert still.get("/images/copy").status == 404
    assert account(still) == (1, 1, 0)
    still.emulator.assert_faults_used()
    still.emulator.reset()
    thread.join(5)
    assert broken


def test_a_request_that_hangs_ends_with_its_client(still: Client) -> None:
    order(still, {"kind": "hang"})
    host, port = still.address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /compute/v1/projects/p1/global/images/web HTTP/1.1\r\nHost: x\r\n\r\n")
        while not still.emulator.journal():
            time.sleep(0.001)
    while not still.emulator.journal()[0]["dropped"]:
        time.sleep(0.001)


def test_stale_reads(still: Client) -> None:
    stale = {"kind": "stale", "reads": 2}
    order(still, stale, match="images/web$")
    # A change is no read.
    still.patch("/images/web", {"family": "new"})
    assert [still.get("/images/web").json["family"] for _ in range(3)] == ["web", "web", "new"]
    assert account(still) == (2, 2, 0)
    assert [bool(entry["fault"]) for entry in still.emulator.journal()] == [False, True, True, False]
    still.emulator.assert_faults_used()


@pytest.mark.parametrize(
    ("path", "stale", "fresh"),
    [
        ("/images", ["web"], ["copy", "web"]),
        ("/images/copy", 404, "copy"),
        ("/images/family/web", "web", "copy"),
    ],
)
def test_what_stale_reads_see_of_a_new_image(still: Client, path: str, stale: Any, fresh: Any) -> None:
    def seen() -> Any:
        answer = still.get(path)
        if answer.status != 200:
            return answer.status
        return answer.json.get("name") or [each["name"] for each in answer.json["items"]]

    still.insert("copy", family="web")
    still.advance(20.0)
    order(still, {"kind": "stale"})
    still.get("/operations")
    assert [seen(), seen()] == [stale, fresh]


def test_what_cannot_be_stale_uses_nothing_up(still: Client) -> None:
    order(still, {"kind": "stale"}, match="none$", times=3)
    assert still.get("/images/none").status == 404
    assert account(still) == (0, 0, 3)
    with pytest.raises(AssertionError, match="not used up"):
        still.emulator.assert_faults_used()
    order(still, {"kind": "delay", "seconds": 0}, times=None)
    with pytest.raises(AssertionError, match="not used up"):
        still.emulator.assert_faults_used()
    still.get("/images/web")
    still.emulator.assert_faults_used()


def test_a_deleted_image_is_still_read(still: Client) -> None:
    still.wait(still.delete("/images/web"))
    order(still, {"kind": "stale"})
    assert [still.get("/images/web").status for _ in range(2)] == [200, 404]
