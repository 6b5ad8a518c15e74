"""The part of GitHub's expression language that `action.yml` uses; anything else is an error, never a guess.

Supported: `inputs.NAME`, `steps.ID.outputs.NAME`, 'strings', `contains(…, …)`, `==`, `!=`, `&&` and `||`. Comparison and
search ignore case; `||` gives its first operand that is not empty, `&&` its first that is, as GitHub's own evaluator does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | bool

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<path>[A-Za-z_][A-Za-z0-9_.-]*)|(?P<sign>==|!=|&&|\|\||[(),]))")
_PLACE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class BadExpression(ValueError):
    """An expression that is wrong, or that this evaluator does not know."""


@dataclass(frozen=True, slots=True)
class Context:
    """What expressions may read: the inputs, and the outputs of each step of the action (none if it did not run)."""

    inputs: Mapping[str, str]
    steps: Mapping[str, Mapping[str, str]]

    def read(self, path: str) -> str:
        """The value at a path. GitHub gives nothing for what it does not know; here a misspelt name is an error."""
        match path.split("."):
            case ["inputs", name] if name in self.inputs:
                return self.inputs[name]
            case ["steps", step, "outputs", name] if step in self.steps:
                return self.steps[step].get(name, "")
        raise BadExpression(f"nothing is known under {path}")


def expand(template: str, context: Context) -> str:
    """A template with every `${{ … }}` replaced."""
    expanded = _PLACE.sub(lambda match: _text(evaluate(match[1], context)), template)
    if "${{" in _PLACE.sub("", template):
        raise BadExpression(f"an expression without its end: {template}")
    return expanded


def holds(condition: str, context: Context) -> bool:
    """Whether an `if:` holds, with or without `${{ }}` around it."""
    match = _PLACE.fullmatch(condition.strip())
    return bool(evaluate(match[1] if match else condition, context))


def evaluate(expression: str, context: Context) -> Value:
    """The value of one expression."""
    tokens = _tokens(expression)
    value, rest = _either(tokens, context)
    if rest:
        raise BadExpression(f"unexpected {rest[0]!r} in: {expression}")
    return value


def _text(value: Value) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _tokens(expression: str) -> list[str]:
    tokens, position, text = [], 0, expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise BadExpression(f"not understood from column {position} on: {expression}")
        tokens.append(match[0].strip())
        position = match.end()
    return tokens


def _either(tokens: list[str], context: Context) -> tuple[Value, list[str]]:
    value, rest = _both(tokens, context)
    while rest[:1] == ["||"]:
        other, rest = _both(rest[1:], context)
        value = value or other
    return value, rest


def _both(tokens: list[str], context: Context) -> tuple[Value, list[str]]:
    value, rest = _equal(tokens, context)
    while rest[:1] == ["&&"]:
        other, rest = _equal(rest[1:], context)
        value = value and other
    return value, rest


def _equal(tokens: list[str], context: Context) -> tuple[Value, list[str]]:
    value, rest = _atom(tokens, context)
    if rest[:1] in (["=="], ["!="]):
        other, left = _atom(rest[1:], context)
        return (_text(value).casefold() == _text(other).casefold()) is (rest[0] == "=="), left
    return value, rest


def _atom(tokens: list[str], context: Context) -> tuple[Value, list[str]]:
    if not tokens or not (tokens[0][0].isalpha() or tokens[0][0] in "'_"):
        raise BadExpression("an operand is missing")
    first, rest = tokens[0], tokens[1:]
    if first == "contains":
        return _contains(rest, context)
    return (first[1:-1].replace("''", "'") if first.startswith("'") else context.read(first)), rest


def _contains(tokens: list[str], context: Context) -> tuple[bool, list[str]]:
    if tokens[:1] != ["("]:
        raise BadExpression("contains needs its two operands in parentheses")
    whole, rest = _either(tokens[1:], context)
    if rest[:1] != [","]:
        raise BadExpression("contains needs two operands")
    part, rest = _either(rest[1:], context)
    if rest[:1] != [")"]:
        raise BadExpression("contains is not closed")
    return _text(part).casefold() in _text(whole).casefold(), rest[1:]
