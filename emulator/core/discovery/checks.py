"""Compiles the schemas of a discovery document into checks of JSON values."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any


class Problems(list[str]):
    """What is wrong with a value; `ignored` names kinds of fields that are dropped instead."""

    def __init__(self, ignored: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.ignored = ignored


Check = Callable[[Any, str, Problems], None]

KNOWN_KEYWORDS = frozenset(
    {
        "type", "format", "enum", "pattern", "readOnly", "annotations", "minimum", "maximum", "default", "$ref",
        "items", "properties", "additionalProperties", "location", "required", "repeated",
    }
)  # fmt: skip
INTEGER_LIMITS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


class Checks:
    """The checks of a document's schemas, each compiled once."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._compiled: dict[tuple[str, str], Check] = {}

    def named(self, name: str, direction: str) -> Check:
        """The check of a schema by its name, of a `request` or of an `answer`."""
        key = (name, direction)
        if key not in self._compiled:

            def later(value: Any, path: str, problems: Problems) -> None:
                self._compiled[key](value, path, problems)

            # Placed before compiling, since schemas may refer to themselves.
            self._compiled[key] = later
            self._compiled[key] = self.compiled(self._schemas[name], name, direction)
        return self._compiled[key]

    def compiled(self, schema: Mapping[str, Any], where: str, direction: str) -> Check:
        """The check of a schema that has no name. Raises ValueError for a keyword that no check is written for."""
        check_keywords(schema, where)
        if "$ref" in schema:
            return self.named(schema["$ref"], direction)
        kind = schema["type"]
        if kind == "object":
            return self._object(schema, where, direction)
        if kind == "array":
            return _array(self.compiled(schema["items"], where, direction))
        return _scalar(schema, strict=direction == "answer")

    def _object(self, schema: Mapping[str, Any], where: str, direction: str) -> Check:
        fields = {
            name: self.compiled(field, f"{where}.{name}", direction)
            for name, field in schema.get("properties", {}).items()
        }
        closed = {
            name for name, field in schema.get("properties", {}).items()
            if direction == "request" and field.get("readOnly")
        }  # fmt: skip
        rest = schema.get("additionalProperties")
        other = self.compiled(rest, f"{where}.*", direction) if rest else None

        def check(value: Any, path: str, problems: Problems) -> None:
            if not isinstance(value, dict):
                problems.append(f"Invalid value at '{path}': an object is expected.")
                return
            for name, inner in list(value.items()):
                checker = fields.get(name, other)
                if (checker is None and "unknown" in problems.ignored) or (
                    name in closed and "read-only" in problems.ignored
                ):
                    del value[name]
                elif checker is None:
                    text = f"Unknown name \"{name}\" at '{path}': Cannot find field."
                    problems.append(f"Invalid JSON payload received. {text}")
                elif inner is None and direction == "request":
                    continue
                elif name in closed:
                    problems.append(f"Invalid value for field '{path}.{name}': '{inner}'. The field is output only.")
                else:
                    checker(inner, f"{path}.{name}", problems)

        return check


def without_nulls(value: Any) -> Any:
    """A body without its nulls, at any depth."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def check_keywords(schema: Mapping[str, Any], where: str) -> None:
    """Raises ValueError for a keyword that no check is written for."""
    if unknown := schema.keys() - KNOWN_KEYWORDS:
        raise ValueError(f"{where}: no check is written for {sorted(unknown)}")


def _array(item: Check) -> Check:
    def check(value: Any, path: str, problems: Problems) -> None:
        if not isinstance(value, list):
            problems.append(f"Invalid value at '{path}': an array is expected.")
            return
        for index, inner in enumerate(value):
            item(inner, f"{path}[{index}]", problems)

    return check


def _scalar(schema: Mapping[str, Any], *, strict: bool) -> Check:
    kind, form = schema["type"], schema.get("format", "")
    if kind == "any":
        return lambda _value, _path, _problems: None
    enum = frozenset(schema.get("enum", ()))
    pattern = re.compile(schema["pattern"]) if "pattern" in schema else None

    def check(value: Any, path: str, problems: Problems) -> None:
        if not _typed(value, kind, form, strict=strict):
            problems.append(f"Invalid value at '{path}' ({form or kind}): {json.dumps(value)[:200]}")
        elif enum and value not in enum:
            problems.append(f"Invalid value for field '{path}': '{value}'. Must be one of {sorted(enum)}.")
        elif pattern and isinstance(value, str) and not pattern.fullmatch(value):
            text = f"Must be a match of regex '{pattern.pattern}'"
            problems.append(f"Invalid value for field '{path}': '{value}'. {text}")

    return check


def _typed(value: Any, kind: str, form: str, *, strict: bool) -> bool:
    """Whether a JSON value has the type; from clients, numbers may be strings and the reverse."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer" or form in {"int64", "uint64"}:
        written = str if kind == "string" else int
        if isinstance(value, bool) or not isinstance(value, written if strict else int | str):
            return False
        return isinstance(integer(value, form), int)
    if not isinstance(value, str):
        return False
    return decoded(value) is not None if form == "byte" else True


def integer(value: int | str, form: str) -> int | None:
    """The number that a JSON value stands for; None if it is none, or out of its format's range."""
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,20}", value, re.ASCII):
        return None
    low, high = INTEGER_LIMITS[form or "int64"]
    number = int(value)
    return number if low <= number <= high else None


def decoded(text: str) -> bytes | None:
    """Base64 in either alphabet, padded or not (gcloud returns etags in the URL-safe one); None if it is none."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
