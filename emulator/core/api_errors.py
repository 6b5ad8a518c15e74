"""Makes the error body of every refusal, native or injected.

The shape and the wordings are those that clients of the real service recorded: `code`, `message` and `errors` with
`message`, `domain`, `reason`. A wording without a recording is ours: clients are asked to rely on codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_MESSAGES = {
    "rateLimitExceeded": "Rate Limit Exceeded",
    "quotaExceeded": "Quota exceeded.",
    "backendError": "Backend Error",
    "internalError": "Internal Error",
    "forbidden": "Forbidden",
    "accessNotConfigured": "Compute Engine API has not been used in this project before or it is disabled.",
    "notFound": "The resource was not found",
    "conditionNotMet": "Precondition check failed.",
}


@dataclass(kw_only=True)
class ApiError(Exception):
    """A request that is answered with an error body."""

    code: int
    reason: str
    message: str
    details: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[str] = ()
    location: str = ""
    """What of the request was wrong, and of which type that is: `If-Match`, a `header`."""
    location_type: str = ""

    def body(self) -> dict[str, Any]:
        """The JSON answer."""
        domain = "usageLimits" if self.reason in {"rateLimitExceeded", "quotaExceeded"} else "global"
        place = {"locationType": self.location_type, "location": self.location} if self.location else {}
        errors = [
            {"message": message, "domain": domain, "reason": self.reason, **place}
            for message in (self.message, *self.others)
        ]
        error: dict[str, Any] = {"code": self.code, "message": self.message, "errors": errors}
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error}


def not_found(target: str) -> ApiError:
    """404; `target` from `projects/` on."""
    return ApiError(code=404, reason="notFound", message=f"The resource '{target}' was not found")


def already_exists(target: str) -> ApiError:
    """409, raised by the insert call itself."""
    return ApiError(code=409, reason="alreadyExists", message=f"The resource '{target}' already exists")


def not_ready(target: str) -> ApiError:
    """400 for a resource that is still being made (seen for networks and images alike)."""
    return ApiError(code=400, reason="resourceNotReady", message=f"The resource '{target}' is not ready")


def invalid(name: str, value: object, why: str) -> ApiError:
    """400 for a field or parameter; `why` is a sentence."""
    return ApiError(code=400, reason="invalid", message=f"Invalid value for field '{name}': '{value}'. {why}")


def bad_request(message: str, reason: str = "invalid") -> ApiError:
    """400 with a text of its own."""
    return ApiError(code=400, reason=reason, message=message)


def required(name: str) -> ApiError:
    """400 for a field that is missing."""
    return ApiError(code=400, reason="required", message=f"Required field '{name}' not specified")


def forbidden(permission: str, target: str) -> ApiError:
    """403 for a permission that the caller lacks."""
    text = f"Required '{permission}' permission for '{target}'"
    return ApiError(code=403, reason="forbidden", message=text)


def condition_not_met(message: str) -> ApiError:
    """412 for a stale fingerprint or etag."""
    return ApiError(code=412, reason="conditionNotMet", message=message)


def no_such_method(verb: str, path: str) -> ApiError:
    """404 for what the discovery document does not have."""
    return ApiError(code=404, reason="notFound", message=f"The API has no method {verb} {path}")


def not_implemented(what: str) -> ApiError:
    """501 for what the API has and the emulator lacks."""
    return ApiError(code=501, reason="notImplemented", message=f"Not implemented by the emulator: {what}")
