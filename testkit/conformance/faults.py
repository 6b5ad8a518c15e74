"""The faults: what may go wrong with one call, by what it leaves behind and what can be known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from testkit.conformance.calls import Guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testkit.conformance.calls import Call


class Class(Enum):
    """Faults that must be treated alike."""

    LOST = "not done, and no answer"
    AMBIGUOUS = "done, and no answer"
    GARBLED = "an answer that is not Compute Engine's"
    CREDENTIALS = "the token is refused"
    THROTTLED = "too fast, or too early"
    PERMANENT = "refused for good"
    GONE = "not found"
    CONTENDED = "another image has the name, or it changed meanwhile"
    OPERATION_THROTTLED = "accepted, then too fast"
    OPERATION_FAILED = "accepted, then failed"
    OPERATION_TROUBLED = "accepted, then a trouble of the service itself"
    OPERATION_CONTENDED = "accepted, then another image had the name, or it had changed"
    OPERATION_STUCK = "accepted, and never ends"
    OPERATION_GONE = "accepted, and the operation is forgotten"
    STALE = "an answer from before the last change"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to go wrong."""

    name: str
    kind: Class
    action: Mapping[str, Any] = field(default_factory=dict)
    """What the emulator is told to do."""
    wire: str = ""
    """What happens on the client's side of the wire instead: see `wire`."""
    reason: str = ""
    """What the replica's row says where that ends it."""
    waits: float = 0.0
    """Seconds to wait at least before the first repetition."""
    longest: float = 0.0
    """Seconds to wait at most before any repetition, without jitter."""
    of_setup: bool = False
    """Whether the set-up is at fault where it meets every replica, whatever the reason says elsewhere."""
    leaves_failed: bool = False
    """Whether a FAILED image stays behind, which only `replace_failed` removes."""

    def concerns(self, call: Call) -> bool:
        """Whether it can happen to a call at all."""
        if self.kind is Class.STALE:
            return call.method in {"compute.images.get", "compute.images.getIamPolicy", "compute.images.getFromFamily"}
        if self.leaves_failed:
            return call.method == "compute.images.insert"
        if self.kind.name.startswith("OPERATION"):
            return call.starts_operation
        # What changes nothing has nothing to be unsure about.
        return self.kind is not Class.AMBIGUOUS or call.guard not in {Guard.READ, Guard.READ_BACK}


def _http(name: str, kind: Class, code: int, said: str, message: str = "", when: str = "before", **more: Any) -> Fault:
    """An error answer, with the reason that is said in it."""
    own: dict[str, Any] = {key: more.pop(key) for key in ("headers", "details") if key in more}
    action = {"kind": "http", "code": code, "reason": said, "message": message or "No, said the test.", "when": when}
    return Fault(name=name, kind=kind, action={**action, **own}, **more)


def _quick(name: str, kind: Class, action: Mapping[str, Any], **more: Any) -> Fault:
    """A fault after which the same request is sent after 1, 2, 4 … 30 seconds."""
    return Fault(name=name, kind=kind, action=action, waits=1, longest=30, **more)


def _operation(name: str, kind: Class, code: str, **more: Any) -> Fault:
    own: dict[str, Any] = {key: more.pop(key) for key in ("leaves", "http_status") if key in more}
    action = {"kind": "operation", "code": code, "message": "It failed, said the test.", **own}
    return Fault(name=name, kind=kind, action=action, **more)


PAGE = "<html><head><title>502 Bad Gateway</title></head><body>a proxy</body></html>"
_LOST: dict[str, Any] = {"waits": 1, "longest": 30}
_TROUBLED: dict[str, Any] = {"reason": "operation_failed", "waits": 5, "longest": 60}
_AMBIGUOUS: dict[str, Any] = {"when": "after", **_LOST}

FAULTS = (
    Fault(name="connection refused", kind=Class.LOST, wire="refused", **_LOST),
    Fault(name="host name not resolved", kind=Class.LOST, wire="unresolved", **_LOST),
    _quick("closed before", Class.LOST, {"kind": "drop", "when": "before", "how": "close"}),
    _quick("reset before", Class.LOST, {"kind": "drop", "when": "before", "how": "reset"}),
    _quick("never answered", Class.LOST, {"kind": "hang"}, wire="impatient"),
    _http("500 before", Class.LOST, 500, "internalError", **_LOST),
    _http("502 before", Class.LOST, 502, "badGateway", **_LOST),
    _http("503 before", Class.LOST, 503, "backendError", **_LOST),
    _http("504 before", Class.LOST, 504, "gatewayTimeout", **_LOST),
    _http("408", Class.LOST, 408, "requestTimeout", **_LOST),
    _quick("closed after", Class.AMBIGUOUS, {"kind": "drop", "when": "after", "how": "close"}),
    _quick("reset after", Class.AMBIGUOUS, {"kind": "drop", "when": "after", "how": "reset"}),
    _quick("cut off", Class.AMBIGUOUS, {"kind": "drop", "when": "during", "how": "close"}),
    _quick("answered too late", Class.AMBIGUOUS, {"kind": "delay", "seconds": 0.15}, wire="impatient"),
    _http("500 after", Class.AMBIGUOUS, 500, "internalError", **_AMBIGUOUS),
    _http("503 after", Class.AMBIGUOUS, 503, "backendError", **_AMBIGUOUS),
    _quick("a proxy's page after", Class.AMBIGUOUS, {"kind": "body", "when": "after", "status": 200, "text": PAGE}),
    _quick("a proxy's page, 502", Class.GARBLED, {"kind": "body", "status": 502, "text": PAGE}),
    _quick("a proxy's page, 200", Class.GARBLED, {"kind": "body", "status": 200, "text": PAGE}),
    _quick("half an answer", Class.GARBLED, {"kind": "body", "status": 200, "text": '{"kind": "compute#im'}),
    _quick("an empty object", Class.GARBLED, {"kind": "body", "status": 200, "text": "{}"}),
    _quick("a list", Class.GARBLED, {"kind": "body", "status": 200, "text": "[]"}),
    _quick("a text", Class.GARBLED, {"kind": "body", "status": 503, "text": '"Service Unavailable"'}),
    _quick("nothing at all", Class.GARBLED, {"kind": "body", "status": 200, "text": ""}),
    _http("401", Class.CREDENTIALS, 401, "authError", reason="forbidden"),
    _http("403 rateLimitExceeded", Class.THROTTLED, 403, "rateLimitExceeded", reason="rate", waits=0.5, longest=60),
    _http(
        "403 userRateLimitExceeded", Class.THROTTLED, 403, "userRateLimitExceeded", reason="rate", waits=0.5, longest=60
    ),
    _http(
        "403 concurrent operations",
        Class.THROTTLED,
        403,
        "rateLimitExceeded",
        reason="rate",
        waits=15,
        longest=120,
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
                "domain": "compute.googleapis.com",
            }
        ],
    ),
    _http("429", Class.THROTTLED, 429, "rateLimitExceeded", reason="rate", waits=0.5, longest=60),
    _http(
        "429 with Retry-After",
        Class.THROTTLED,
        429,
        "rateLimitExceeded",
        headers={"Retry-After": "90"},
        reason="rate",
        waits=90,
        longest=90,
    ),
    _http("400 resourceNotReady", Class.THROTTLED, 400, "resourceNotReady", reason="not_ready", waits=5, longest=30),
    _http("400 invalid", Class.PERMANENT, 400, "invalid", reason="operation_failed"),
    _http("403 forbidden", Class.PERMANENT, 403, "forbidden", reason="forbidden"),
    _http("403 quotaExceeded", Class.PERMANENT, 403, "quotaExceeded", reason="quota"),
    _http("403 accessNotConfigured", Class.PERMANENT, 403, "accessNotConfigured", reason="api_disabled"),
    _http(
        "404 of the project",
        Class.GONE,
        404,
        "notFound",
        "The resource 'projects/p1' was not found",
        reason="project_not_found",
    ),
    _http(
        "412 with a constraint",
        Class.PERMANENT,
        412,
        "conditionNotMet",
        "Location eu violates constraint constraints/gcp.resourceLocations on the resource.",
        reason="org_policy",
    ),
    _http(
        "400 failedPrecondition",
        Class.PERMANENT,
        400,
        "failedPrecondition",
        "constraints/iam.allowedPolicyMemberDomains: a member is not in a permitted organization.",
        reason="org_policy",
        of_setup=True,
    ),
    _http(
        "412 with a custom constraint",
        Class.PERMANENT,
        412,
        "conditionNotMet",
        'Operation denied by custom org policies: ["customConstraints/custom.costCentre": "Images need a label"].',
        reason="org_policy",
        of_setup=True,
    ),
    _http(
        "403 of a perimeter",
        Class.PERMANENT,
        403,
        "forbidden",
        "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X",
        reason="org_policy",
        of_setup=True,
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SECURITY_POLICY_VIOLATED",
                "domain": "googleapis.com",
            }
        ],
    ),
    _http(
        "404",
        Class.GONE,
        404,
        "notFound",
        "The resource 'projects/p1/global/images/said-the-test' was not found",
        reason="operation_failed",
    ),
    _http("409", Class.CONTENDED, 409, "alreadyExists", reason="operation_failed"),
    _http(
        "409 aborted",
        Class.CONTENDED,
        409,
        "aborted",
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
        reason="operation_failed",
    ),
    _http("412", Class.CONTENDED, 412, "conditionNotMet", reason="operation_failed"),
    _operation(
        "then the source's rate",
        Class.OPERATION_THROTTLED,
        "RESOURCE_OPERATION_RATE_EXCEEDED",
        http_status=403,
        waits=600,
        longest=600,
    ),
    _operation("then a quota", Class.OPERATION_FAILED, "QUOTA_EXCEEDED", reason="quota"),
    _operation("then an error", Class.OPERATION_FAILED, "SOME_ERROR", reason="operation_failed"),
    _operation("then an error, 400", Class.OPERATION_FAILED, "SOME_ERROR", http_status=400, reason="operation_failed"),
    _operation("then an error, 500", Class.OPERATION_TROUBLED, "SOME_ERROR", http_status=500, **_TROUBLED),
    _operation("then an error, 503", Class.OPERATION_TROUBLED, "SOME_ERROR", http_status=503, **_TROUBLED),
    _operation("then an internal error", Class.OPERATION_TROUBLED, "INTERNAL_ERROR", **_TROUBLED),
    _operation(
        "then it exists already",
        Class.OPERATION_CONTENDED,
        "RESOURCE_ALREADY_EXISTS",
        http_status=409,
        reason="operation_failed",
    ),
    _operation(
        "then a condition", Class.OPERATION_CONTENDED, "CONDITION_NOT_MET", http_status=412, reason="operation_failed"
    ),
    _operation(
        "then an error, done all the same",
        Class.OPERATION_FAILED,
        "SOME_ERROR",
        leaves="ready",
        reason="operation_failed",
    ),
    _operation(
        "then an error, a FAILED image left",
        Class.OPERATION_FAILED,
        "SOME_ERROR",
        leaves="failed",
        reason="operation_failed",
        leaves_failed=True,
    ),
    Fault(name="then no end", kind=Class.OPERATION_STUCK, action={"kind": "operation", "state": "stuck"}),
    Fault(name="then no trace", kind=Class.OPERATION_GONE, action={"kind": "operation", "state": "gone"}),
    Fault(name="stale", kind=Class.STALE, action={"kind": "stale", "reads": 1}, reason="operation_failed"),
)
