"""Every fault at every call of `registry ensure`, and every answer to what nobody has confirmed of the service.

It ends right, or says what is wrong; and the next run heals it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest

from emulator.artifact_registry.scenario import Switches
from emulator.core.scenario import Switches as Common
from emulator.testing import running
from replicator.commands.registry import artifacts
from testkit.registry.mirroring import CREATE, GET, PATCH, SET, SPELLINGS, Registry, states

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = """\
project: p1
locations: [us, europe]
mirrors:
  ghcr.io: {repository: ghcr-mirror, labels: {team: infra}}
  docker.io: {repository: hub, locations: [europe]}
readers: ["group:nodes@example.com"]
"""
FAULTS: dict[str, dict[str, Any]] = {
    "403": {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."},
    "400": {"kind": "http", "code": 400, "reason": "failedPrecondition", "message": "Not so."},
    "409": {"kind": "http", "code": 409, "reason": "aborted", "message": "Others do it."},
    "429": {"kind": "http", "code": 429, "reason": "rateLimitExceeded", "message": "Later."},
    "503": {"kind": "http", "code": 503, "reason": "backendError", "message": "Later."},
    "503 after": {"kind": "http", "when": "after", "code": 503, "reason": "backendError", "message": "Later."},
    "drop before": {"kind": "drop", "how": "close"},
    "drop during": {"kind": "drop", "when": "during", "how": "close"},
    "drop after": {"kind": "drop", "when": "after", "how": "reset"},
    "a proxy's page": {"kind": "body", "status": 200, "text": "<html>"},
    "hang": {"kind": "hang"},
}
OF_OPERATIONS: dict[str, dict[str, Any]] = {
    "nothing made": {"kind": "operation", "code": "INTERNAL", "message": "It failed.", "leaves": "nothing"},
    "made, and an error": {"kind": "operation", "code": "INTERNAL", "message": "It failed.", "leaves": "ready"},
    "stuck": {"kind": "operation", "state": "stuck"},
    "gone": {"kind": "operation", "state": "gone"},
}
#: The method, and how many calls of it the run without a fault makes.
CALLS = {
    GET: 5,
    CREATE: 2,
    PATCH: 1,
    "artifactregistry.operations.get": 2,
    "artifactregistry.repositories.getIamPolicy": 3,
    SET: 3,
}
CASES = [
    (method, number, fault)
    for method, count in CALLS.items()
    for number in range(count)
    for fault in (*FAULTS, *(OF_OPERATIONS if method == CREATE else ()))
]
UPSTREAMS = {("ghcr.io", "us"), ("ghcr.io", "europe"), ("docker.io", "europe")}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One mirror exists, with other labels and no reader; two are missing. Who hangs is given up at once."""
    monkeypatch.setattr(artifacts, "_TIMEOUT", (10.0, 0.5))
    with running(scenario={"repository_seconds": 0}) as emulator:
        registry = Registry(emulator, tmp_path)
        registry.make("ghcr-mirror", remoteRepositoryConfig=SPELLINGS["custom"], labels={"own": "1"})
        yield registry


def test_the_calls_without_a_fault(registry: Registry) -> None:
    before = len(registry.emulator.journal())
    assert registry("ensure", config=registry.write(CONFIG)).exit_code == 0
    methods = [entry["method"] for entry in registry.emulator.journal()[before:]]
    assert {method: methods.count(method) for method in CALLS} == CALLS
    assert set(methods) == set(CALLS)


@pytest.mark.parametrize(("method", "number", "fault"), CASES)
def test_ends_right_or_is_healed(
    registry: Registry, method: str, number: int, fault: str, record_property: Callable[[str, object], None]
) -> None:
    config, action = registry.write(CONFIG), {**FAULTS, **OF_OPERATIONS}[fault]
    registry.emulator.faults([{"method": method, "skip": number, "action": action}])
    first = registry("ensure", config=config)
    registry.emulator.assert_faults_used()
    rows = json.loads(first.outputs["mirrors"])
    assert {(row["upstream"], row["location"]) for row in rows} == UPSTREAMS
    wrong = [row for row in rows if row["state"] not in {"created", "correct", "repaired"}]
    # One fault harms one mirror at most, and what is said agrees with the exit code.
    assert len(wrong) <= 1
    assert bool(first.exit_code) == bool(wrong)
    assert all(row["reason"] and row["message"] for row in wrong)
    if not wrong:
        assert set(states(registry("check", config=config)).values()) == {"correct"}
    second = registry("ensure", config=config)
    assert second.exit_code == 0, second.log
    count = registry.mutations()
    assert set(states(registry("ensure", config=config)).values()) == {"correct"}
    assert registry.mutations() == count
    us, *_ = sorted(registry.emulator.state()["repositories"], key=lambda each: "/us/" not in each["name"])
    assert us["labels"] == {"own": "1", "team": "infra"}
    assert us["remoteRepositoryConfig"] == SPELLINGS["custom"]
    assert len(registry.emulator.state()["repositories"]) == len(UPSTREAMS)
    record_property("counted", "faults at calls of registry ensure")


SECRET = "projects/p1/secrets/quay/versions/3"
UNDER_GUESSES = f"""\
project: p1
locations: [us, europe]
mirrors:
  ghcr.io: {{repository: ghcr-mirror}}
  docker.io: {{repository: hub}}
  quay.io: {{repository: quay, credentials: {{username: bot, secret: {SECRET}}}}}
readers: ["group:nodes@example.com"]
"""
#: Each answer to each guess of Artifact Registry's.
ANSWERS = [
    (name, answer)
    for name, field in Switches.model_fields.items()
    if name not in Common.model_fields
    for answer in get_args(field.annotation)
]
#: Under which answers an upstream is refused, and for what reason, where the denied secret of quay.io isn't the only one.
REFUSED = {
    ("ar_policies_on_remote", "refuse"): dict.fromkeys(("ghcr.io", "docker.io", "quay.io"), "policies_refused"),
    ("ar_validates_upstream", "yes"): {"quay.io": "upstream_invalid"},
}


@pytest.mark.parametrize(("switch", "answer"), ANSWERS)
def test_under_every_answer(
    tmp_path: Path, switch: str, answer: str, record_property: Callable[[str, object], None]
) -> None:
    """A secret is denied, a policy is changed by others meanwhile; what can be right is, and stays as it is."""
    rules = {"switches": {switch: answer}, "secrets": {SECRET: "denied"}, "upstreams": ["ghcr.io"]}
    with running(scenario={"repository_seconds": 0, **rules}) as emulator:
        registry = Registry(emulator, tmp_path)
        emulator.faults([{"method": SET, "action": {"kind": "http", "code": 412, "reason": "conditionNotMet"}}])
        first = registry("ensure", config=registry.write(UNDER_GUESSES))
        wrong = {"quay.io": "secret_denied", **REFUSED.get((switch, answer), {})}
        rows = json.loads(first.outputs["mirrors"])
        assert {(row["upstream"], row["reason"]) for row in rows if row["reason"]} == set(wrong.items()), first.log
        assert all(bool(row["message"]) == bool(row["reason"]) for row in rows)
        right = {name for name in ("ghcr.io", "docker.io", "quay.io") if name not in wrong}
        count = registry.mutations()
        again = registry("ensure", config=registry.write(UNDER_GUESSES))
        assert {row["upstream"] for row in json.loads(again.outputs["mirrors"]) if row["state"] == "correct"} == right
        assert (first.exit_code, again.exit_code, len(rows)) == (1, 1, 6)
        if switch != "ar_refusals" or answer == "at_once":
            assert registry.mutations() == count
    record_property("counted", "answers to guesses about Artifact Registry")
