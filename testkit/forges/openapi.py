"""Checks requests and answers by GitHub's own OpenAPI document, reduced by scripts/github_openapi.py."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator

_DOCUMENT = Path(__file__).with_name("github-openapi.json")


class Violation(AssertionError):
    """A request or an answer that GitHub's document doesn't allow."""


@cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_DOCUMENT.read_text(encoding="utf-8"))
    return found


@cache
def _validator(path: str, method: str, what: str) -> Draft202012Validator | None:
    operation = _document()["paths"][path][method]
    part = operation.get("requestBody", {}) if what == "request" else operation["responses"].get(what)
    if part is None:
        raise Violation(f"{method} {path} has no answer {what} in GitHub's document")
    if "$ref" in part:
        part = _document()["components"]["responses"][part["$ref"].rsplit("/", 1)[1]]
    schema = part.get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    return Draft202012Validator({**_nullable(schema), "components": _nullable(_document()["components"])})


def _nullable(schema: Any) -> Any:
    """OpenAPI 3.0 says `nullable`, JSON Schema a type `null`."""
    if isinstance(schema, list):
        return [_nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _nullable(value) for name, value in schema.items() if name != "nullable"}
    if schema.get("nullable") is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


def check_request(path: str, method: str, query: str, body: bytes) -> None:
    """Raise Violation unless the document knows the method, its query and its body."""
    operation = _document()["paths"].get(path, {}).get(method)
    if operation is None:
        raise Violation(f"GitHub's document has no {method} {path}")
    known = {_parameter(item)["name"] for item in operation.get("parameters", []) if _parameter(item)["in"] == "query"}
    unknown = {name for name, _ in parse_qsl(query)} - known
    if unknown:
        raise Violation(f"{method} {path} takes no {', '.join(sorted(unknown))}")
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        given = json.loads(body)
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        if stray := set(given) - set(schema["properties"]):
            raise Violation(f"{method} {path} takes no {', '.join(sorted(stray))} in its body")
        _check(_validator(path, method, "request"), given, f"{method} {path}")


def check_answer(path: str, method: str, status: int, body: Any) -> None:
    """Raise Violation unless the document allows this answer."""
    _check(_validator(path, method, str(status)), body, f"{status} of {method} {path}")


def _check(validator: Draft202012Validator | None, value: Any, where: str) -> None:
    for error in validator.iter_errors(value) if validator else ():
        raise Violation(f"{where}: {'/'.join(map(str, error.path))}: {error.message}")


def _parameter(item: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in item:
        return item
    found: dict[str, Any] = _document()["components"]["parameters"][item["$ref"].rsplit("/", 1)[1]]
    return found


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    made = []
    for path in _document()["paths"]:
        pattern = re.sub(
            r"\\\{(\w+)\\\}", lambda found: f"(?P<{found[1]}>{_PART.get(found[1], '[^/]+')})", re.escape(path)
        )
        made.append((re.compile(pattern), path))
    return sorted(made, key=lambda pair: "{tag}" in pair[1] or "{ref}" in pair[1])


_PART = {"ref": ".+", "tag": ".+", "release_id": "[0-9]+", "asset_id": "[0-9]+", "run_id": "[0-9]+", "job_id": "[0-9]+"}


def route(path: str) -> tuple[str, dict[str, str]]:
    """Return the document's path for a real one, and its parameters; nothing if there is none."""
    for pattern, template in _patterns():
        if found := pattern.fullmatch(path):
            return template, found.groupdict()
    return "", {}
