"""What a token service's answer names decides what people are told, before its status does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from replicator.compute import errors, sign_in_errors
from replicator.compute.trouble.sign_in import Service

if TYPE_CHECKING:
    from replicator.core.errors import Advice

OIDC, STS, ACCOUNT, OAUTH = Service.OIDC, Service.STS, Service.ACCOUNT, Service.OAUTH


def oauth(error: str, text: str) -> str:
    return json.dumps({"error": error, "error_description": text})


def rpc(text: str, reason: str = "") -> str:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    details = [info] if reason else []
    return json.dumps({"error": {"code": 403, "message": text, "status": "PERMISSION_DENIED", "details": details}})


REFUSED = errors.CREDENTIALS_REFUSED
ROLE = "The workload identity may not act as the service account"
OFF = "The IAM Service Account Credentials API is off"
GONE = "There is no such account (any more)"
POLICY = "An organisation's policy forbids this sign-in"
DENY = "A deny policy or a principal access boundary forbids this sign-in"
PERIMETER = "A VPC Service Controls perimeter does not let this sign-in through"
QUOTA = "The identity may not use the quota project"
BILLING = "The project that the sign-in is counted against is suspended, or has no open billing account"
DELETED = "The project that the sign-in is counted against is deleted, or does not exist"
SCOPE = "The identity that signed in lacks the scope to act as a service account"
DISABLED = "The account is disabled"
ISSUER = "Google could not reach the issuer of the identity token"
MAPPING = "The provider's attribute mapping asks for something that this job's identity token does not have"
AUDIENCE = "The workload identity provider expects another audience"
PROVIDER = "There is no such workload identity provider, or it is disabled"
EXPIRED = "The key or the user's sign-in has expired or was revoked"
#: Service, status, answer → the failure, what happened, and what is told to do or to add.
ANSWERS: dict[str, tuple[Service, int, str, Advice, str, str]] = {
    "a job that is over": (OIDC, 401, "<html>", errors.SIGN_IN_EXPIRED, "The runner gives this job no identity token (any more)", "in this job"),
    "a policy of the runner's owner": (OIDC, 403, "Blocked by your organization's policy", errors.SIGN_IN_EXPIRED, "The runner gives this job no identity token (any more)", "auth@v3"),
    "the credentials API": (
        ACCOUNT, 403, rpc("IAM Service Account Credentials API has not been used in project 1 before or it is disabled.", "SERVICE_DISABLED"),
        errors.IMPERSONATION_DENIED, OFF, "Run this command and wait a few minutes. gcloud services enable iamcredentials.googleapis.com",
    ),
    "that API, in words": (
        ACCOUNT, 403, rpc("IAM Service Account Credentials API has not been used in project 1 before or it is disabled."),
        errors.IMPERSONATION_DENIED, OFF, "gcloud services enable iamcredentials.googleapis.com",
    ),
    "the sign-in API": (
        STS, 403, rpc("Security Token Service API has not been used in project 1 before or it is disabled.", "SERVICE_DISABLED"),
        errors.SIGN_IN_SERVICE_OFF, "The Security Token Service API is off", "gcloud services enable sts.googleapis.com",
    ),
    "an account that is off": (ACCOUNT, 403, rpc("The service account is disabled."), errors.ACCOUNT_DISABLED, DISABLED, "service-accounts enable"),
    "an account that is off, by its reason": (ACCOUNT, 403, rpc("No.", "ACCOUNT_STATE_INVALID"), errors.ACCOUNT_DISABLED, DISABLED, "service-accounts enable"),
    "a client that is off": (OAUTH, 401, oauth("disabled_client", "The OAuth client was disabled."), errors.ACCOUNT_DISABLED, DISABLED, "sign in as another account"),
    "an account that is gone": (ACCOUNT, 404, rpc("Not found; Gaia id not found for email ci@acme.example"), errors.ACCOUNT_DISABLED, GONE, "Check the input `service_account`"),
    "an account that was deleted": (ACCOUNT, 403, rpc("Service account has been deleted"), errors.ACCOUNT_DISABLED, GONE, "service-accounts describe ACCOUNT"),
    "a key of an account that is gone": (OAUTH, 400, oauth("invalid_grant", "Invalid grant: account not found"), errors.ACCOUNT_DISABLED, GONE, "sign in as another account"),
    "a role": (ACCOUNT, 403, rpc("Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).", "IAM_PERMISSION_DENIED"), errors.IMPERSONATION_DENIED, ROLE, "add-iam-policy-binding"),
    "a role, with another status": (ACCOUNT, 400, rpc("Permission 'iam.serviceAccounts.getAccessToken' denied."), errors.IMPERSONATION_DENIED, ROLE, "add-iam-policy-binding"),
    "an account that may not exist": (ACCOUNT, 404, rpc("Requested entity was not found.", "notFound"), errors.IMPERSONATION_DENIED, ROLE, "Check the input `service_account`"),
    "a request that is wrong": (ACCOUNT, 400, rpc("Invalid."), REFUSED, "The impersonation of the service account refused the sign-in", "docs/permissions.md"),
    "a reason that is not about roles": (ACCOUNT, 403, rpc("No.", "SOMETHING_NEW"), REFUSED, "The service account can't be used, for a reason that is not about roles", "docs/permissions.md"),
    "a deny policy": (ACCOUNT, 403, rpc("Permission 'iam.serviceAccounts.getAccessToken' denied by an IAM deny policy."), REFUSED, DENY, "No role helps"),
    "a boundary": (ACCOUNT, 403, rpc("Denied due to an IAM principal access boundary policy.", "BOUNDARY"), REFUSED, DENY, "exception for this job's identity"),
    "a constraint": (ACCOUNT, 403, rpc("Violates constraints/iam.disableServiceAccountTokenCreation."), REFUSED, POLICY, "No role helps"),
    "a constraint on providers": (STS, 403, oauth("access_denied", "Request violates constraint constraints/iam.workloadIdentityPoolProviders"), REFUSED, POLICY, "Ask an administrator"),
    "a network": (ACCOUNT, 403, rpc("Access denied.", "ORG_RESTRICTION_VIOLATION"), REFUSED, POLICY, "run the job where the policy allows it"),
    "a policy on people": (OAUTH, 400, oauth("admin_policy_enforced", "No."), REFUSED, POLICY, "No role helps"),
    "a perimeter": (STS, 403, rpc("Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X", "SECURITY_POLICY_VIOLATED"), errors.PERIMETER_FORBIDS, PERIMETER, "inside the perimeter"),
    "a perimeter, in words": (ACCOUNT, 403, rpc("Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X"), errors.PERIMETER_FORBIDS, PERIMETER, "ask its administrator"),
    "a quota project": (ACCOUNT, 403, rpc("Caller does not have required permission to use project acme-billing.", "USER_PROJECT_DENIED"), errors.QUOTA_PROJECT_DENIED, QUOTA, "Unset GOOGLE_CLOUD_QUOTA_PROJECT"),
    "a permission on a quota project": (STS, 403, rpc("Grant the caller the serviceusage.services.use permission."), errors.QUOTA_PROJECT_DENIED, QUOTA, "GOOGLE_CLOUD_QUOTA_PROJECT"),
    "billing": (ACCOUNT, 403, rpc("This API method requires billing to be enabled.", "BILLING_DISABLED"), REFUSED, BILLING, "Link it to a billing account that is open"),
    "a suspended project": (STS, 403, rpc("No.", "CONSUMER_SUSPENDED"), REFUSED, BILLING, "look at it in the Google Cloud console"),
    "a scope": (ACCOUNT, 403, rpc("Request had insufficient authentication scopes.", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), REFUSED, SCOPE, "auth/cloud-platform"),
    "a lifetime": (ACCOUNT, 400, rpc("The access token lifetime cannot exceed 3600 seconds."), REFUSED, "The service account gives no tokens of the lifetime asked for", "3600s at most"),
    "a project that is deleted": (ACCOUNT, 403, rpc("Project #1 has been deleted.", "CONSUMER_INVALID"), REFUSED, DELETED, "of a project that exists"),
    "a project that is to be deleted": (STS, 403, rpc("Project 'acme' is pending deletion."), REFUSED, DELETED, "of a project that exists"),
    "a mapping": (STS, 400, oauth("invalid_grant", "Could not obtain a value for google.subject from the given credential's assertion."), REFUSED, MAPPING, "`assertion.sub`"),
    "a mapping of what is not there": (STS, 400, oauth("invalid_grant", "Error evaluating attribute mapping: no such key: x"), REFUSED, MAPPING, "Correct the mapping"),
    "a signature": (STS, 400, oauth("invalid_grant", "Unable to verify the ID Token signature."), REFUSED, "The keys that the provider knows did not sign this job's identity token", "upload the issuer's present ones"),
    "a clock ahead": (STS, 400, oauth("invalid_grant", "ID Token issued in the future"), REFUSED, "The identity token is of a time that has not come yet", "Set the clock of the machine that gives"),
    "this machine's clock": (OAUTH, 400, oauth("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values"), REFUSED, "The clock of this machine is wrong, so that Google takes no token request of it", "Set this machine's clock"),
    "a key that is gone": (OAUTH, 400, oauth("invalid_grant", "Invalid JWT Signature."), errors.SIGN_IN_EXPIRED, EXPIRED, "deleted key"),
    "a person signed in too long ago": (OAUTH, 400, oauth("invalid_grant", "reauth related error (invalid_rapt)"), errors.SIGN_IN_EXPIRED, EXPIRED, "application-default login"),
    "a client that is gone": (OAUTH, 401, oauth("deleted_client", "The OAuth client was deleted."), errors.SIGN_IN_EXPIRED, EXPIRED, "in this job"),
    "a client that is not known": (OAUTH, 401, oauth("invalid_client", "The OAuth client was not found."), REFUSED, "Google's OAuth token service refused the sign-in", "docs/permissions.md"),
    "an expired token": (STS, 400, oauth("invalid_grant", "ID Token expired at 1760000000"), errors.SIGN_IN_EXPIRED, "The identity token had expired", "in this job"),
    "a stale token": (STS, 400, oauth("invalid_grant", "ID Token issued at 1 is stale to sign-in."), errors.SIGN_IN_EXPIRED, "The identity token had expired", "auth@v3"),
    "127 bytes": (STS, 400, oauth("invalid_request", "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute mapping or the assertion."), errors.ATTRIBUTE_TOO_LONG, "An attribute that the workload identity provider maps is longer than 127 bytes", "repository_id"),
    "an issuer behind a firewall": (STS, 400, oauth("invalid_grant", "Error connecting to the given credential's issuer."), errors.ISSUER_UNREACHABLE, ISSUER, "--jwk-json-path"),
    "the keys of an issuer": (STS, 400, oauth("invalid_grant", "Unable to fetch the keys of the issuer"), errors.ISSUER_UNREACHABLE, ISSUER, "Let Google reach the issuer"),
    "another issuer": (STS, 400, oauth("invalid_grant", "The issuer in ID Token https://ghes/_services/token does not match the expected ones"), errors.WRONG_AUDIENCE, "The workload identity provider trusts another issuer than this runner's", "--issuer-uri`)."),
    "an audience": (STS, 400, oauth("invalid_grant", "The audience in ID Token [x] does not match the expected audience."), errors.WRONG_AUDIENCE, AUDIENCE, "workload_identity_provider: projects/NUMBER/"),
    "a condition": (STS, 403, oauth("unauthorized_client", "The given credential is rejected by the attribute condition."), errors.CONDITION_REJECTS, "The workload identity provider does not let this job in", "the condition"),
    "no provider": (STS, 400, oauth("invalid_target", "The target service indicated by the “audience” parameters is invalid."), errors.PROVIDER_MISSING, PROVIDER, "workload_identity_provider: projects/NUMBER/"),
    "a pool, not a provider": (STS, 400, oauth("invalid_request", "Invalid value for (audience). This value should be the full resource name."), errors.PROVIDER_MISSING, PROVIDER, "providers describe"),
    "what is not known": (STS, 403, oauth("invalid_scope", "x"), REFUSED, "Google's Security Token Service refused the sign-in", "docs/permissions.md"),
}  # fmt: skip
#: What people are told of who refused.
NAMES = {
    OIDC: "the service that gives identity tokens",
    STS: "Google's Security Token Service",
    ACCOUNT: "the impersonation of the service account",
    OAUTH: "Google's OAuth token service",
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answer(case: str) -> None:
    service, status, body, advice, what, told = ANSWERS[case]
    failure = sign_in_errors.refused(service, status, body)
    assert failure.advice == advice
    by = "" if what.endswith("refused the sign-in") else f"{NAMES[service]}: "
    assert failure.what == f"{what} ({by}HTTP {status})"
    assert told in f"{failure.todo} {failure.to_add}"


def test_another_issuer_is_no_matter_of_the_name_of_the_provider() -> None:
    service, status, body, *_ = ANSWERS["another issuer"]
    assert sign_in_errors.refused(service, status, body).to_add == ""
