"""No report tells whose project it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from scripts.smoke import report
from scripts.smoke.redaction import Redaction
from testkit.smoking.trying import ID, PROJECT, Tried, cloud

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "123456789012"
SECRETS = [
    PROJECT,
    NUMBER,
    "boss@corp.example",
    "ci@acme-images.iam.gserviceaccount.com",
    "203.0.113.7",
    "2001:db8:0:0:0:0:0:1",
    "998877665544",
    "112233445566",
    "C01abcdef",
    "secret-corp.example",
    "8412345678901234567",
    "me@corp.example",
]
MESSAGE = (
    f"Denied to user:{SECRETS[2]} and serviceAccount:{SECRETS[3]} from {SECRETS[4]} or {SECRETS[5]} in "
    f"organizations/{SECRETS[6]}, folders/{SECRETS[7]}, customer {SECRETS[8]}, domain:{SECRETS[9]}, "
    f"projects/{NUMBER} ({PROJECT}), id {SECRETS[10]}. ```"
)


def test_a_run_whose_answers_tell_everything(tmp_path: Path) -> None:
    principals = {"t": {"name": f"user:{SECRETS[11]}", "permissions": ["*"]}}
    with cloud(principals=principals) as emulator:
        action = {"kind": "http", "code": 403, "reason": "forbidden", "message": MESSAGE}
        emulator.faults([{"method": "compute.images.insert", "match": "-none", "times": None, "action": action}])
        Tried(emulator, tmp_path, token="t").go(only=("copy",))
    found = [(tmp_path / ID / name).read_text("utf-8") for name in report.NAMES]
    assert [(secret, name) for secret in SECRETS for name in found if secret in name] == []
    assert "email-1" in found[0]
    assert found[0].count("```") % 2 == 0


def test_the_same_value_has_the_same_pseudonym() -> None:
    redaction = Redaction({PROJECT: "project"})
    assert redaction.text(f"projects/{PROJECT}/x {PROJECT}2 A@corp.example a@corp.example") == (
        f"projects/project-1/x {PROJECT}2 email-1 email-1"
    ) or redaction.text("a@corp.example") != redaction.text("b@corp.example")
    assert redaction.value({PROJECT: [PROJECT, 1, None]}) == {"project-1": ["project-1", 1, None]}
    assert redaction.text("a@corp.example") == redaction.text("a@corp.example")


@pytest.mark.parametrize("secret", SECRETS[:6] + SECRETS[8:9])
def test_what_is_left_is_noticed(secret: str) -> None:
    redaction = Redaction({PROJECT: "project"})
    assert redaction.left(f"before {secret} after")
    assert not redaction.left(redaction.text(f"before {secret} after"))


def test_a_report_that_would_tell_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Redaction, "text", lambda self, text: text)
    with cloud() as emulator:
        tried = Tried(emulator, tmp_path)
        code, found = tried.go(only=("family",))
    assert (code, found) == (1, {})
    assert any(line.startswith("No report") for line in tried.lines)
    assert not (tmp_path / ID / "smoke-report.md").exists()


def test_ids_of_the_report_are_pseudonyms_too(tmp_path: Path) -> None:
    with cloud(seed=7) as emulator:
        Tried(emulator, tmp_path).go(only=("copy",))
        ids = {entry["targetId"] for entry in emulator.state()["operations"]}
    text = (tmp_path / ID / "smoke-report.json").read_text("utf-8")
    assert ids
    assert not [each for each in ids if each in text]
    assert json.loads(text)["schema"] == 1
