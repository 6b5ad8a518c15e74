"""Reads faults as they are posted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator.core.faults.actions import (
    Action,
    BodyFault,
    DelayFault,
    DropFault,
    Fault,
    HangFault,
    HttpFault,
    OperationFault,
    PartialFault,
    StaleFault,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

WHEN = ("before", "after")
HOW = ("close", "reset")
BODILESS = (204, 304)
MANY = 1_000_000


def read(spec: object, name: str, method_ids: Collection[str]) -> Fault:
    """A fault as it is asked for. Raises ValueError for one that is not valid."""
    fields = _Fields(spec, name)
    method = fields.text("method", optional=True)
    if method is not None and method not in method_ids:
        raise ValueError(f"{name}: the API has no method '{method}'")
    match = fields.text("match", optional=True)
    try:
        pattern = None if match is None else re.compile(match)
    except re.error as error:
        raise ValueError(f"{name}: 'match' is no regular expression: {error}") from None
    action = _action(_Fields(fields.value("action"), f"{name}: action"))
    times = None if fields.is_null("times") else fields.whole("times", 1, low=1)
    if times and isinstance(action, StaleFault):
        times *= action.reads
    fault = Fault(
        id=fields.text("id", optional=True) or name.replace(" ", "-"),
        method=method,
        pattern=pattern,
        skip=fields.whole("skip", 0, low=0),
        times=times,
        action=action,
        spec=spec if isinstance(spec, dict) else {},
    )
    fields.done()
    return fault


class _Fields:
    """Reads a JSON object field by field, and refuses what nobody asked for."""

    def __init__(self, raw: object, name: str) -> None:
        if not isinstance(raw, dict):
            raise ValueError(f"{name}: a JSON object is expected")  # noqa: TRY004 -- wrong input, not a wrong call
        self._raw, self._name, self._read = raw, name, set[str]()

    def value(self, key: str, default: object = None) -> Any:
        self._read.add(key)
        return self._raw.get(key, default)

    def is_null(self, key: str) -> bool:
        return key in self._raw and self.value(key) is None

    def text(self, key: str, default: str | None = None, *, optional: bool = False) -> Any:
        value = self.value(key, default)
        if not isinstance(value, str) and not (optional and value is None):
            raise ValueError(f"{self._name}: '{key}' must be a string")
        return value

    def one_of(self, key: str, choices: tuple[str, ...]) -> str:
        value: str = self.text(key, choices[0])
        if value not in choices:
            raise ValueError(f"{self._name}: '{key}' must be one of {', '.join(choices)}")
        return value

    def whole(self, key: str, default: int | None = None, *, low: int, high: int = MANY) -> int:
        value = self.value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{self._name}: '{key}' must be a whole number from {low} to {high}")
        return value

    def number(self, key: str) -> float:
        value = self.value(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MANY:
            raise ValueError(f"{self._name}: '{key}' must be a number of seconds from 0 to {MANY}")
        return float(value)

    def done(self) -> None:
        if unknown := sorted(set(self._raw) - self._read):
            raise ValueError(f"{self._name}: unknown: {', '.join(unknown)}")


def _action(fields: _Fields) -> Action:
    kind = fields.text("kind")
    if kind not in _READERS:
        raise ValueError(f"action: kind '{kind}' is not supported; supported: {', '.join(sorted(_READERS))}")
    action = _READERS[kind](fields)
    fields.done()
    return action


def _http(fields: _Fields) -> Action:
    headers = fields.value("headers", {})
    if not isinstance(headers, dict) or not all(_header(*pair) for pair in headers.items()):
        raise ValueError("action: 'headers' must be an object of header names and one-line texts")
    details = fields.value("details", [])
    if not isinstance(details, list) or not all(isinstance(detail, dict) for detail in details):
        raise ValueError("action: 'details' must be a list of objects")
    return HttpFault(
        when=fields.one_of("when", WHEN),
        code=fields.whole("code", low=400, high=599),
        reason=fields.text("reason"),
        message=fields.text("message", optional=True) or "",
        headers=headers,
        details=tuple(details),
    )


def _header(name: object, value: object) -> bool:
    return bool(
        isinstance(name, str)
        and isinstance(value, str)
        and re.fullmatch(r"[A-Za-z0-9-]+", name)
        and name.lower() not in {"content-length", "transfer-encoding"}
        and re.fullmatch(r"[\x21-\x7e](?:[ \x21-\x7e]*[\x21-\x7e])?", value)
    )


def _drop(fields: _Fields) -> Action:
    return DropFault(when=fields.one_of("when", (*WHEN, "during")), how=fields.one_of("how", HOW))


def _body(fields: _Fields) -> Action:
    status = fields.whole("status", low=200, high=599)
    if status in BODILESS:
        raise ValueError(f"action: an answer with status {status} has no body")
    return BodyFault(when=fields.one_of("when", WHEN), status=status, text=fields.text("text"))


def _delay(fields: _Fields) -> Action:
    return DelayFault(seconds=fields.number("seconds"))


def _operation(fields: _Fields) -> Action:
    state = fields.text("state", optional=True)
    if state is not None:
        if state not in {"stuck", "gone"}:
            raise ValueError("action: 'state' must be one of stuck, gone")
        return OperationFault(code="", message="", http_status=None, leaves="nothing", state=state)
    code = fields.text("code")
    if not code:
        raise ValueError("action: 'code' must not be empty")
    status = None if fields.value("http_status") is None else fields.whole("http_status", low=400, high=599)
    return OperationFault(
        code=code,
        message=fields.text("message", optional=True) or "",
        http_status=status,
        leaves=fields.one_of("leaves", ("nothing", "failed", "ready")),
        state="",
    )


def _partial(fields: _Fields) -> Action:
    part = fields.value("part", 0.5)
    if not isinstance(part, int | float) or isinstance(part, bool) or not 0 <= part <= 1:
        raise ValueError("action: 'part' must be a number from 0 to 1")
    return PartialFault(part=part, warning=fields.text("warning", "UNREACHABLE"), scope=fields.text("scope", ""))


_READERS: Mapping[str, Callable[[_Fields], Action]] = {
    "http": _http,
    "drop": _drop,
    "body": _body,
    "delay": _delay,
    "hang": lambda _fields: HangFault(),
    "stale": lambda fields: StaleFault(reads=fields.whole("reads", 1, low=1)),
    "operation": _operation,
    "partial": _partial,
}
