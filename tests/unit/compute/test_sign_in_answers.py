"""What a token service's answer names decides what people are told, before its status does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from replicator.compute import errors, sign_in_errors
from replicator.compute.trouble.sign_in import Service

if TYPE_CHECKING:
    from replicator.core.errors import Advice

STS, ACCOUNT, OAUTH = Service.STS, Service.ACCOUNT, Service.OAUTH


def oauth(error: str, text: str) -> str:
    return json.dumps({"error": error, "error_description": text})


def rpc(text: str, reason: str = "") -> str:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    details = [info] if reason else []
    return json.dumps({"error": {"code": 403, "message": text, "status": "PERMISSION_DENIED", "details": details}})


REFUSED = errors.CREDENTIALS_REFUSED
#: Service, status, answer → the failure, and what is told.
ANSWERS: dict[str, tuple[Service, int, str, Advice, str]] = {
    "the credentials API": (
        ACCOUNT, 403, rpc("IAM Service Account Credentials API has not been used in project 1 before or it is disabled.", "SERVICE_DISABLED"),
        errors.IMPERSONATION_DENIED, "gcloud services enable iamcredentials.googleapis.com",
    ),
    "that API, in words": (
        ACCOUNT, 403, rpc("IAM Service Account Credentials API has not been used in project 1 before or it is disabled."),
        errors.IMPERSONATION_DENIED, "gcloud services enable iamcredentials.googleapis.com",
    ),
    "an account that is off": (ACCOUNT, 403, rpc("The service account is disabled."), errors.ACCOUNT_DISABLED, "service-accounts enable"),
    "an account that is gone": (ACCOUNT, 404, rpc("Not found; Gaia id not found for email ci@acme.example"), errors.ACCOUNT_DISABLED, "no such account"),
    "an account that was deleted": (ACCOUNT, 403, rpc("Service account has been deleted"), errors.ACCOUNT_DISABLED, "no such account"),
    "a key of an account that is gone": (OAUTH, 400, oauth("invalid_grant", "Invalid grant: account not found"), errors.ACCOUNT_DISABLED, "no such account"),
    "a role": (ACCOUNT, 403, rpc("Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).", "IAM_PERMISSION_DENIED"), errors.IMPERSONATION_DENIED, "add-iam-policy-binding"),
    "a deny policy": (ACCOUNT, 403, rpc("Permission 'iam.serviceAccounts.getAccessToken' denied by an IAM deny policy."), REFUSED, "No role helps"),
    "a boundary": (ACCOUNT, 403, rpc("Denied due to an IAM principal access boundary policy."), REFUSED, "No role helps"),
    "a constraint": (ACCOUNT, 403, rpc("Violates constraints/iam.disableServiceAccountTokenCreation."), REFUSED, "organisation's policy"),
    "a constraint on providers": (STS, 403, oauth("access_denied", "Request violates constraint constraints/iam.workloadIdentityPoolProviders"), REFUSED, "organisation's policy"),
    "a network": (ACCOUNT, 403, rpc("Access denied.", "ORG_RESTRICTION_VIOLATION"), REFUSED, "organisation's policy"),
    "a policy on people": (OAUTH, 400, oauth("admin_policy_enforced", "No."), REFUSED, "organisation's policy"),
    "a perimeter": (STS, 403, rpc("Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X", "SECURITY_POLICY_VIOLATED"), errors.PERIMETER_FORBIDS, "perimeter"),
    "a project that is deleted": (ACCOUNT, 403, rpc("Project #1 has been deleted.", "CONSUMER_INVALID"), REFUSED, "is deleted"),
    "a mapping": (STS, 400, oauth("invalid_grant", "Could not obtain a value for google.subject from the given credential's assertion."), REFUSED, "attribute mapping"),
    "a mapping of what is not there": (STS, 400, oauth("invalid_grant", "Error evaluating attribute mapping: no such key: x"), REFUSED, "attribute mapping"),
    "a signature": (STS, 400, oauth("invalid_grant", "Unable to verify the ID Token signature."), REFUSED, "upload the issuer's present ones"),
    "a clock ahead": (STS, 400, oauth("invalid_grant", "ID Token issued in the future"), REFUSED, "the clock"),
    "this machine's clock": (OAUTH, 400, oauth("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values"), REFUSED, "this machine's clock"),
    "a key that is gone": (OAUTH, 400, oauth("invalid_grant", "Invalid JWT Signature."), errors.SIGN_IN_EXPIRED, "deleted key"),
    "a person signed in too long ago": (OAUTH, 400, oauth("invalid_grant", "reauth related error (invalid_rapt)"), errors.SIGN_IN_EXPIRED, "application-default login"),
    "an expired token": (STS, 400, oauth("invalid_grant", "ID Token expired at 1760000000"), errors.SIGN_IN_EXPIRED, "in this job"),
    "127 bytes": (STS, 400, oauth("invalid_request", "The size of mapped attribute google.subject exceeds the 127 bytes limit."), errors.ATTRIBUTE_TOO_LONG, "repository_id"),
    "a condition": (STS, 403, oauth("unauthorized_client", "The given credential is rejected by the attribute condition."), errors.CONDITION_REJECTS, "the condition"),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_answer(case: str) -> None:
    service, status, body, advice, told = ANSWERS[case]
    failure = sign_in_errors.refused(service, status, body)
    assert failure.advice == advice
    assert told in f"{failure.message} {failure.to_add}"
