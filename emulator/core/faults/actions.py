"""Describes what a fault does to a request, and does it to the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from emulator.core import api_errors
from emulator.core.messages import Reply, refusal, reply_json
from emulator.core.wire import Cut

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class HttpFault:
    """An error answer, before or after the state changed."""

    when: str
    code: int
    reason: str
    message: str
    headers: Mapping[str, str]
    details: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class DropFault:
    """The connection closed or reset, before or after the state changed, or during the answer."""

    when: str
    how: str


@dataclass(frozen=True, kw_only=True)
class BodyFault:
    """Any text with any status, as intermediaries send it."""

    when: str
    status: int
    text: str


@dataclass(frozen=True, kw_only=True)
class DelayFault:
    """Seconds to wait before the request is looked at."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class OperationFault:
    """How an operation ends: with an error `code` that leaves something, or not at all (`state` stuck or gone)."""

    code: str
    message: str
    http_status: int | None
    leaves: str
    state: str


@dataclass(frozen=True, kw_only=True)
class HangFault:
    """No answer, ever; ends with a reset, the client's leaving, or the emulator."""


@dataclass(frozen=True, kw_only=True)
class StaleFault:
    """This many reads answer the state before the last change of what they read."""

    reads: int


@dataclass(frozen=True, kw_only=True)
class PartialFault:
    """A list that holds a part of its items only, and says so by a warning, of one scope if there are several."""

    part: float
    warning: str
    scope: str


Action = PartialFault | HangFault | StaleFault | HttpFault | DropFault | BodyFault | DelayFault | OperationFault


@dataclass(kw_only=True)
class Fault:
    """A fault and its account."""

    id: str
    method: str | None
    pattern: re.Pattern[str] | None
    skip: int
    times: int | None
    action: Action
    spec: Mapping[str, Any]
    seen: int = 0
    fired: int = 0

    def reached_by(self, method: str, target: str, body: str) -> bool:
        """Whether a request is one that this fault is meant for."""
        if self.method not in {None, method}:
            return False
        return self.pattern is None or bool(self.pattern.search(target) or self.pattern.search(body))

    def show(self) -> dict[str, Any]:
        """The fault as it was posted, with its account."""
        left = None if self.times is None else max(0, self.times - self.fired)
        return {**self.spec, "id": self.id, "seen": self.seen, "fired": self.fired, "left": left}


def injected(action: object, when: str) -> Reply | None:
    """What a fault puts in the answer's place at this point. Raises Cut where it ends the connection."""
    if isinstance(action, DropFault) and action.when == when:
        raise Cut(action.how)
    if isinstance(action, BodyFault) and action.when == when:
        return Reply(status=action.status, content=action.text.encode(), media_type="text/html; charset=UTF-8")
    if isinstance(action, HttpFault) and action.when == when:
        message = action.message or api_errors.DEFAULT_MESSAGES.get(action.reason, action.reason)
        return refusal(
            api_errors.ApiError(
                code=action.code,
                reason=action.reason,
                message=message,
                details=action.details,
                headers=action.headers,
            )
        )
    return None


def trimmed(action: object, reply: Reply) -> Reply:
    """The reply, or what is left of a list."""
    if not isinstance(action, PartialFault) or reply.status != HTTPStatus.OK:
        return reply
    body = json.loads(reply.content)
    items = body.get("items", [])
    if isinstance(items, dict):
        body["items"] = {
            name: {key: _part(action, value) for key, value in each.items()} for name, each in items.items()
        }
    else:
        body["items"] = _part(action, items)
    if action.warning:
        holder = body["items"].setdefault(action.scope, {}) if action.scope and isinstance(items, dict) else body
        holder["warning"] = {"code": action.warning, "message": "The list is not complete."}
    return replace(reply, content=reply_json(body).content)


def _part(action: PartialFault, value: Any) -> Any:
    return value[: int(len(value) * action.part)] if isinstance(value, list) else value


def cut_short(action: object, reply: Reply) -> None:
    """Raises Cut for a fault that breaks the connection during the answer."""
    if isinstance(action, DropFault) and action.when == "during":
        raise Cut(action.how, reply)
