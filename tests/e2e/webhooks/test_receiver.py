"""The receiver as a process: what it acknowledges is stored, and only what is verified is published."""

from __future__ import annotations

import base64
import copy
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from replicator.__main__ import main
from replicator.commands.webhooks import errors, event
from testkit.signing import world
from testkit.webhooks.sending import announced, ask, salted, send, settled
from testkit.webhooks.served import NEXT, SECRET, Served


def test_what_is_signed_is_published_once(served: Served) -> None:
    status, answer = send(served, announced())
    assert (status, answer["status"]) == (202, "queued"), served.log()
    row = settled(served, answer["publication_id"])
    assert (row["status"], row["reason"], row["version"]) == ("published", "", "v1"), row
    assert row["signed_by"].startswith("the key ")
    assert [each["status"] for each in row["events"]] == ["queued", "published"]
    # Again, with another id, time and secret: the same publication.
    later = {**announced(), "timestamp": "2026-12-01T00:00:00Z"}
    assert send(served, later, secret=NEXT, id="msg_other") == (200, {**answer, "status": "idempotent_hit"})
    _, told = ask(served, "webhook", "list")
    assert [hook["received"] for hook in told["hooks"]] == [1, 1]
    assert SECRET not in json.dumps(told)


def test_a_second_receiver_on_the_same_file_is_refused(served: Served) -> None:
    code, told = ask(served, "webhook", "serve")
    assert code == errors.RECEIVER_UNUSABLE.exit_code
    assert told["problem"].startswith("Another receiver works on this file; several at once need PostgreSQL. ")


def _changed(name: str, **fields: Any) -> dict[str, Any]:
    document = announced()
    document["data"][name] = {**document["data"][name], **fields}
    return document


def _bytes_of(name: str) -> dict[str, Any]:
    return event.file("x", (world.KEPT / name).read_bytes(), inline=True, release_url="")


def _without_location() -> list[dict[str, Any]]:
    images = copy.deepcopy(announced()["data"]["images"])
    images[0]["locations"] = images[0]["locations"][:1]
    return list(images)


HOSTILE = {
    "digest": [
        lambda: {**salted(1), "data": {**salted(1)["data"], "index": {**salted(1)["data"]["index"], "size": 7}}},
        lambda: _changed("index", digest="sha256:" + "0" * 64),
    ],
    "signature": [
        lambda: salted(2),
        lambda: announced(index=_bytes_of("other.json"), version="v9"),
        lambda: {**salted(3), "data": {**salted(3)["data"], "bundle": _bytes_of("other-key.sigstore.json")}},
        lambda: {**salted(4), "data": {**salted(4)["data"], "attestation": None}},
        lambda: {
            **salted(5),
            "data": {**salted(5)["data"], "bundle": event.file("x", b"{}", inline=True, release_url="")},
        },
    ],
}


@pytest.mark.parametrize(
    ("reason", "number"), [(name, at) for name, rows in HOSTILE.items() for at in range(len(rows))]
)
def test_the_holder_of_the_secret_alone_publishes_nothing(served: Served, reason: str, number: int) -> None:
    status, answer = send(served, HOSTILE[reason][number](), id=f"msg_{reason}{number}")
    assert status in {200, 202}, answer
    if status == 202:
        row = settled(served, answer["publication_id"])
        assert (row["status"], row["reason"], row["signed_by"]) == ("failed", reason, ""), row


def test_a_failed_one_is_queued_again(served: Served) -> None:
    _, answer = send(served, salted(9))
    assert settled(served, answer["publication_id"])["attempts"] == 1
    assert send(served, salted(9))[0] == 200
    assert settled(served, answer["publication_id"])["attempts"] == 2
    assert ask(served, "publications", "retry", answer["publication_id"])[0] == 0
    assert settled(served, answer["publication_id"])["attempts"] == 3
    assert ask(served, "publications", "retry", "pub_none")[0] == 1


class TestStrangers:
    def test_all_look_the_same(self, served: Served) -> None:
        body = event.to_bytes(announced())
        answers = [
            send(served, body, secret="whsec_" + base64.b64encode(b"x" * 32).decode()),
            send(served, body, hook="nobody"),
            send(served, body, webhook_timestamp=str(int(time.time()) - 301)),
            send(served, body, webhook_timestamp="1_000"),
            send(served, body, webhook_signature="v1,a,b"),
            send(served, body, webhook_signature="v1"),
            send(served, body, webhook_signature=""),
            send(served, b"\xff" * 100, webhook_signature="v1,AAAA"),
        ]
        assert {json.dumps(answer) for answer in answers} == {
            json.dumps((401, {"status": "error", "reason": "unauthenticated", "publication_id": ""}))
        }
        assert "unknown_hook" in served.log()
        assert "nobody" not in served.log()

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"[]", 422),
            (b"\xff", 422),
            (b"{" * 100_000, 422),
            (b'{"a":"\x1b[31m"}', 422),
            (b"x" * (4 * 2**20 + 1), 413),
        ],
    )
    def test_what_is_signed_and_no_event(self, served: Served, body: bytes, status: int) -> None:
        found, answer = send(served, body, id=f"msg_{status}")
        assert found == status
        assert answer["status"] == "error"
        assert "\x1b" not in served.log()

    def test_other_methods_types_and_ids(self, served: Served) -> None:
        document = announced()
        assert send(served, document, content_type="text/plain")[0] == 415
        assert send(served, salted(20), id="msg_same")[0] == 202
        assert send(served, salted(21), id="msg_same")[0] == 409
        connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=30)
        connection.request("GET", "/hooks/acme")
        assert connection.getresponse().status == 405
        connection.close()

    def test_a_body_without_an_end_is_bounded(self, served: Served) -> None:
        host, port = urlsplit(served.url).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as sent:
            sent.sendall(b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            try:
                for _ in range(200):
                    sent.sendall(piece)
                answer = sent.recv(100)
            except OSError:
                return
            assert b"413" in answer

    def test_it_is_well(self, served: Served) -> None:
        connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=30)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()


SENDER = """
time=$(date +%s)
key=$(printf %s "${SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \\n')
signature=$({ printf '%s.%s.' "$ID" "$time"; cat "$BODY"; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -H "webhook-id: $ID" \\
  -H "webhook-timestamp: $time" -H "webhook-signature: v1,$signature" --data-binary "@$BODY" "$URL/hooks/acme"
"""


def test_a_sender_made_of_curl_and_openssl(served: Served, tmp_path: Path) -> None:
    if not shutil.which("curl") or not shutil.which("openssl"):
        pytest.skip("curl or openssl is missing")
    (tmp_path / "body").write_bytes(event.to_bytes(salted(40)))
    env = {"PATH": os.environ["PATH"], "SECRET": SECRET, "ID": "msg_by_hand", "BODY": str(tmp_path / "body")}
    for secret, status in ((SECRET, "202"), (SECRET, "200"), (NEXT[:-4] + "AAA=", "401")):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", SENDER],
            env={**env, "URL": served.url, "SECRET": secret},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == status


def test_twenty_at_once_are_one_publication(served: Served) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: send(served, salted(30)), range(20)))
    assert {status for status, _ in answers} <= {200, 202}
    assert len({answer["publication_id"] for _, answer in answers}) == 1
    assert [status for status, _ in answers].count(202) == 1


def test_killed_it_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    served = Served(tmp_path)
    acknowledged = []
    for number in range(3):
        served.start()
        acknowledged += [send(served, salted(100 + 5 * number + each))[1]["publication_id"] for each in range(5)]
        served.stop(signal.SIGKILL)
    served.start()
    try:
        rows = [settled(served, publication) for publication in acknowledged]
        assert {(row["status"], row["reason"]) for row in rows} == {("failed", "signature")}
        # A second receiver on one file is refused.
        stdout = io.StringIO()
        assert main(["webhook", "serve", "--config", str(served.config)], {}, stdout) == 3
        assert "need PostgreSQL" in stdout.getvalue()
    finally:
        served.stop()


def test_export_is_lines_of_json(served: Served) -> None:
    stdout = io.StringIO()
    assert main(["publications", "export", "--config", str(served.config)], {}, stdout) == 0
    rows = [json.loads(line) for line in stdout.getvalue().splitlines()]
    assert rows
    assert all(row["id"].startswith("pub_") for row in rows)


def test_no_secret_is_in_the_log(served: Served) -> None:
    log = served.log()
    assert log
    assert SECRET not in log
    assert NEXT not in log
    assert "v1," not in log


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("    images: trust", "    image: trust"), "hooks.acme.image"),
        (lambda text: text.replace("policy: {key:", "policy: {certificate_oidc_issuer:"), "hooks.acme.policy"),
        (lambda text: "\n".join(line for line in text.splitlines() if "policy" not in line), "hooks.acme.policy"),
        (lambda text: text + text, "gives a key twice"),
        (lambda text: text.replace("acme:", "Ac/me:"), "hooks.Ac/me"),
        (lambda text: text.replace("/secret'", "/none'"), "doesn't exist"),
        (lambda text: "!!python/object:os.system {}", "isn't valid YAML"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, change: Any, says: str) -> None:
    served = Served(tmp_path)
    served.config.write_text(change(served.config.read_text("utf-8")), "utf-8")
    stdout = io.StringIO()
    assert main(["webhook", "serve", "--config", str(served.config)], {}, stdout) == 2
    assert says in stdout.getvalue()


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    served = Served(tmp_path)
    (tmp_path / "secret").chmod(0o644)
    stdout = io.StringIO()
    assert main(["webhook", "serve", "--config", str(served.config)], {}, stdout) == 2
    assert "chmod 600" in stdout.getvalue()


def test_several_receivers_on_one_postgresql(postgresql: str, tmp_path: Path) -> None:
    both = []
    program = tmp_path / "on-image"
    program.write_text(f'#!/bin/sh\necho "$REPLICATOR_PUBLICATION_ID" >>{tmp_path}/ran\n', "utf-8")
    program.chmod(0o700)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        both.append(Served(tmp_path / name, state=postgresql, more=f"    run: ['{program}']\n").start())
    try:
        with ThreadPoolExecutor(10) as pool:
            jobs = [(both[each % 2], salted(200 + each // 4)) for each in range(20)]
            answers = list(pool.map(lambda job: send(*job), jobs))
        assert {status for status, _ in answers} <= {200, 202}
        assert [status for status, _ in answers].count(202) == 5
        publications = {answer["publication_id"] for _, answer in answers}
        assert len(publications) == 5
        _, answer = send(both[0], announced())
        assert settled(both[1], answer["publication_id"])["status"] == "published"
        for _ in range(300):
            if settled(both[1], answer["publication_id"])["command"] == "done":
                break
            time.sleep(0.05)
        assert (tmp_path / "ran").read_text("utf-8").split() == [answer["publication_id"]]
        rows = [settled(both[0], publication) for publication in sorted(publications)]
        # A redelivery after it failed queues it again; each time one receiver alone verifies it.
        for row in rows:
            assert [each["status"] for each in row["events"]] == ["queued", "failed"] * row["attempts"]
    finally:
        for served in both:
            served.stop()


def test_all_of_its_log_is_objects_a_line(served: Served) -> None:
    """Also where the web server itself has something to say, which strangers may make it say as often as they like."""
    host, port = urlsplit(served.url).netloc.split(":")
    for request in (b"\x16\x03\x01 this is TLS\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"):  # fmt: skip
        with socket.create_connection((host, int(port)), timeout=30) as sent:
            sent.sendall(request)
            assert sent.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 200"))
    lines = [json.loads(line) for line in served.log().splitlines()]
    remarks = [line["message"] for line in lines if line["event"] == "server"]
    assert "Invalid HTTP request received." in remarks
    assert not [remark for remark in remarks if "WebSocket" in remark or "upgrade" in remark]
