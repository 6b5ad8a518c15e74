"""Routes, and checks of requests and of the emulator's own answers, compiled from the reduced discovery document."""

from __future__ import annotations

import base64
import binascii
import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import yaml

from emulator.core import api_errors

FOLDER = Path(__file__).parents[2] / "compute" / "discovery"


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
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of the API; `parameters` and the schemas' names are empty for one that is not emulated."""

    id: str
    verb: str
    path: str
    emulated: bool
    parameters: Mapping[str, Mapping[str, Any]]
    request: str
    response: str


@dataclass(frozen=True, kw_only=True)
class Route:
    """A method and the decoded parameters of the path that led to it."""

    method: Method
    parameters: Mapping[str, str]

    @property
    def target(self) -> str:
        """The path from `projects/` to the last thing named, without a verb behind it."""
        segments = self.method.path.split("/")
        last = max(index for index, segment in enumerate(segments) if segment.startswith("{"))
        kept = segments if segments[last] == "{project}" else segments[: last + 1]
        return "/".join(self.parameters.get(segment[1:-1], segment) for segment in kept)


class Api:
    """The compiled document. Raises ValueError when it holds a keyword that no check is written for."""

    def __init__(self) -> None:
        document = json.loads((FOLDER / "compute.v1.json").read_text("utf-8"))
        _correct(document, yaml.safe_load((FOLDER / "corrections.yaml").read_text("utf-8")))
        self._prefix = document["servicePath"].strip("/").split("/")
        self._schemas: dict[str, dict[str, Any]] = document["schemas"]
        self._general: dict[str, dict[str, Any]] = document["parameters"]
        self._writable: dict[str, list[str]] = document["writable"]
        self._tree: dict[str, Any] = {}
        self._requests: dict[str, Check] = {}
        self._answers: dict[str, Check] = {}
        self._compiled: dict[tuple[str, str], Check] = {}
        self.revision: str = document["revision"]
        self.methods: dict[str, Method] = {}
        for name, raw in document["methods"].items():
            self._add_emulated(name, raw)
        for name, text in document["others"].items():
            verb, path = text.split(" ")
            self._add(Method(id=name, verb=verb, path=path, emulated=False, parameters={}, request="", response=""))

    def fields(self, schema: str) -> frozenset[str]:
        """The names of a resource's fields."""
        return frozenset(self._schemas[schema]["properties"])

    def route(self, verb: str, raw_path: str) -> Route | None:
        """The method behind a path as it stands on the wire; None when the document has none.

        Segments are decoded after splitting, so that `%2F` stays inside its segment and `%3A` may stand in a project.
        """
        segments = [unquote(segment) for segment in raw_path.split("/")]
        if segments[0] or segments[1 : len(self._prefix) + 1] != self._prefix:
            return None
        found = _walk(self._tree, segments[len(self._prefix) + 1 :], verb)
        if found is None:
            return None
        method, values = found
        names = [segment[1:-1] for segment in method.path.split("/") if segment.startswith("{")]
        return Route(method=method, parameters=dict(zip(names, values, strict=True)))

    def check_parameters(self, route: Route, query_string: str) -> dict[str, Any]:
        """The query's parameters by name, typed. Raises ApiError 400."""
        method = route.method
        for name, value in route.parameters.items():
            pattern = method.parameters[name].get("pattern")
            if pattern and not re.fullmatch(pattern, value):
                raise api_errors.invalid(name, value, f"Must be a match of regex '{pattern}'")
        typed: dict[str, Any] = {}
        for name, value in parse_qsl(query_string, keep_blank_values=True):
            definition = method.parameters.get(name) or self._general.get(name)
            if definition is None or definition["location"] != "query":
                text = f"Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' could not be found."
                raise api_errors.bad_request(f"Invalid JSON payload received. {text}", "invalidParameter")
            if name in typed:
                raise api_errors.bad_request(f"Parameter '{name}' is given more than once.", "invalidParameter")
            typed[name] = _parameter(name, definition, value)
        return typed

    def check_body(self, method: Method, body: object, ignored: frozenset[str] = frozenset()) -> dict[str, Any]:
        """A request's body, checked, without nulls: they stand for fields left out, save at the top of a PATCH.

        Fields that are `unknown` or `read-only` are dropped instead of refused, if ignored.

        Raises ApiError 400 with every problem found.
        """
        if body is None:
            raise api_errors.required("resource")
        problems = Problems(ignored)
        if ignored:
            body = copy.deepcopy(body)
        self._requests[method.id](body, "resource", problems)
        if problems or not isinstance(body, dict):
            raise api_errors.ApiError(code=400, reason="invalid", message=problems[0], others=tuple(problems[1:20]))
        for name, field in self._schemas[method.request].get("properties", {}).items():
            if method.id in field.get("annotations", {}).get("required", ()) and not body.get(name):
                raise api_errors.required(f"resource.{name}")
        kept: dict[str, Any] = _without_nulls(body)
        if method.verb == "PATCH":
            kept |= dict.fromkeys(name for name, value in body.items() if value is None)
        return kept

    def check_answer(self, method: Method, body: object) -> list[str]:
        """What is wrong with an answer of the emulator's own; empty when it is as the document says."""
        problems = Problems()
        if method.response:
            self._answers[method.id](body, method.response, problems)
        return problems

    def _add_emulated(self, name: str, raw: dict[str, Any]) -> None:
        for parameter in raw["parameters"].values():
            _known(parameter, name)
        method = Method(
            id=name,
            verb=raw["httpMethod"],
            path=raw["flatPath"],
            emulated=True,
            parameters=raw["parameters"],
            request=raw.get("request", ""),
            response=raw.get("response", ""),
        )
        self._add(method)
        if method.request:
            self._requests[name] = self._request(method)
        if method.response:
            self._answers[name] = self._named(method.response, "answer")

    def _add(self, method: Method) -> None:
        self.methods[method.id] = method
        node = self._tree
        for segment in method.path.split("/"):
            node = node.setdefault("{}" if segment.startswith("{") else segment, {})
        node.setdefault("", {})[method.verb] = method

    def _request(self, method: Method) -> Check:
        writable = self._writable.get(method.id, [])
        if not writable:
            return self._named(method.request, "request")
        schema = self._schemas[method.request]
        fields = {
            name: {**field, "readOnly": False} if name in writable else field
            for name, field in schema["properties"].items()
        }
        return self._compile({**schema, "properties": fields}, method.id, "request")

    def _named(self, name: str, direction: str) -> Check:
        key = (name, direction)
        if key not in self._compiled:

            def later(value: Any, path: str, problems: Problems) -> None:
                self._compiled[key](value, path, problems)

            # Placed before compiling, since schemas may refer to themselves.
            self._compiled[key] = later
            self._compiled[key] = self._compile(self._schemas[name], name, direction)
        return self._compiled[key]

    def _compile(self, schema: Mapping[str, Any], where: str, direction: str) -> Check:
        _known(schema, where)
        if "$ref" in schema:
            return self._named(schema["$ref"], direction)
        kind = schema["type"]
        if kind == "object":
            return self._object(schema, where, direction)
        if kind == "array":
            return _array(self._compile(schema["items"], where, direction))
        return _scalar(schema, strict=direction == "answer")

    def _object(self, schema: Mapping[str, Any], where: str, direction: str) -> Check:
        fields = {
            name: self._compile(field, f"{where}.{name}", direction)
            for name, field in schema.get("properties", {}).items()
        }
        closed = {
            name for name, field in schema.get("properties", {}).items()
            if direction == "request" and field.get("readOnly")
        }  # fmt: skip
        rest = schema.get("additionalProperties")
        other = self._compile(rest, f"{where}.*", direction) if rest else None

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


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _known(schema: Mapping[str, Any], where: str) -> None:
    if unknown := schema.keys() - KNOWN_KEYWORDS:
        raise ValueError(f"{where}: no check is written for {sorted(unknown)}")


def _walk(node: Mapping[str, Any], segments: list[str], verb: str) -> tuple[Method, list[str]] | None:
    """Literal segments first: `images/family/{family}` before `images/{resource}/{verb}`."""
    if not segments:
        method = node.get("", {}).get(verb)
        return (method, []) if method else None
    first, rest = segments[0], segments[1:]
    if first and first in node and (found := _walk(node[first], rest, verb)):
        return found
    if first and "{}" in node and (found := _walk(node["{}"], rest, verb)):
        method, values = found
        return method, [first, *values]
    return None


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


def _parameter(name: str, definition: Mapping[str, Any], value: str) -> Any:
    enum = definition.get("enum")
    if enum and value not in enum:
        raise api_errors.invalid(name, value, f"Must be one of {enum}.")
    if definition["type"] == "boolean":
        # gcloud writes them with a capital.
        if value.lower() not in BOOLEANS:
            raise api_errors.invalid(name, value, "Must be true or false.")
        return BOOLEANS[value.lower()]
    if definition["type"] == "integer":
        number = integer(value, definition.get("format", ""))
        if number is None:
            raise api_errors.invalid(name, value, "Must be a whole number in range.")
        return number
    return value


def _correct(document: dict[str, Any], corrections: dict[str, Any]) -> None:
    for correction in corrections["parameters"]:
        document["parameters"][correction["name"]] = correction["definition"]
    for correction in corrections["method_parameters"]:
        for method in correction["methods"]:
            document["methods"][method]["parameters"][correction["name"]] = correction["definition"]
    document["writable"] = {correction["method"]: correction["fields"] for correction in corrections["writable"]}
