"""The table that tells refusals apart: never by HTTP status alone."""

from __future__ import annotations

import pytest

from replicator import errors, faults
from replicator.faults import Refusal, Then
from replicator.model import Problem

GET, LABELS, POLICY, INSERT = (f"compute.images.{verb}" for verb in ("get", "setLabels", "setIamPolicy", "insert"))
ORG = "Location asia violates constraint constraints/gcp.resourceLocations on the resource"
DOMAIN = "One or more users named in the policy do not belong to a permitted customer (constraints/iam.allowedPolicyMemberDomains)"


@pytest.mark.parametrize(
    ("method", "status", "codes", "message", "reason", "then"),
    [
        (INSERT, None, (), "reset", "unreachable", Then.REPEAT),
        (INSERT, 503, ("backendError",), "", "unreachable", Then.REPEAT),
        (INSERT, 502, (), "<html>", "unreachable", Then.REPEAT),
        (INSERT, 403, ("rateLimitExceeded",), "", "rate", Then.REPEAT),
        (INSERT, 403, ("rateLimitExceeded", "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"), "", "rate", Then.REPEAT),
        (INSERT, 429, (), "", "rate", Then.REPEAT),
        (INSERT, 403, ("quotaExceeded",), "", "quota", Then.GIVE_UP),
        (INSERT, 403, ("forbidden",), "", "forbidden", Then.GIVE_UP),
        (INSERT, 403, ("accessNotConfigured",), "", "api_disabled", Then.GIVE_UP),
        (INSERT, 403, ("forbidden", "SERVICE_DISABLED"), "", "api_disabled", Then.GIVE_UP),
        (INSERT, 400, ("resourceNotReady",), "", "not_ready", Then.REPEAT),
        (INSERT, 409, ("alreadyExists",), "", "conflict", Then.LOOK),
        (INSERT, 412, ("conditionNotMet",), "Conditions not met", "org_policy", Then.GIVE_UP),
        (INSERT, 412, ("conditionNotMet",), ORG, "org_policy", Then.GIVE_UP),
        (INSERT, 404, ("notFound",), "The resource 'projects/p1/global/images/web' was not found", "source_changed", None),
        (INSERT, 404, ("notFound",), "The resource 'projects/p1' was not found", "project_not_found", None),
        (INSERT, 400, ("invalid",), "Invalid value for field 'resource.sourceImage': was not found.", "source_changed", None),
        (INSERT, 400, ("invalid",), "Invalid value", "operation_failed", Then.GIVE_UP),
        (LABELS, 412, ("conditionNotMet",), "Supplied fingerprint does not match", "drift", Then.READ_AGAIN),
        (POLICY, 412, ("conditionNotMet",), "", "drift", Then.READ_AGAIN),
        (POLICY, 409, ("aborted",), "", "drift", Then.READ_AGAIN),
        (POLICY, 400, ("failedPrecondition",), "", "access_blocked", Then.GIVE_UP),
        (POLICY, 412, ("conditionNotMet",), DOMAIN, "access_blocked", Then.GIVE_UP),
        (POLICY, 412, ("conditionNotMet",), DOMAIN.partition(" (")[0], "access_blocked", Then.GIVE_UP),
        (POLICY, 400, ("invalid",), "", "operation_failed", Then.GIVE_UP),
        (GET, 404, ("notFound",), "The resource 'projects/p1/global/images/web' was not found", "operation_failed", None),
        (GET, 401, ("authError",), "", "forbidden", Then.GIVE_UP),
    ],
)  # fmt: skip
def test_refusals(
    method: str, status: int | None, codes: tuple[str, ...], message: str, reason: str, then: Then | None
) -> None:
    fault = faults.of_refusal(Refusal(method, status=status, codes=codes, message=message))
    assert (fault.error.reason, fault.then) == (reason, then or Then.GIVE_UP)


@pytest.mark.parametrize(
    ("code", "status", "message", "reason", "then"),
    [
        ("RESOURCE_OPERATION_RATE_EXCEEDED", 403, "Too frequent", "source_rate", Then.REPEAT),
        ("RESOURCE_OPERATION_RATE_EXCEEDED", 0, "Too frequent", "source_rate", Then.REPEAT),
        ("RESOURCE_NOT_READY", 400, "", "not_ready", Then.REPEAT),
        ("QUOTA_EXCEEDED", 403, "", "quota", Then.GIVE_UP),
        ("INTERNAL_ERROR", 503, "", "operation_failed", Then.GIVE_UP),
        ("CONDITION_NOT_MET", 412, ORG, "org_policy", Then.GIVE_UP),
        ("PERMISSION_DENIED", 0, "", "forbidden", Then.GIVE_UP),
        ("", 0, "", "operation_failed", Then.GIVE_UP),
    ],
)
def test_failed_operations(code: str, status: int, message: str, reason: str, then: Then) -> None:
    fault = faults.of_problem(Problem(code, message, status))
    assert (fault.error.reason, fault.then) == (reason, then)


def test_waits() -> None:
    waits = {
        row.error.reason: [row.seconds(attempt) for attempt in (1, 2, 9, 1000)] for row in faults.TABLE if row.wait
    }
    assert waits["source_rate"] == [600] * 4
    assert waits["rate"] == [60] * 4
    assert waits["unreachable"] == [1, 2, 30, 30]
    assert all(row.wait for row in faults.TABLE if row.then in {Then.REPEAT, Then.READ_AGAIN})


def test_the_last_row_takes_everything() -> None:
    assert faults.TABLE[-1].matches("", 418, (), "")


def test_remedies_name_the_project() -> None:
    refusal = Refusal(INSERT, project="p1", status=403, codes=("accessNotConfigured",))
    assert "--project p1`" in faults.error_of(refusal, doing="Copying").message
    assert faults.filled("`x --project PROJECT`", "a b") == "`x --project 'a b'`"


def test_messages_name_the_permission() -> None:
    error = faults.error_of(Refusal(INSERT, status=403, codes=("forbidden",), message="No"), doing="Copying to eu")
    assert isinstance(error, errors.Forbidden)
    assert error.what == "Copying to eu was refused: No"
    assert "compute.images.create" in error.message
