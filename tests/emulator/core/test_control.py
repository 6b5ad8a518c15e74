"""The emulator's own interface: journal, state, reset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from emulator.core import journal
from emulator.core.clock import RealClock

if TYPE_CHECKING:
    import pytest

    from testkit.client import Client


def test_the_journal_tells_what_was_asked_and_answered(still: Client) -> None:
    still.insert("copy", labels={"a": "b"})
    still.get("/images", filter="name = x", maxResults=5)
    still.get("/images/family/web")
    still.get("/images/none/getIamPolicy")
    shown = still.send("GET", "/_emulator/journal").json
    first = shown[0]
    assert set(first) >= {
        "method", "project", "target", "principal", "query", "body", "status", "reason", "fault", "committed",
        "received", "answered", "dropped",
    }  # fmt: skip
    assert first["method"] == "compute.images.insert"
    assert first["target"] == "projects/p1/global/images/copy"
    assert first["body"]["labels"] == {"a": "b"}
    assert (first["status"], first["reason"], first["committed"], first["principal"]) == (200, None, True, None)
    assert first["received"] <= first["answered"]
    assert [entry["target"] for entry in shown[1:]] == [
        "projects/p1/global/images",
        "projects/p1/global/images/family/web",
        "projects/p1/global/images/none",
    ]
    assert shown[1]["query"] == {"filter": "name = x", "maxResults": "5"}
    assert (shown[3]["status"], shown[3]["reason"]) == (404, "notFound")
    assert len(still.emulator.journal()) == 4


def test_the_journal_holds_no_credentials(still: Client) -> None:
    key = {
        "imageEncryptionKey": {"rawKey": "c2VjcmV0LWtleQ=="},
        "sourceImageEncryptionKey": {"rsaEncryptedKey": "c2VjcmV0"},
    }
    headers = {"Authorization": "Bearer secret-token"}
    body = {"name": "copy", "sourceImage": "global/images/web", **key}
    path = "/compute/v1/projects/p1/global/images?access_token=secret-token&oauth_token=secret-token&key=secret-token"
    assert still.send("POST", path, body, headers).status == 200
    text = json.dumps(still.emulator.journal())
    assert "secret" not in text
    assert "c2VjcmV0" not in text
    assert "c2VjcmV0" not in json.dumps(still.emulator.state())


def test_the_journal_keeps_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LIMIT", 3)
    kept = journal.Journal(RealClock())
    for number in range(5):
        kept.open(method=str(number), project="", target="", query={}, body=None)
    assert [entry["method"] for entry in kept.show()] == ["2", "3", "4"]


def test_the_state_shows_everything_even_what_is_pending(still: Client) -> None:
    still.insert("copy")
    state = still.send("GET", "/_emulator/state").json
    web, copy = state["images"]
    assert (web["name"], web["project"], web["policy"]) == ("web", "p1", {"etag": "ACAB"})
    assert copy["status"] == "PENDING"
    assert [operation["operationType"] for operation in state["operations"]] == ["insert"]


def test_a_reset_forgets_everything_but_the_ids_given_out(still: Client) -> None:
    before = still.get("/images/web").json
    assert still.send("POST", "/_emulator/reset").json == {}
    assert still.emulator.state() == {"repositories": [], "images": [], "operations": []}
    assert still.emulator.journal() == []
    after = still.emulator.add_image(project="p1", name="web")
    assert int(after["id"]) > int(before["id"])
    assert after["creationTimestamp"] > before["creationTimestamp"]


def test_what_the_interface_lacks_is_said_clearly(still: Client) -> None:
    assert still.send("GET", "/_emulator/nothing").status == 404
    answer = still.send("GET", "/_emulator/reset")
    assert (answer.status, answer.message) == (405, "/_emulator/reset takes POST only.")
    assert still.emulator.journal() == []


def test_any_bearer_token_or_none_will_do(still: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "nonsense"}):
        assert still.send("GET", "/compute/v1/projects/p1/global/images/web", None, headers).status == 200
