"""Tells by an answer of Artifact Registry why something was refused, whether to try again, and what to do. Pure.

Holds the failure that ends a run of `registry` alone, too.

The same table serves HTTP answers and the errors of operations (google.rpc codes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from replicator.bootstrap.redact import redacted
from replicator.compute.trouble import named
from replicator.compute.trouble.set_up import SET_UP
from replicator.core.errors import Advice, ExitCode

NO_MIRROR = Advice(
    title="No mirror for this zone",
    meaning="A zone has no mirror of a registry, and its part of the world is to have one.",
    exit_code=ExitCode.FAILED,
)

#: google.rpc's codes as HTTP statuses, as its own table has them.
_STATUSES = {3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 13: 500, 14: 503, 16: 401}
_PERMISSION = re.compile(r"'?(artifactregistry\.[A-Za-z.]+)'?")
#: Characters of the service's own words.
_LONGEST = 600
MISSING = 404
CONFLICT = 409


@dataclass(eq=False)
class Refused(Exception):
    """A request that was refused or not answered."""

    reason: str
    """`forbidden`, `api_disabled`, `org_policy`, `upstream_invalid`, `secret_denied`, `quota`, `unreachable` …"""
    message: str
    """What happened, for people."""
    status: int = 0
    """The HTTP status; 0 if there was no answer."""
    again: bool = False
    """Whether the same request may succeed a little later."""
    remedy: str = ""
    """What to do, where the answer, or this machine, names it; else the reason says it."""


@dataclass(frozen=True, slots=True)
class _Row:
    reason: str
    statuses: tuple[int, ...]
    words: str = ""
    again: bool = False


#: The first row that fits counts.
_TABLE = (
    _Row("credentials", (401,)),
    _Row("api_disabled", (403,), r"SERVICE_DISABLED|accessNotConfigured|has not been used|it is disabled"),
    _Row("quota", (403, 429), r"rateLimit|RATE_LIMIT|quotaExceeded|Quota exceeded|per minute", again=True),
    _Row("org_policy", (400, 403, 412), r"constraints/|customConstraints/|orgpolicy|organi[sz]ation'?s? polic"),
    _Row("forbidden", (403,)),
    _Row("policies_refused", (400,), r"[Cc]leanup ?[Pp]olic"),
    _Row("secret_denied", (400,), r"[Ss]ecret"),
    _Row("upstream_invalid", (400,), r"[Uu]pstream"),
    _Row("project_not_found", (404,), r"[Pp]roject .*not found|projects/[^/ ]+' (was )?not found"),
    _Row("missing", (404,)),
    _Row("changed", (409, 412), again=True),
    _Row("quota", (429,), again=True),
    _Row("unreachable", (408, 500, 502, 503, 504), again=True),
)
_EXCEPTION = "Ask an administrator of the organisation for an exception to CONSTRAINT for the project."
REMEDIES = {
    "credentials": "Sign in again: the API takes no token of this sign-in.",
    "api_disabled": "Run `gcloud services enable artifactregistry.googleapis.com --project {project}` and wait a few "
    "minutes.",
    "quota": "Run this again later.",
    "org_policy": "Take the location out of `locations`, or ask an administrator of the organisation for an exception "
    "to constraints/gcp.resourceLocations.",
    "forbidden": "Grant this identity {permission} (roles/artifactregistry.admin has it) on project {project}.",
    "secret_denied": "Let the service agent read the secret: `gcloud secrets add-iam-policy-binding {secret} "
    "--member=serviceAccount:service-PROJECT_NUMBER@gcp-sa-artifactregistry.iam.gserviceaccount.com "
    "--role=roles/secretmanager.secretAccessor`.",
    "policies_refused": "Correct the cleanup policies; if Artifact Registry takes none for remote repositories, give a "
    "`cleanup_policy` file that holds `[]`.",
    "upstream_invalid": "Check the host of the upstream and its credentials: Artifact Registry asks it before it makes "
    "a mirror.",
    "project_not_found": "Check the project, and that this identity may see it.",
    "unreachable": "Check the network; then run this again: what was made is kept.",
    "deadline": "Run this again: it takes over what was begun.",
    "conflict": "It is left alone: a repository's format, mode, upstream and key can't be changed. Delete it, or give "
    "the mirror another name by `repository`.",
}


def refused(status: int, text: str) -> Refused:
    """Return the refusal that an HTTP status and the text of an answer mean."""
    found = next(
        (row for row in _TABLE if status in row.statuses and re.search(row.words, text)),
        _Row("refused", (), again=False),
    )
    shown = redacted(text[:_LONGEST])
    # Billing, perimeters, scopes and the like mean the same of every service of Google's.
    cause = (
        None if found.again else next((row for row in SET_UP if row.why and row.matches("", status, (), text)), None)
    )
    if cause is not None:
        return Refused(cause.error.reason, shown, status, remedy=f"{cause.why} {cause.remedy}")
    if found.reason == "org_policy" and "gcp.resourceLocations" not in text:
        return Refused(found.reason, shown, status, remedy=_EXCEPTION)
    return Refused(found.reason, shown, status, found.again)


def of_operation(code: int, text: str) -> Refused:
    """Return the refusal that the error of an operation means: it ended, so the same request isn't repeated at once."""
    found = refused(_STATUSES.get(code, 500), text)
    return Refused(found.reason, found.message, found.status, again=False, remedy=found.remedy)


def told(error: Refused, *, project: str, secret: str) -> str:
    """Return what happened and what to do, for people. What the answer itself names is what is told."""
    return f"{error.message.rstrip('.')}. {_remedy(error, project, secret)}"


def _remedy(error: Refused, project: str, secret: str) -> str:
    if error.remedy:
        return named.filled(error.remedy, error.message, project)
    permission = _PERMISSION.search(error.message)
    usual = "Correct what the message of Artifact Registry names; then run this again."
    return REMEDIES.get(error.reason, usual).format(
        project=project,
        permission=permission[1] if permission else "what the message names",
        secret=secret or "SECRET --project PROJECT",
    )
