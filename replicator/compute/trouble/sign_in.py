"""Holds the table of what answers of the token services (STS, IAM Credentials, OAuth) mean. Pure.

The wordings are those of Google's services as users report them, and those on google-github-actions/auth's
troubleshooting page.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from replicator.compute import errors

if TYPE_CHECKING:
    from replicator.core.errors import Advice


class Service(StrEnum):
    """A service that a sign-in uses; the value is its name for people."""

    OIDC = "the service that gives identity tokens"
    STS = "Google's Security Token Service"
    ACCOUNT = "the impersonation of the service account"
    OAUTH = "Google's OAuth token service"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: the meaning of a service's answer."""

    service: Service | None
    """None: whichever it is."""
    words: str
    advice: Advice
    what: str
    remedy: str = ""
    lines: str | None = None


#: The first row that matches decides. Words are searched in `STATUS BODY`.
REFUSALS = (
    Row(Service.OIDC, "", errors.SIGN_IN_EXPIRED, "The runner gives this job no identity token (any more)"),
    # What an answer names counts before its status does.
    Row(
        None,
        r"SECURITY_POLICY_VIOLATED|(?i:vpc[ _]?service[ _]?controls)",
        errors.PERIMETER_FORBIDS,
        "A VPC Service Controls perimeter does not let this sign-in through",
    ),
    Row(
        None,
        r"USER_PROJECT_DENIED|serviceusage\.services\.use|(?i:permission to use project)",
        errors.QUOTA_PROJECT_DENIED,
        "The identity may not use the quota project",
    ),
    Row(
        None,
        r"BILLING_DISABLED|CONSUMER_SUSPENDED|GCP_SUSPENDED|(?i:billing to be enabled)",
        errors.CREDENTIALS_REFUSED,
        "The project that the sign-in is counted against is suspended, or has no open billing account",
        "Link it to a billing account that is open, or look at it in the Google Cloud console.",
    ),
    Row(
        None,
        r"ACCESS_TOKEN_SCOPE_INSUFFICIENT|(?i:insufficient authentication scopes)",
        errors.CREDENTIALS_REFUSED,
        "The identity that signed in lacks the scope to act as a service account",
        "Give the machine, or the sign-in, the scope https://www.googleapis.com/auth/cloud-platform.",
    ),
    Row(
        None,
        r"CONSUMER_INVALID|(?i:\bproject .{0,80}\b(has been deleted|(pending|scheduled for|marked for) deletion))",
        errors.CREDENTIALS_REFUSED,
        "The project that the sign-in is counted against is deleted, or does not exist",
        "Give google-github-actions/auth a provider and a service account of a project that exists.",
    ),
    Row(
        None,
        r"ORG_RESTRICTION_|(?i:constraints/|\borg(anization)?('s)? polic|admin_policy_enforced|context-aware access)",
        errors.CREDENTIALS_REFUSED,
        "An organisation's policy forbids this sign-in",
        "Ask an administrator of the organisation for an exception, or run the job where the policy allows it. No role "
        "helps.",
    ),
    Row(
        None,
        r"(?i)\bdeny polic(y|ies)\b|principal access boundary",
        errors.CREDENTIALS_REFUSED,
        "A deny policy or a principal access boundary forbids this sign-in",
        "Ask its administrator for an exception for this job's identity. No role helps.",
    ),
    Row(
        Service.STS,
        r"SERVICE_DISABLED|(?i:has not been used in project)",
        errors.SIGN_IN_SERVICE_OFF,
        "The Security Token Service API is off",
    ),
    Row(
        Service.ACCOUNT,
        r"SERVICE_DISABLED|(?i:has not been used in project)",
        errors.IMPERSONATION_DENIED,
        "The IAM Service Account Credentials API is off",
        "Run this command and wait a few minutes.",
        "gcloud services enable iamcredentials.googleapis.com --project=PROJECT",
    ),
    Row(
        None,
        r"ACCOUNT_STATE_INVALID|USER_BLOCKED_BY_ADMIN|disabled_client|(?i:account.{0,80}(is|been|:) disabled)",
        errors.ACCOUNT_DISABLED,
        "The account is disabled",
    ),
    Row(
        None,
        r"(?i)\bGaia id not found|account (not found|(has been|was) deleted)",
        errors.ACCOUNT_DISABLED,
        "There is no such account (any more)",
        "Check the input `service_account` of google-github-actions/auth, or sign in as another account.",
        "gcloud iam service-accounts describe ACCOUNT",
    ),
    Row(
        Service.STS,
        r"(?i)127 bytes|size of mapped attribute",
        errors.ATTRIBUTE_TOO_LONG,
        "An attribute that the workload identity provider maps is longer than 127 bytes",
    ),
    Row(
        Service.STS,
        r"(?i)(error|unable|failed).{0,40}(fetch|retriev|connect).{0,80}issuer",
        errors.ISSUER_UNREACHABLE,
        "Google could not reach the issuer of the identity token",
    ),
    Row(
        Service.STS,
        r"(?i)\bobtain a value for \w+\.|attribute.mapping|no such key",
        errors.CREDENTIALS_REFUSED,
        "The provider's attribute mapping asks for something that this job's identity token does not have",
        "Correct the mapping (`gcloud iam workload-identity-pools providers update-oidc --attribute-mapping`): it may "
        "use `assertion.sub` and what else the runner's tokens have.",
    ),
    Row(
        Service.STS,
        r"(?i)\bsignature\b",
        errors.CREDENTIALS_REFUSED,
        "The keys that the provider knows did not sign this job's identity token",
        "Where keys were uploaded to the provider, upload the issuer's present ones (`gcloud iam "
        "workload-identity-pools providers update-oidc --jwk-json-path`); else check the provider's issuer.",
    ),
    Row(
        Service.STS,
        r"(?i)issued in the future|too early",
        errors.CREDENTIALS_REFUSED,
        "The identity token is of a time that has not come yet",
        "Set the clock of the machine that gives the identity tokens; on hosted runners run the job again.",
    ),
    Row(
        Service.STS,
        r"(?i)audience in ID Token|audience.{0,400}does not match",
        errors.WRONG_AUDIENCE,
        "The workload identity provider expects another audience",
    ),
    Row(
        Service.STS,
        r"(?i)attribute condition",
        errors.CONDITION_REJECTS,
        "The workload identity provider does not let this job in",
    ),
    Row(
        Service.STS,
        r"invalid_target|(?i:invalid value for .{0,3}audience)",
        errors.PROVIDER_MISSING,
        "There is no such workload identity provider, or it is disabled",
    ),
    Row(
        Service.STS,
        r"(?i)issuer in ID Token",
        errors.WRONG_AUDIENCE,
        "The workload identity provider trusts another issuer than this runner's",
        "Set the provider's issuer to that of the runner (`gcloud iam workload-identity-pools providers update-oidc "
        "--issuer-uri`).",
        "",
    ),
    Row(Service.STS, r"(?i)stale|expired", errors.SIGN_IN_EXPIRED, "The identity token had expired"),
    Row(
        Service.ACCOUNT,
        r"(?i)token.{0,20}lifetime",
        errors.CREDENTIALS_REFUSED,
        "The service account gives no tokens of the lifetime asked for",
        "Take `access_token_lifetime` out of the step google-github-actions/auth, or ask for 3600s at most.",
    ),
    Row(
        Service.ACCOUNT,
        r'"reason":\s*"(?!IAM_PERMISSION_DENIED|forbidden|notFound)\w',
        errors.CREDENTIALS_REFUSED,
        "The service account can't be used, for a reason that is not about roles",
    ),
    Row(
        Service.ACCOUNT,
        r"^40[34] |iam\.serviceAccounts\.getAccessToken",
        errors.IMPERSONATION_DENIED,
        "The workload identity may not act as the service account",
    ),
    Row(
        Service.OAUTH,
        r"(?i)reasonable timeframe|iat and exp",
        errors.CREDENTIALS_REFUSED,
        "The clock of this machine is wrong, so that Google takes no token request of it",
        "Set this machine's clock, and run this again.",
    ),
    Row(
        Service.OAUTH,
        r"invalid_grant|deleted_client",
        errors.SIGN_IN_EXPIRED,
        "The key or the user's sign-in has expired or was revoked",
    ),
)
