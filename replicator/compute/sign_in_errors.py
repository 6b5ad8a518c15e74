"""Recognises which sign-in failure it is, by the environment and the service's answer; `errors` has its text.

Answers are never quoted, because they may hold tokens. The wordings are those of Google's services as users report
them, and those on google-github-actions/auth's troubleshooting page.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from replicator.compute import errors
from replicator.compute.errors import SignInFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.core.errors import Advice

#: The variable that names the credentials file.
FILE = "GOOGLE_APPLICATION_CREDENTIALS"

#: HTTP statuses after which another try may succeed.
PASSING = frozenset({408, 429, 500, 502, 503, 504})

_LARGEST = 10**6


class Service(StrEnum):
    """A service that a sign-in uses; the value is its name for people."""

    OIDC = "the service that gives identity tokens"
    STS = "Google's Security Token Service"
    ACCOUNT = "the impersonation of the service account"
    OAUTH = "Google's OAuth token service"


#: The fields that a usable answer must have.
_HELD = {
    Service.OIDC: (),
    Service.STS: ("access_token", "expires_in"),
    Service.ACCOUNT: ("accessToken", "expireTime"),
    Service.OAUTH: ("access_token",),
}


def nothing_found(env: Mapping[str, str], event: Mapping[str, Any]) -> SignInFailed:
    """Return why there are no credentials, if the environment names no file; `event` is the event's payload."""
    if env.get("GITHUB_ACTIONS") != "true":
        return SignInFailed(errors.NO_CREDENTIALS, "No Application Default Credentials were found")
    if env.get("GITEA_ACTIONS") == "true" and not _forgejo(env):
        return SignInFailed(
            errors.NOT_SIGNED_IN,
            "No step before this one signed in",
            remedy="Gitea gives no identity tokens: let google-github-actions/auth sign in with a key kept as a "
            "secret, between checkout and this step.",
            lines=f"{errors.CHECKOUT}\n- uses: https://github.com/google-github-actions/auth@v3\n  with:\n"
            "    credentials_json: ${{ secrets.GCP_KEY }}",
        )
    if env.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        return SignInFailed(errors.NOT_SIGNED_IN, "No step before this one signed in to Google Cloud")
    if _of_fork(env, event):
        return SignInFailed(errors.FORK_PULL_REQUEST, "A pull request from a fork can't sign in to Google Cloud")
    if _forgejo(env):
        return SignInFailed(
            errors.NO_ID_TOKEN,
            "This job can't sign in to Google Cloud: it has no identity token",
            remedy="Add `enable-openid-connect: true` to the job, and google-github-actions/auth before this step.",
            lines="enable-openid-connect: true",
        )
    return SignInFailed(
        errors.NO_ID_TOKEN, "This job can't sign in to Google Cloud: it has no right to an identity token"
    )


def no_file(path: str, env: Mapping[str, str]) -> SignInFailed:
    """Return the failure for an environment that names a credentials file that doesn't exist."""
    workspace = env.get("GITHUB_WORKSPACE", "").rstrip("/\\")
    inside = bool(workspace) and path.startswith((f"{workspace}/", f"{workspace}\\"))
    if path == env.get("GOOGLE_GHA_CREDS_PATH") or inside:
        return SignInFailed(errors.CREDENTIALS_FILE_GONE, f"{path}, which google-github-actions/auth wrote, is gone")
    return SignInFailed(
        errors.NO_CREDENTIALS,
        f"{FILE} names {path}, which does not exist",
        remedy=f"Correct or unset {FILE}. {errors.NO_CREDENTIALS.remedy}",
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table: the meaning of a service's answer."""

    service: Service
    words: str
    advice: Advice
    what: str
    remedy: str = ""
    lines: str | None = None


#: The first row that matches decides. Words are searched in `STATUS BODY`.
_REFUSALS = (
    _Row(Service.OIDC, "", errors.SIGN_IN_EXPIRED, "The runner gives this job no identity token (any more)"),
    _Row(
        Service.STS,
        r"(?i)audience in ID Token|audience.{0,400}does not match",
        errors.WRONG_AUDIENCE,
        "The workload identity provider expects another audience",
    ),
    _Row(
        Service.STS,
        r"(?i)attribute condition",
        errors.CONDITION_REJECTS,
        "The workload identity provider does not let this job in",
    ),
    _Row(
        Service.STS,
        r"invalid_target|(?i:invalid value for .{0,3}audience)",
        errors.PROVIDER_MISSING,
        "There is no such workload identity provider, or it is disabled",
    ),
    _Row(
        Service.STS,
        r"(?i)issuer in ID Token",
        errors.WRONG_AUDIENCE,
        "The workload identity provider trusts another issuer than this runner's",
        "Set the provider's issuer to that of the runner (`gcloud iam workload-identity-pools providers update-oidc "
        "--issuer-uri`).",
        "",
    ),
    _Row(Service.STS, r"(?i)stale|expired", errors.SIGN_IN_EXPIRED, "The identity token had expired"),
    _Row(
        Service.ACCOUNT,
        r"SERVICE_DISABLED|(?i:has not been used in project)",
        errors.IMPERSONATION_DENIED,
        "The IAM Service Account Credentials API is off",
        "Run this command and wait a few minutes.",
        "gcloud services enable iamcredentials.googleapis.com --project=PROJECT",
    ),
    _Row(
        Service.ACCOUNT,
        r"^40[34] |iam\.serviceAccounts\.getAccessToken",
        errors.IMPERSONATION_DENIED,
        "The workload identity may not act as the service account",
    ),
    _Row(
        Service.OAUTH,
        r"invalid_grant|deleted_client",
        errors.SIGN_IN_EXPIRED,
        "The key or the user's sign-in has expired or was revoked",
    ),
)


def refused(service: Service, status: int, body: str) -> SignInFailed:
    """Return the failure that a token service's refusal means."""
    answer = f"{status} {body[:_LARGEST]}"
    for row in _REFUSALS:
        if row.service is service and re.search(row.words, answer):
            return SignInFailed(
                row.advice, f"{row.what} ({service}: HTTP {status})", remedy=row.remedy, lines=row.lines
            )
    return SignInFailed(
        errors.CREDENTIALS_REFUSED, f"{service[0].upper()}{service[1:]} refused the sign-in (HTTP {status})"
    )


def is_usable(service: Service, body: str) -> bool:
    """Return whether an answer with status 200 is the service's own, and not a proxy's page."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(answer, dict):
        return False
    lifetime = answer.get("expires_in", 0)
    return all(answer.get(name) for name in _HELD[service]) and re.fullmatch(r"\d{1,9}", str(lifetime)) is not None


def _forgejo(env: Mapping[str, str]) -> bool:
    return any(name.startswith("FORGEJO_") for name in env)


def _of_fork(env: Mapping[str, str], event: Mapping[str, Any]) -> bool:
    if env.get("GITHUB_EVENT_NAME") != "pull_request":
        return False
    try:
        # The repository is null if the fork was deleted meanwhile.
        head = event["pull_request"]["head"]["repo"]
        return bool(head is None or head["full_name"] != env.get("GITHUB_REPOSITORY"))
    except (KeyError, TypeError):
        return False
