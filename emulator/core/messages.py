"""Defines requests as they come in and replies as they go out, and reads and writes their JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.client import responses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from emulator.core.api_errors import ApiError

DEEPEST = 100
MALFORMED = object()
JSON = "application/json; charset=UTF-8"


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A request as it came in: on its own, or as a part of a batch. `gone` returns once the client has left."""

    verb: str
    raw_path: str
    query_string: str
    body: bytes
    gone: Callable[[], Awaitable[None]]
    authorization: str = ""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer; `reason` is for the journal only."""

    status: int
    content: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None

    @property
    def lines(self) -> dict[str, str]:
        """All header lines but those of the transport."""
        typed = {"content-type": self.media_type} if self.content else {}
        return {**typed, **{name.lower(): value for name, value in self.headers.items()}}

    def encoded(self) -> bytes:
        """The answer as HTTP/1.1 puts it on the wire."""
        first = f"HTTP/1.1 {self.status} {responses.get(self.status, '')}"
        lines = [f"{name}: {value}" for name, value in self.lines.items()]
        return "\r\n".join([first, *lines, f"content-length: {len(self.content)}", "", ""]).encode() + self.content


def reply_json(body: object, *, status: int = 200, indent: int | None = None) -> Reply:
    """An answer in JSON, with nothing but ASCII in it, so that any text from a client can be given back."""
    separators = None if indent else (",", ":")
    return Reply(status=status, content=json.dumps(body, indent=indent, separators=separators).encode())


def refusal(error: ApiError) -> Reply:
    """An error's answer."""
    reply = reply_json(error.body(), status=error.code)
    return Reply(status=reply.status, content=reply.content, headers=error.headers, reason=error.reason)


def parsed(content: bytes) -> object:
    """The JSON value of a body; None for an empty one, `MALFORMED` for what is no JSON or nested too deep."""
    if not content:
        return None
    try:
        value: object = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return MALFORMED
    return MALFORMED if _too_deep(value) else value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _too_deep(value: object) -> bool:
    level: Iterable[object] = [value]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        if not inner:
            return False
        level = inner
    return True
