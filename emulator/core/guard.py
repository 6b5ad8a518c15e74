"""Decides who is let in, what they may do, and how often. Off unless a scenario names principals or quotas.

Wordings are those that clients recorded or match against (gcloud, Terraform's provider).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from emulator.core import api_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emulator.core.scenario import Principal, Quotas, Scenario


@dataclass(frozen=True, kw_only=True)
class Need:
    """A permission that a request needs in a project; `granted` where the resource itself gives it."""

    permission: str
    project: str
    resource: str
    granted: bool = False


@dataclass(frozen=True, kw_only=True)
class Meter:
    """What requests of a kind count against: the key of its limit in `quotas`, and the names that refusals give."""

    key: Literal["reads_per_minute", "mutations_per_minute"]
    service: str
    metric: str
    quota: str


def authenticated(scenario: Scenario, authorization: str) -> Principal | None:
    """The sender of a request; None where a scenario names nobody. Raises ApiError 401 for a stranger."""
    if scenario.principals is None:
        return None
    kind, _, token = authorization.partition(" ")
    principal = scenario.principal(token.strip()) if kind.lower() == "bearer" else None
    if principal is None:
        headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
        raise api_errors.ApiError(code=401, reason="authError", message="Invalid Credentials", headers=headers)
    return principal


def holds(principal: Principal, permission: str, project: str) -> bool:
    """Whether somebody has a permission in a project."""
    granted = (*principal.permissions, *principal.projects.get(project, ()))
    return any(fnmatchcase(permission, pattern) for pattern in granted)


def check_permissions(principal: Principal | None, needs: Iterable[Need]) -> None:
    """Raises ApiError 403 for the first permission that the principal lacks."""
    if principal is None:
        return
    for need in needs:
        if not need.granted and not holds(principal, need.permission, need.project):
            raise api_errors.forbidden(need.permission, need.resource)


class Meters:
    """How many requests of each kind a project has made in the latest minute."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Meter], tuple[int, int]] = {}

    def count(self, meter: Meter, project: str, quotas: Quotas, now: float) -> None:
        """Count a request. Raises ApiError 403 once a project has made all that this minute allows."""
        minute = int(now // 60)
        last, count = self._counts.get((project, meter), (minute, 0))
        count = count if last == minute else 0
        limit: int | None = getattr(quotas, meter.key)
        if limit is not None and count >= limit:
            raise _exceeded(meter, project, limit)
        self._counts[project, meter] = (minute, count + 1)

    def clear(self) -> None:
        """Forget all counts."""
        self._counts.clear()


def _exceeded(meter: Meter, project: str, limit: int) -> api_errors.ApiError:
    consumer = f"project_number:{int.from_bytes(sha256(project.encode()).digest()[:5], 'big')}"
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "service": meter.service,
            "consumer": consumer,
            "quota_limit": meter.quota,
            "quota_limit_value": str(limit),
            "quota_location": "global",
        },
    }
    # The wording that Terraform's provider tells a quota per minute by.
    text = (
        f"Quota exceeded for quota metric '{meter.metric}' and limit '{meter.metric} per minute' of service "
        f"'{meter.service}' for consumer '{consumer}'."
    )
    return api_errors.ApiError(code=403, reason="rateLimitExceeded", message=text, details=(detail,))
