"""gcloud's recorded requests and its batches; tests/clients/emulator runs the program itself."""

from __future__ import annotations

import email
import json
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from testkit.client import Client

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "gcloud-requests.jsonl").read_text("utf-8").splitlines()
]
MIXED = {"Content-Type": 'multipart/mixed; boundary="==="'}


def now_valid(still: Client, path: str, body: Any, operation: str) -> tuple[str, Any]:
    """A recorded request with what the server of that day gave out replaced by what this one gives out."""
    if "/operations/operation-" in path:
        path = f"{path.split('/operations/')[0]}/operations/{operation}/wait?alt=json"
    if isinstance(body, dict):
        name = path.split("?")[0].removesuffix("/setLabels").rpartition("/")[2]
        if "labelFingerprint" in body:
            body = {**body, "labelFingerprint": still.get(f"/images/{name}").json["labelFingerprint"]}
    if isinstance(body, str):
        mark = still.get("/images/dst-1795227104").json["labelFingerprint"]
        body = body.replace("J12yng3C", mark)
    return path, body


def test_the_recorded_requests_are_answered(still: Client) -> None:
    still.emulator.add_image(project="src-proj", name="img-v1", family="fam")
    operation = ""
    statuses = []
    for request in RECORDED:
        path, body = now_valid(still, request["path"], request["body"], operation)
        still.advance(20.0)
        content = body.encode() if isinstance(body, str) else body
        headers = {name: value for name, value in request["headers"].items() if name != "accept"}
        answer = still.send(request["method"], path, content, headers)
        statuses.append(answer.status)
        if answer.status == 200 and answer.content.startswith(b'{"kind":"compute#operation"'):
            operation = answer.json["name"]
    refused = {number: status for number, status in enumerate(statuses) if status != 200}
    # The same name again; an image that was deleted.
    assert refused == {10: 409, 32: 404}
    source = still.get("/images/src-1795227104").json
    assert source["deprecated"]["replacement"].endswith("/projects/p1/global/images/dst-1795227104")
    assert not any(entry["unsupported"] for entry in still.emulator.journal())
    patched = [entry for entry in still.emulator.journal() if entry["body"] == {"description": "dd", "family": "fam3"}]
    assert [entry["status"] for entry in patched] == [200]


def batch(*requests: str, kind: str = "application/http") -> bytes:
    parts = "".join(
        f"--===\nContent-Type: {kind}\nContent-ID: <abc+{number}>\n\n{request}\n"
        for number, request in enumerate(requests)
    )
    return f"{parts}--===--\n".encode()


def parts(answer: Any) -> list[tuple[str, str, Any]]:
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    found = []
    for part in email.message_from_bytes(head + answer.content).get_payload():
        assert isinstance(part, Message)
        text = str(part.get_payload()).replace("\r\n", "\n")
        head_text, _, body = text.partition("\n\n")
        found.append((str(part["Content-ID"]), head_text.split("\n")[0], json.loads(body)))
    return found


def test_a_batch_is_answered_part_by_part(still: Client) -> None:
    root = "/compute/v1/projects/p1/global/images"
    answer = still.send(
        "POST",
        "/batch/compute/v1",
        batch(
            f"GET {root}/web HTTP/1.1\n\n",
            f"GET {root}/none?alt=json HTTP/1.1\n\n",
            f'PATCH {root}/web HTTP/1.1\nContent-Type: application/json\n\n{{"description": "ä"}}',
            "GET /_emulator/journal HTTP/1.1\n\n",
        ),
        MIXED,
    )
    assert [(mark, line) for mark, line, _ in parts(answer)] == [
        ("<response-abc+0>", "HTTP/1.1 200 OK"),
        ("<response-abc+1>", "HTTP/1.1 404 Not Found"),
        ("<response-abc+2>", "HTTP/1.1 200 OK"),
        ("<response-abc+3>", "HTTP/1.1 404 Not Found"),
    ]
    assert still.get("/images/web").json["description"] == "ä"
    entries = still.emulator.journal()[:4]
    assert [entry["status"] for entry in entries] == [200, 404, 200, 404]
    assert [entry["method"] for entry in entries] == [
        "compute.images.get", "compute.images.get", "compute.images.patch", "",
    ]  # fmt: skip


def test_faults_meet_the_parts_of_a_batch(still: Client) -> None:
    request = "GET /compute/v1/projects/p1/global/images/web HTTP/1.1\n\n"
    limit = {"kind": "http", "code": 403, "reason": "rateLimitExceeded"}
    still.emulator.faults([{"skip": 1, "action": limit}, {"skip": 2, "action": {"kind": "drop"}}])
    answer = still.send("POST", "/batch/compute/v1", batch(request, request), MIXED)
    assert [line for _, line, _ in parts(answer)] == ["HTTP/1.1 200 OK", "HTTP/1.1 403 Forbidden"]
    with pytest.raises(ConnectionResetError):
        still.send("POST", "/batch/compute/v1", batch(request, request), MIXED)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", MIXED),
        (b"nothing", MIXED),
        (batch("GET / HTTP/1.1"), {}),
        (batch("GET / HTTP/1.1"), {"Content-Type": "multipart/mixed"}),
        (batch("GET / HTTP/1.1", kind="text/plain"), MIXED),
        (batch(""), MIXED),
        (batch("GET"), MIXED),
        (batch(*["GET / HTTP/1.1\n\n"] * 1001), MIXED),
    ],
)
def test_malformed_batches_are_refused(still: Client, content: bytes, headers: dict[str, str]) -> None:
    answer = still.send("POST", "/batch/compute/v1", content, headers)
    assert (answer.status, answer.reason) == (400, "badRequest")
