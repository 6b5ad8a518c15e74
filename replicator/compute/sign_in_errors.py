"""Which failure of signing in it is: from what the runner set, or from what a token service answered. Pure.

An answer is looked at and never quoted: it may hold tokens. The wordings are those of Google's services as users
report them, and of google-github-actions/auth's page on troubleshooting.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = "- uses: actions/checkout@v7"
AUTH = """\
- uses: google-github-actions/auth@v3
  with:
    workload_identity_provider: ${{ vars.GCP_WORKLOAD_IDENTITY_PROVIDER }}
    service_account: ${{ vars.GCP_SERVICE_ACCOUNT }}"""
THIS = "- uses: gce-image-replicator/gce-image-replicator@v1"


class NoCredentials(ReplicatorError):
    """No Application Default Credentials were found; what is known of why stands in the sections below."""

    exit_code = 3
    why = "No other credentials are used: there is no input for a key."
    remedy = (
        "On your machine run `gcloud auth application-default login`; in a workflow put google-github-actions/auth "
        "before this step, with `id-token: write` in the job's permissions."
    )


class NotSignedIn(NoCredentials):
    """The job may sign in, and no step before this one did."""

    why = "This action takes no key: it uses the credentials that a step before it leaves."
    remedy = "Put the step google-github-actions/auth between checkout and this one."
    lines = f"{CHECKOUT}\n{AUTH}\n{THIS}"


class NoIdToken(NoCredentials):
    """The job has no right to a token that it could sign in with."""

    why = "Without `id-token: write` GitHub gives the job nothing that Google Cloud would trust."
    remedy = "Add `id-token: write` to the permissions of the job, and google-github-actions/auth before this step."
    lines = "permissions:\n  contents: read\n  id-token: write"


class ForkPullRequest(NoCredentials):
    """The job belongs to a pull request from a fork, which may not sign in."""

    why = "GitHub gives such a job neither `id-token: write` nor secrets, whatever its permissions say."
    remedy = "Nothing is wrong with the set-up: leave the job out for forks, with this `if:` line."
    lines = "if: github.event.pull_request.head.repo.full_name == github.repository"


class CredentialsFileGone(NoCredentials):
    """GOOGLE_APPLICATION_CREDENTIALS names a file that does not exist."""

    why = (
        "google-github-actions/auth writes its file into the workspace, and actions/checkout empties the workspace: "
        "after it the file is gone."
    )
    remedy = "Put actions/checkout before google-github-actions/auth, once, and this step after both."
    lines = f"{CHECKOUT}\n{AUTH}\n{THIS}"


class CredentialsFileUnreadable(NoCredentials):
    """The credentials file is there, and is none, or can't be read."""

    why = "It must be the JSON that google-github-actions/auth or gcloud wrote, unchanged."
    remedy = (
        "Let google-github-actions/auth write it, or `gcloud auth application-default login`. A key kept as a secret "
        "belongs in the input `credentials_json` of google-github-actions/auth, whole."
    )


class OtherUniverse(NoCredentials):
    """The credentials belong to another universe than the endpoint."""

    why = "Credentials are worth something in their own universe only, so they were sent nowhere."
    remedy = (
        "Set compute_endpoint to the Compute Engine API of that universe, or take `universe` out of the step "
        "google-github-actions/auth."
    )


class SignInExpired(NoCredentials):
    """What the sign-in starts from has expired, or was revoked."""

    why = (
        "The file that google-github-actions/auth writes is good for its own job only; keys and a user's sign-in can "
        "be revoked."
    )
    remedy = (
        "Run google-github-actions/auth in this job, after checkout; on your machine run "
        "`gcloud auth application-default login` again. A key that was deleted has to be replaced."
    )
    lines = AUTH


class WrongAudience(NoCredentials):
    """The identity token was made for another audience than the provider expects."""

    why = "The provider of the workload identity pool allows certain audiences; by default its own full name."
    remedy = (
        "Give google-github-actions/auth the provider's full name, with the project's number, and no `audience`; or "
        "one that the provider allows."
    )
    lines = "workload_identity_provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"


class ProviderMissing(NoCredentials):
    """The workload identity pool, or its provider, does not exist or is disabled."""

    why = "A provider that was just made works after some minutes; a name with the project's id for its number never."
    remedy = (
        WrongAudience.remedy + " `gcloud iam workload-identity-pools providers describe` shows whether it is there."
    )
    lines = WrongAudience.lines


class ConditionRejects(NoCredentials):
    """The provider's attribute condition does not let this job in."""

    why = "The condition compares repository, ref or the like with this job's identity token, capital letters included."
    remedy = (
        "Run the job from a ref that the condition allows (often tags and the default branch only), or change the "
        "condition: `gcloud iam workload-identity-pools providers update-oidc`."
    )


class ImpersonationDenied(NoCredentials):
    """The identity signed in, and may not act as the service account."""

    why = "It lacks iam.serviceAccounts.getAccessToken, which roles/iam.workloadIdentityUser holds."
    remedy = (
        "Check the input `service_account` of google-github-actions/auth, and grant the role to the repository by this "
        "command; it works after some minutes."
    )
    lines = (
        "gcloud iam service-accounts add-iam-policy-binding ACCOUNT --role=roles/iam.workloadIdentityUser \\\n"
        "  --member=principalSet://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/"
        "attribute.repository_id/REPOSITORY_ID"
    )


class CredentialsRefused(NoCredentials):
    """The credentials are there and are refused, for a reason that has no word of its own here."""

    why = "What the service says is not quoted, because it may hold parts of tokens."
    remedy = (
        "Check workload identity provider and service account (docs/permissions.md), on a machine of your own its "
        "clock, too; the step google-github-actions/auth with debug logging shows the whole answer."
    )


class TokenServiceSilent(ReplicatorError):
    """A service that the sign-in needs did not answer for a minute, or not in its own words."""

    exit_code = 3
    remedy = (
        "Run this again later. Behind a proxy or firewall let the job reach sts.googleapis.com, "
        "iamcredentials.googleapis.com and the runner's own token service; on a machine of Compute Engine, its "
        "metadata server."
    )


#: The variable that names the credentials file.
FILE = "GOOGLE_APPLICATION_CREDENTIALS"

#: Answers that another try may better.
PASSING = frozenset({408, 429, 500, 502, 503, 504})

_LARGEST = 10**6


class Service(StrEnum):
    """Who takes part in a sign-in; the value is its name for people."""

    OIDC = "the service that gives identity tokens"
    STS = "Google's Security Token Service"
    ACCOUNT = "the impersonation of the service account"
    OAUTH = "Google's OAuth token service"


#: What a usable answer holds at least.
_HELD = {
    Service.OIDC: (),
    Service.STS: ("access_token", "expires_in"),
    Service.ACCOUNT: ("accessToken", "expireTime"),
    Service.OAUTH: ("access_token",),
}


def nothing_found(env: Mapping[str, str], event: Mapping[str, Any]) -> NoCredentials:
    """Why there are no credentials, where the environment names no file; `event` is the payload of the event."""
    if env.get("GITHUB_ACTIONS") != "true":
        return NoCredentials("No Application Default Credentials were found")
    if env.get("GITEA_ACTIONS") == "true" and not _forgejo(env):
        return NotSignedIn(
            "No step before this one signed in",
            remedy="Gitea gives no identity tokens: let google-github-actions/auth sign in with a key kept as a "
            "secret, between checkout and this step.",
            lines=f"{CHECKOUT}\n- uses: https://github.com/google-github-actions/auth@v3\n  with:\n"
            "    credentials_json: ${{ secrets.GCP_KEY }}",
        )
    if env.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        return NotSignedIn("No step before this one signed in to Google Cloud")
    if _of_fork(env, event):
        return ForkPullRequest("A pull request from a fork can't sign in to Google Cloud")
    if _forgejo(env):
        return NoIdToken(
            "This job can't sign in to Google Cloud: it has no identity token",
            remedy="Add `enable-openid-connect: true` to the job, and google-github-actions/auth before this step.",
            lines="enable-openid-connect: true",
        )
    return NoIdToken("This job can't sign in to Google Cloud: it has no right to an identity token")


def no_file(path: str, env: Mapping[str, str]) -> NoCredentials:
    """The environment names a credentials file that does not exist."""
    workspace = env.get("GITHUB_WORKSPACE", "").rstrip("/\\")
    inside = bool(workspace) and path.startswith((f"{workspace}/", f"{workspace}\\"))
    if path == env.get("GOOGLE_GHA_CREDS_PATH") or inside:
        return CredentialsFileGone(f"{path}, which google-github-actions/auth wrote, is gone")
    return NoCredentials(
        f"{FILE} names {path}, which does not exist", remedy=f"Correct or unset {FILE}. {NoCredentials.remedy}"
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table: what an answer of a service means."""

    service: Service
    words: str
    error: type[NoCredentials]
    what: str
    remedy: str = ""
    lines: str | None = None


#: The first row that matches counts. Words are searched in `STATUS BODY`.
_REFUSALS = (
    _Row(Service.OIDC, "", SignInExpired, "The runner gives this job no identity token (any more)"),
    _Row(
        Service.STS,
        r"(?i)audience in ID Token|audience.{0,400}does not match",
        WrongAudience,
        "The workload identity provider expects another audience",
    ),
    _Row(
        Service.STS,
        r"(?i)attribute condition",
        ConditionRejects,
        "The workload identity provider does not let this job in",
    ),
    _Row(
        Service.STS,
        r"invalid_target|(?i:invalid value for .{0,3}audience)",
        ProviderMissing,
        "There is no such workload identity provider, or it is disabled",
    ),
    _Row(
        Service.STS,
        r"(?i)issuer in ID Token",
        WrongAudience,
        "The workload identity provider trusts another issuer than this runner's",
        "Set the provider's issuer to that of the runner (`gcloud iam workload-identity-pools providers update-oidc "
        "--issuer-uri`).",
        "",
    ),
    _Row(Service.STS, r"(?i)stale|expired", SignInExpired, "The identity token had expired"),
    _Row(
        Service.ACCOUNT,
        r"SERVICE_DISABLED|(?i:has not been used in project)",
        ImpersonationDenied,
        "The IAM Service Account Credentials API is off",
        "Run this command and wait a few minutes.",
        "gcloud services enable iamcredentials.googleapis.com --project=PROJECT",
    ),
    _Row(
        Service.ACCOUNT,
        r"^40[34] |iam\.serviceAccounts\.getAccessToken",
        ImpersonationDenied,
        "The workload identity may not act as the service account",
    ),
    _Row(
        Service.OAUTH,
        r"invalid_grant|deleted_client",
        SignInExpired,
        "The key or the user's sign-in has expired or was revoked",
    ),
)


def refused(service: Service, status: int, body: str) -> NoCredentials:
    """What a token service's refusal means."""
    answer = f"{status} {body[:_LARGEST]}"
    for row in _REFUSALS:
        if row.service is service and re.search(row.words, answer):
            return row.error(f"{row.what} ({service}: HTTP {status})", remedy=row.remedy, lines=row.lines)
    return CredentialsRefused(f"{service[0].upper()}{service[1:]} refused the sign-in (HTTP {status})")


def is_usable(service: Service, body: str) -> bool:
    """Whether an answer with status 200 is the service's own, and not a proxy's page."""
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
        # A fork that was deleted meanwhile is null.
        head = event["pull_request"]["head"]["repo"]
        return bool(head is None or head["full_name"] != env.get("GITHUB_REPOSITORY"))
    except (KeyError, TypeError):
        return False
