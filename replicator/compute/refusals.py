"""Tells what a refusal means: one table from (method, status, reason, words) to an error and to what is done about it.

HTTP status alone never decides: 403 may mean "never" (a permission), "in a minute" (a rate) or "ask for more"
(a quota), and 412 is an organisation's policy on insert but a stale fingerprint on setLabels.
The signals are those of Google's error documentation and of the reports that docs/facts-and-guesses.md collects
("Sources").
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING

from replicator.compute import permissions
from replicator.compute.errors import (
    CREDENTIALS_REFUSED,
    ENDPOINT_UNREACHABLE,
    SOURCE_MISSING,
    SOURCE_UNREADABLE,
    TOKEN_SERVICE_SILENT,
)
from replicator.core import errors

if TYPE_CHECKING:
    from replicator.core.errors import Advice, ReplicaError
    from replicator.core.images import Problem


class Refusal(Exception):
    """A call that the API refused, or did not answer in its own words."""

    def __init__(
        self,
        method: str,
        *,
        project: str = "",
        status: int | None = None,
        codes: tuple[str, ...] = (),
        message: str = "",
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.method = method
        """As the discovery document names it: `compute.images.insert`."""
        self.project = project
        """Whose resources were asked for; "" where there was no answer."""
        self.status = status
        """HTTP status; None where there was no answer that could be read."""
        self.codes = codes
        """The reasons and error codes that the answer gives."""
        self.message = message
        self.retry_after = retry_after
        """Seconds that the answer asks to wait."""

    @cached_property
    def fault(self) -> Fault:
        """The row of the table that it belongs to."""
        return _first(self.method, self.status, self.codes, self.message)

    def told(self, doing: str) -> str:
        """For people: what was being done, and what came of it."""
        verb = {None: "got no usable answer", 404: "found nothing"}.get(self.status, "was refused")
        return f"{doing} {verb}: {self.message}"


class NoToken(Refusal):
    """A call that was not sent, because the sign-in before it got no answer that could be used."""

    def __init__(self, message: str) -> None:
        super().__init__("", message=message)

    @cached_property
    def fault(self) -> Fault:
        """It is repeated like a call that is not answered."""
        return _NO_TOKEN

    def told(self, doing: str) -> str:
        """For people: what was being done, and what came of it."""
        return f"{doing}: {self.message}"


class Then(Enum):
    """What is done about a fault."""

    GIVE_UP = auto()
    REPEAT = auto()
    """Send the same request again, with the same requestId, after a wait."""
    READ_AGAIN = auto()
    """What the request was based on is stale: read it and compute the request anew."""
    ELSEWHERE = auto()
    """This image can't be copied for a while: copy another one, or wait."""
    LOOK = auto()
    """There is an image of that name: read it and decide by what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row of the table."""

    error: type[ReplicaError]
    then: Then = Then.GIVE_UP
    methods: frozenset[str] = frozenset()
    """Empty: any method."""
    statuses: frozenset[int | None] = frozenset()
    """Empty: any status."""
    codes: frozenset[str] = frozenset()
    """Empty: any code; else one of them must be given."""
    words: str = ""
    """A regular expression searched in the message; empty: any message."""
    wait: float = 0.0
    """Seconds before the first repetition; doubled each time up to `longest_wait`."""
    longest_wait: float = 0.0
    remedy: str = ""
    """What to do, where the error's own remedy is not exact enough."""
    ends: Advice = SOURCE_UNREADABLE
    """The failure of the run, where a call that is not a replica's meets it."""

    def matches(self, method: str, status: int | None, codes: tuple[str, ...], message: str) -> bool:
        """Whether the row is about this refusal."""
        return (
            (not self.methods or method in self.methods)
            and (not self.statuses or status in self.statuses)
            and (not self.codes or not self.codes.isdisjoint(codes))
            and re.search(self.words, message) is not None
        )

    def seconds(self, attempt: int) -> float:
        """How long to wait after that many attempts (from 1 on)."""
        return float(min(self.wait * 2 ** min(attempt - 1, 30), self.longest_wait))


INSERT = "compute.images.insert"
SET_LABELS = "compute.images.setLabels"
SET_POLICY = "compute.images.setIamPolicy"

_SOURCE_RATE_CODES = frozenset({"RESOURCE_OPERATION_RATE_EXCEEDED", "resourceOperationRateExceeded"})
_RATE_CODES = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})

#: The first row that matches is the one that counts.
TABLE: tuple[Fault, ...] = (
    # Unanswered, garbled (a proxy's page), or a trouble of the service itself: the same request again.
    Fault(
        error=errors.Unreachable,
        statuses=frozenset({None, 408}),
        then=Then.REPEAT,
        wait=1,
        longest_wait=30,
        ends=ENDPOINT_UNREACHABLE,
    ),
    Fault(
        error=errors.Unreachable,
        statuses=frozenset({500, 502, 503, 504}),
        then=Then.REPEAT,
        wait=1,
        longest_wait=30,
        ends=ENDPOINT_UNREACHABLE,
    ),
    # Too fast. The minute's budget refills with the next minute at the latest (API rate quotas): no wait is longer.
    Fault(
        error=errors.Rate,
        codes=frozenset({"CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"}),
        then=Then.REPEAT,
        wait=15,
        longest_wait=120,
    ),
    Fault(error=errors.Rate, codes=_RATE_CODES, then=Then.REPEAT, wait=0.5, longest_wait=60),
    Fault(error=errors.Rate, statuses=frozenset({429}), then=Then.REPEAT, wait=0.5, longest_wait=60),
    Fault(
        error=errors.SourceRate,
        methods=frozenset({INSERT}),
        codes=_SOURCE_RATE_CODES,
        then=Then.ELSEWHERE,
        wait=600,
        longest_wait=600,
    ),
    Fault(error=errors.SourceRate, codes=_SOURCE_RATE_CODES, then=Then.REPEAT, wait=600, longest_wait=600),
    Fault(
        error=errors.NotReady,
        codes=frozenset({"resourceNotReady", "RESOURCE_NOT_READY"}),
        then=Then.REPEAT,
        wait=5,
        longest_wait=30,
    ),
    # The set-up is wrong: nothing of this heals by itself.
    Fault(error=errors.Quota, codes=frozenset({"quotaExceeded", "QUOTA_EXCEEDED", "limitExceeded"})),
    Fault(error=errors.ApiDisabled, codes=frozenset({"accessNotConfigured", "SERVICE_DISABLED"})),
    Fault(error=errors.ProjectNotFound, statuses=frozenset({404}), words=r"'projects/[^/']+'"),
    Fault(error=errors.AccessBlocked, methods=frozenset({SET_POLICY}), words="constraints/|permitted customer"),
    Fault(error=errors.AccessBlocked, methods=frozenset({SET_POLICY}), codes=frozenset({"failedPrecondition"})),
    Fault(error=errors.OrgPolicy, words="constraints/|permitted customer"),
    # A stale fingerprint or etag; for a policy the API may also say 409.
    Fault(
        error=errors.Drift,
        methods=frozenset({SET_LABELS, SET_POLICY}),
        statuses=frozenset({409, 412}),
        then=Then.READ_AGAIN,
        wait=1,
        longest_wait=10,
    ),
    Fault(error=errors.Conflict, methods=frozenset({INSERT}), statuses=frozenset({409}), then=Then.LOOK),
    Fault(error=errors.OrgPolicy, methods=frozenset({INSERT}), statuses=frozenset({412})),
    # 401: a new token was tried already.
    Fault(
        error=errors.Forbidden,
        statuses=frozenset({401}),
        remedy=CREDENTIALS_REFUSED.remedy,
        ends=CREDENTIALS_REFUSED,
    ),
    Fault(error=errors.Forbidden, statuses=frozenset({403})),
    Fault(error=errors.Forbidden, codes=frozenset({"FORBIDDEN", "PERMISSION_DENIED"})),
    Fault(error=errors.SourceChanged, methods=frozenset({INSERT}), statuses=frozenset({404})),
    Fault(error=errors.SourceChanged, methods=frozenset({INSERT}), words=r"sourceImage.*not (be )?found"),
    Fault(error=errors.OperationFailed, statuses=frozenset({404}), ends=SOURCE_MISSING),
    Fault(error=errors.OperationFailed),
)

_NO_TOKEN = Fault(
    error=errors.Unreachable,
    then=Then.REPEAT,
    wait=1,
    longest_wait=30,
    remedy=TOKEN_SERVICE_SILENT.remedy,
    ends=TOKEN_SERVICE_SILENT,
)


def of_problem(problem: Problem) -> Fault:
    """The row for an insert that was accepted and ended in error.

    What would be repeated as the same request must be a new one here: a requestId whose operation failed gives the
    same failed operation for ever. Trouble of the service itself (5xx) is not unreachability here: it failed.
    """
    status = problem.http_status if problem.http_status < 500 else 0
    return _first("", status, (problem.code,), problem.message)


def error_of(refusal: Refusal, *, doing: str) -> ReplicaError:
    """The failure to report when a call is given up, in the API's words and with what was being done."""
    fault = refusal.fault
    remedy = filled(fault.remedy or fault.error.remedy, refusal.project)
    if fault.error is errors.Forbidden and refusal.status == 403:
        lacking = permissions.lacking(refusal.method, refusal.message)
        remedy = f"Grant this step's identity {lacking}: the README's section on IAM roles shows how."
    return fault.error(refusal.told(doing), remedy=remedy)


def filled(remedy: str, project: str) -> str:
    """A remedy whose commands name the project, where that is known."""
    return remedy.replace("PROJECT", shlex.quote(project)) if project else remedy


def _first(method: str, status: int | None, codes: tuple[str, ...], message: str) -> Fault:
    return next(fault for fault in TABLE if fault.matches(method, status, codes, message))
