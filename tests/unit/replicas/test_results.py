from __future__ import annotations

from typing import Any

import pytest

from replicator.core import errors
from replicator.core.replicas import Held, Outcome, ReplicaResult
from replicator.replicas import results
from testkit.make import replica

SOURCE = (Outcome.SOURCE, None)
GOOD = (Outcome.CREATED, None)
FORBIDDEN = (Outcome.FAILED, errors.Forbidden)
QUOTA = (Outcome.FAILED, errors.Quota)
LATE = (Outcome.INTERRUPTED, errors.Deadline)
DEFECT = (Outcome.FAILED, errors.Internal)
PLANNED = (Outcome.PLANNED, None)


def row(state: tuple[Outcome, Any], location: str = "eu", *, required: bool = False, **fields: Any) -> ReplicaResult:
    outcome, error = state
    wanted = replica(location, required=required)
    return ReplicaResult(replica=wanted, outcome=outcome, error=error("what") if error else None, **fields)


@pytest.mark.parametrize(
    ("states", "required", "result", "exit_code"),
    [
        ([SOURCE, GOOD, GOOD], (), "complete", 0),
        ([SOURCE], (), "complete", 0),
        ([SOURCE, GOOD, FORBIDDEN], (), "partial", 0),
        ([SOURCE, GOOD, LATE], (), "partial", 0),
        ([SOURCE, QUOTA, LATE], (), "failed", 0),
        ([SOURCE, QUOTA, QUOTA], (), "failed", 0),
        ([SOURCE, QUOTA], (), "failed", 0),
        ([SOURCE, FORBIDDEN, FORBIDDEN], (), "failed", 3),
        ([SOURCE, FORBIDDEN], (), "failed", 3),
        ([SOURCE, FORBIDDEN, QUOTA], (), "failed", 0),
        ([SOURCE, GOOD, FORBIDDEN], (2,), "failed", 1),
        ([SOURCE, GOOD, LATE], (2,), "failed", 1),
        ([SOURCE, GOOD, FORBIDDEN], (1,), "partial", 0),
        ([SOURCE, FORBIDDEN, FORBIDDEN], (1, 2), "failed", 3),
        ([SOURCE, DEFECT, FORBIDDEN], (2,), "failed", 70),
        ([SOURCE, PLANNED, PLANNED], (), "planned", 0),
    ],
)
def test_table(states: list[Any], required: tuple[int, ...], result: str, exit_code: int) -> None:
    rows = [row(state, f"us-west{number}", required=number in required) for number, state in enumerate(states)]
    verdict = results.judge(rows)
    assert (verdict.result, verdict.exit_code) == (result, exit_code)
    assert verdict.reason


def test_what_failed_is_told_as_it_is() -> None:
    required, best_effort = row(FORBIDDEN, "eu", required=True), row(QUOTA, "asia")
    left = row(GOOD, "us", held=Held.REQUIRED_FAILED)
    reason = results.judge([left, required, best_effort]).reason
    assert reason == "A required location failed: eu (forbidden); also failed: asia (quota); no family was moved"
    assert "no family was moved" not in results.judge([row(GOOD, "us"), required]).reason


def test_messages() -> None:
    assert results.message(row(GOOD)) == ""
    assert results.message(row(QUOTA)).startswith("what. Delete images")
    held = row(GOOD, held=Held.FAMILY_IS_NEWER, notes=("A note.",))
    assert (
        results.message(held)
        == "The family web-eu belongs to a newer source already, so it was not taken back. A note."
    )
    assert held.reason == "family_is_newer"
    assert all(results.message(row(GOOD, held=reason)) for reason in Held)
    assert "without their family: eu" in results.judge([held]).reason


def test_every_reason_has_its_words() -> None:
    kinds = errors.ReplicaError.__subclasses__()
    assert {kind.reason for kind in kinds} == {
        "conflict",
        "unproven",
        "drift",
        "image_failed",
        "operation_failed",
        "org_policy",
        "access_blocked",
        "forbidden",
        "api_disabled",
        "project_not_found",
        "quota",
        "rate",
        "source_rate",
        "source_changed",
        "not_ready",
        "unreachable",
        "deadline",
        "signal",
        "internal",
    }
    assert len({kind.reason for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert kind("It happened").message.startswith("It happened. ")
        assert kind.remedy
