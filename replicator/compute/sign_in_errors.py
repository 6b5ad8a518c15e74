"""Turns an exception of google-auth into the error that ends the run, by the environment and by `trouble.sign_in`.

Answers are never quoted, because they may hold tokens.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.quote import quoted_path
from replicator.compute import errors
from replicator.compute.errors import SignInFailed
from replicator.compute.trouble.sign_in import REFUSALS
from replicator.compute.trouble.sign_in import Service as Service

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variable that names the credentials file.
FILE = "GOOGLE_APPLICATION_CREDENTIALS"

#: HTTP statuses after which another try may succeed.
PASSING = frozenset({408, 429, 500, 502, 503, 504})

_LARGEST = 10**6


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
    if traces := _left_by_auth(env):
        return SignInFailed(
            errors.NOT_SIGNED_IN,
            f"No credentials file was left for this step, although {traces[0]} is set, as google-github-actions/auth "
            "sets it",
            remedy="If google-github-actions/auth runs before this step, take `create_credentials_file: false` out of "
            "it: an access token alone is not used, because it can't be renewed. Else put that step before this one.",
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
    workspace, shown = env.get("GITHUB_WORKSPACE", "").rstrip("/\\"), quoted_path(path).strip("'")
    inside = bool(workspace) and path.startswith((f"{workspace}/", f"{workspace}\\"))
    if path == env.get("GOOGLE_GHA_CREDS_PATH") or inside:
        return SignInFailed(errors.CREDENTIALS_FILE_GONE, f"{shown}, which google-github-actions/auth wrote, is gone")
    return SignInFailed(
        errors.NO_CREDENTIALS,
        f"{FILE} names {shown}, which does not exist",
        remedy=f"Correct or unset {FILE}. {errors.NO_CREDENTIALS.remedy}",
    )


def refused(service: Service, status: int, body: str) -> SignInFailed:
    """Return the failure that a token service's refusal means."""
    answer = f"{status} {body[:_LARGEST]}"
    for row in REFUSALS:
        if row.service in {None, service} and re.search(row.words, answer):
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


#: What google-github-actions/auth leaves besides a credentials file.
_TOKENS = ("CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN")
_PROJECTS = ("CLOUDSDK_CORE_PROJECT", "CLOUDSDK_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT", "GOOGLE_CLOUD_PROJECT")


def _left_by_auth(env: Mapping[str, str]) -> list[str]:
    """Variables that speak for a sign-in without a credentials file; others may set a project by hand, though."""
    tokens = [name for name in _TOKENS if env.get(name)]
    projects = [name for name in _PROJECTS if env.get(name)]
    may_sign_in = bool(env.get("ACTIONS_ID_TOKEN_REQUEST_URL"))
    return tokens or (projects if may_sign_in else [])


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
