r"""Reads list filters, in both languages of the discovery document's description of `filter`.

AIP-160 style: `field OP value` with `=`, `!=`, `<`, `<=`, `>`, `>=`, `:`; AND (or just a blank), OR, NOT or `-`,
parentheses; OR binds tighter than AND. Older style: `field eq REGEX` and `field ne REGEX`, matched against the
whole field; gcloud sends `family eq ".*\bfam\b.*"`. The two cannot be mixed. `*` in a value stands for anything. Two
switches: whether `=` minds case, and whether `:` looks for a part of the text. A regular expression is Python's, not
RE2's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from emulator.compute.scenario import Switches
from emulator.core import api_errors

Matcher = Callable[[Mapping[str, Any]], bool]

# Beyond this, nesting is refused rather than recursed into.
DEPTH = 50

_FIELD = r"[A-Za-z_$][\w$.-]*"
_SINGLE = re.compile(rf"\s*(?P<field>{_FIELD})\s+(?P<operator>eq|ne)\s+(?P<value>.+?)\s*", re.DOTALL)
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<open>\() | (?P<close>\))
    | (?P<word>(?:AND|OR|NOT)(?=[\s(])) | (?P<minus>-)(?=[A-Za-z_(])
    | (?P<field>{_FIELD})\s*(?:(?P<operator>!=|<=|>=|=|<|>|:)|\s(?P<old>eq|ne)\s)\s*
      (?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:[^\s()]|\((?:[^()]|\([^()]*\))*\))+)
    )""",
    re.VERBOSE | re.DOTALL,
)


class _Malformed(Exception):
    """The text isn't a valid filter."""


def parse(text: str, fields: frozenset[str], rules: Switches = Switches()) -> Matcher:  # noqa: B008 -- frozen
    """A test whether a resource with these fields is listed. Raises ApiError 400 for an invalid filter."""
    if not text.strip():
        return lambda _resource: True
    try:
        single = _SINGLE.fullmatch(text)
        if single and not re.search(r"['\"]\s+\S", single["value"]):
            return _comparison(single["field"], single["operator"], single["value"], fields, rules)
        return _Parser(text, fields, rules).whole()
    except _Malformed:
        raise api_errors.invalid("filter", text, "Invalid list filter expression.") from None


class _Parser:
    def __init__(self, text: str, fields: frozenset[str], rules: Switches) -> None:
        self._tokens = list(_tokens(text))
        self._rules = rules
        self._fields = fields
        self._place = 0
        styles = {token["old"] is not None for token in self._tokens if token["field"]}
        if len(styles) > 1:
            raise _Malformed

    def whole(self) -> Matcher:
        matcher = self._all(0)
        if self._place != len(self._tokens):
            raise _Malformed
        return matcher

    def _all(self, depth: int) -> Matcher:
        if depth > DEPTH:
            raise _Malformed
        parts = [self._any(depth)]
        while not self._ended():
            self._took("AND")
            parts.append(self._any(depth))
        return lambda resource: all(part(resource) for part in parts)

    def _any(self, depth: int) -> Matcher:
        parts = [self._term(depth)]
        while self._took("OR"):
            parts.append(self._term(depth))
        return lambda resource: any(part(resource) for part in parts)

    def _term(self, depth: int) -> Matcher:
        if self._ended():
            raise _Malformed
        token = self._tokens[self._place]
        self._place += 1
        if token["minus"] or token["word"] == "NOT":
            inner = self._term(depth + 1) if depth < DEPTH else self._refuse()
            return lambda resource: not inner(resource)
        if token["open"]:
            inner = self._all(depth + 1)
            if self._place == len(self._tokens) or not self._tokens[self._place]["close"]:
                raise _Malformed
            self._place += 1
            return inner
        if token["field"] is None:
            raise _Malformed
        operator = token["operator"] or token["old"]
        return _comparison(token["field"], operator, token["value"], self._fields, self._rules)

    def _refuse(self) -> Matcher:
        raise _Malformed

    def _ended(self) -> bool:
        return self._place == len(self._tokens) or self._tokens[self._place]["close"] is not None

    def _took(self, word: str) -> bool:
        found = not self._ended() and self._tokens[self._place]["word"] == word
        self._place += found
        return found


def _tokens(text: str) -> Iterator[re.Match[str]]:
    place = 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _Malformed
        yield match
        place = match.end()


def _comparison(field: str, operator: str, raw: str, fields: frozenset[str], rules: Switches) -> Matcher:
    path = field.split(".")
    if path[0] not in fields:
        raise _Malformed
    value = raw
    if raw[0] in "\"'":
        if len(raw) < 2 or raw[-1] != raw[0]:
            raise _Malformed
        value = raw[1:-1].replace("\\" + raw[0], raw[0])
    test = _test(operator, value, rules)
    negative = operator in {"!=", "ne"}

    def matches(resource: Mapping[str, Any]) -> bool:
        found = any(test(each) for each in _values(resource, path))
        return not found if negative else found

    return matches


def _test(operator: str, value: str, rules: Switches) -> Callable[[str], bool]:
    if operator in {"eq", "ne"}:
        try:
            pattern = re.compile(value)
        except (re.error, RecursionError, OverflowError):
            raise _Malformed from None
        return lambda text: pattern.fullmatch(text) is not None
    if operator in {"=", "!="}:
        return _wild(value, folded=rules.filter_case == "ignore")
    if operator == ":":
        return _wild(value if rules.filter_has == "whole" else f"*{value}*", folded=True)
    return lambda text: _ordered(operator, text, value)


def _wild(value: str, *, folded: bool) -> Callable[[str], bool]:
    """Compares whole texts; `*` stands for anything, and `folded` passes over case."""
    if folded:
        value = value.lower()
    pattern = re.compile(".*".join(re.escape(part) for part in re.split(r"\*+", value)), re.DOTALL)
    return lambda text: pattern.fullmatch(text.lower() if folded else text) is not None


def _ordered(operator: str, text: str, value: str) -> bool:
    number = re.compile(r"-?[0-9]{1,30}", re.ASCII)
    numeric = number.fullmatch(text) and number.fullmatch(value)
    left, right = (int(text), int(value)) if numeric else (text, value)
    if left == right:
        return "=" in operator
    return (left < right) == operator.startswith("<")  # type: ignore[operator]


def _values(resource: Any, path: list[str]) -> Iterator[str]:
    """The texts at a path: each entry of a list, a mapping's keys where the path ends at it."""
    if isinstance(resource, list):
        for each in resource:
            yield from _values(each, path)
    elif path:
        if isinstance(resource, Mapping):
            whole = ".".join(path)
            key = whole if whole in resource else path[0]
            if key in resource:
                yield from _values(resource[key], [] if key == whole else path[1:])
    elif isinstance(resource, Mapping):
        yield from (str(key) for key in resource)
    elif isinstance(resource, bool):
        yield "true" if resource else "false"
    elif resource is not None:
        yield str(resource)
