"""Every fault at every call of `registry ensure`: it ends right, or says what is wrong and the next run heals it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
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
def registry(tmp_path: Path) -> Any:
    """One mirror exists, with other labels and no reader; two are missing."""
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
