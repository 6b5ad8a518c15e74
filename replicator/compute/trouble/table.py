"""Puts the table of refusals in order: those of set-up from `set_up`, rates and passing trouble from here. Pure.

What an answer names decides before its HTTP status does, and the rows are the same for the error of an operation.
The signals come from Google's error documentation and from the reports that docs/facts-and-guesses.md collects
("Sources").
"""

from __future__ import annotations

from replicator.compute.errors import CREDENTIALS_REFUSED, ENDPOINT_UNREACHABLE, SOURCE_MISSING
from replicator.compute.trouble import set_up
from replicator.compute.trouble.fault import INSERT, NOT_FOUND, SET_LABELS, SET_POLICY, Fault, Then
from replicator.core import errors

_SOURCE_RATE_CODES = frozenset({"RESOURCE_OPERATION_RATE_EXCEEDED", "resourceOperationRateExceeded"})
_RATE_CODES = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_SERVICE_CODES = frozenset(
    {"INTERNAL_ERROR", "INTERNAL", "BACKEND_ERROR", "UNAVAILABLE", "SERVICE_UNAVAILABLE"}
    | {"DEADLINE_EXCEEDED", "TIMEOUT", "ABORTED"}
)
#: Operations name these without a status, too.
_NOT_MET = frozenset({"conditionNotMet", "CONDITION_NOT_MET"})
_STALE = _NOT_MET | {"aborted", "ABORTED", "INVALID_FINGERPRINT"}
_SERVICE_STATUSES = frozenset({500, 502, 503, 504})

#: Unanswered, garbled (a proxy's page), or the service's own trouble: send the same request again.
_UNANSWERED: tuple[Fault, ...] = (
    Fault(
        error=errors.Unreachable,
        statuses=frozenset({None, 408}),
        of_operation=False,
        then=Then.REPEAT,
        wait=1,
        longest_wait=30,
        ends=ENDPOINT_UNREACHABLE,
    ),
    Fault(
        error=errors.Unreachable,
        statuses=_SERVICE_STATUSES,
        of_operation=False,
        then=Then.REPEAT,
        wait=1,
        longest_wait=30,
        ends=ENDPOINT_UNREACHABLE,
    ),
)

#: Too fast, or too early. The minute's budget refills with the next minute at the latest (API rate quotas): no wait for
#: it is longer.
_TOO_FAST: tuple[Fault, ...] = (
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
        error=errors.Rate,
        says=("quota metric … per minute",),
        then=Then.REPEAT,
        wait=0.5,
        longest_wait=60,
    ),
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
)

#: About what exists, or existed: a stale fingerprint or etag (409 too, for a policy), a name, a source.
_STATE: tuple[Fault, ...] = (
    *(
        Fault(
            error=errors.Drift,
            methods=frozenset({SET_LABELS, SET_POLICY}),
            then=Then.READ_AGAIN,
            wait=1,
            longest_wait=10,
            **sign,
        )
        for sign in ({"statuses": frozenset({409, 412})}, {"codes": _STALE})
    ),
    Fault(error=errors.Conflict, methods=frozenset({INSERT}), statuses=frozenset({409}), then=Then.LOOK),
    Fault(
        error=errors.Conflict,
        methods=frozenset({INSERT}),
        codes=frozenset({"alreadyExists", "ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS"}),
        then=Then.LOOK,
    ),
    Fault(error=errors.OrgPolicy, methods=frozenset({INSERT}), statuses=frozenset({412})),
    Fault(error=errors.OrgPolicy, methods=frozenset({INSERT}), codes=_NOT_MET),
    # 401: a new token has been tried already.
    Fault(
        error=errors.Forbidden,
        statuses=frozenset({401}),
        remedy=CREDENTIALS_REFUSED.remedy,
        ends=CREDENTIALS_REFUSED,
    ),
    Fault(error=errors.Forbidden, statuses=frozenset({403})),
    Fault(error=errors.Forbidden, codes=frozenset({"FORBIDDEN", "PERMISSION_DENIED", "PERMISSIONS_ERROR"})),
    Fault(error=errors.SourceChanged, methods=frozenset({INSERT}), statuses=frozenset({404})),
    Fault(error=errors.SourceChanged, methods=frozenset({INSERT}), codes=NOT_FOUND),
    Fault(
        error=errors.SourceChanged,
        methods=frozenset({INSERT}),
        says=("sourceImage…not found", "sourceImage…not be found"),
    ),
)

#: The service's own trouble that an operation ended with: the API was reachable, and a new request may do.
_OF_THE_SERVICE: tuple[Fault, ...] = tuple(
    Fault(
        error=errors.OperationFailed,
        of_operation=True,
        then=Then.REPEAT,
        wait=5,
        longest_wait=60,
        tries=5,
        remedy="The trouble is Compute Engine's own: run this again later.",
        **sign,
    )
    for sign in ({"statuses": _SERVICE_STATUSES | {408}}, {"codes": _SERVICE_CODES})
)

#: The first row that matches decides.
TABLE: tuple[Fault, ...] = (
    *_UNANSWERED,
    *_TOO_FAST,
    *set_up.SET_UP,
    *set_up.POLICIES,
    *set_up.NEEDS,
    *_STATE,
    *_OF_THE_SERVICE,
    Fault(error=errors.OperationFailed, statuses=frozenset({404}), ends=SOURCE_MISSING),
    Fault(error=errors.OperationFailed),
)
