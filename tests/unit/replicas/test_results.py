from __future__ import annotations

from typing import Any

import pytest

from replicator.core import errors
from replicator.core.replicas import Held, Outcome, ReplicaResult
from replicator.replicas import results
from testkit.make import copy, replica

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
    failed = "A required location failed: eu (forbidden); also failed: asia (quota)"
    assert reason == f"{failed}; this run moved no family"
    assert "moved no family" not in results.judge([row(GOOD, "us"), required]).reason
    moved = "the family web already points to projects/p1/global/images/web-1: the build moved it"
    assert results.judge([left, required, best_effort], moved=moved).reason == f"{reason}; {moved}"
    alone = results.judge([required], moved=moved)
    assert (alone.exit_code, alone.reason) == (
        3, f"Every replica was refused for one reason, forbidden: eu; {moved}"
    )  # fmt: skip
    carries = row(GOOD, "us", promoted=True)
    assert results.judge([carries, required, best_effort]).reason == f"{failed}; in their family: us"


def test_what_exists_of_replicas_that_failed_is_told() -> None:
    """An image that stands where nothing is verified, one that failed, a copy that goes on."""
    drifted = row((Outcome.FAILED, errors.Drift), "eu", image=copy("eu"))
    failed = row((Outcome.FAILED, errors.ImageFailed), "asia", image=copy("asia", status="FAILED"))
    late = row(LATE, "us-west1", operation="operation-1")
    assert results.judge([row(SOURCE, "us"), drifted, failed, late]).reason == (
        "No replica is verified: eu (drift), asia (image_failed), us-west1 (deadline); there is an image in eu, asia "
        "(FAILED); copies go on in us-west1; the source is untouched"
    )
    assert results.judge([row(QUOTA), row(LATE, "asia")]).reason == (
        "No replica was made: eu (quota), asia (deadline); the source is untouched"
    )


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
