"""Compiles a reduced discovery document into routes, and checks of requests and of the emulator's own answers."""

from __future__ import annotations

import copy
import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import yaml

from emulator.core import api_errors
from emulator.core.discovery.checks import Check, Checks, Problems, check_keywords, integer, without_nulls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What stands behind one of these is a collection, no verb.
PLACES = ("{project}", "{region}", "{zone}")
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
    def project(self) -> str:
        """The project that the path names, or ""."""
        return self.parameters.get("project", "")

    @property
    def target(self) -> str:
        """The path from `projects/` to the last thing named, without a verb behind it."""
        segments = self.method.path.split("/")
        named = [index for index, segment in enumerate(segments) if segment.startswith("{")]
        if named and segments[named[-1]].startswith("{project}:"):
            # A verb behind a project: `v3/projects/{project}:testIamPermissions`.
            return f"projects/{self.project}"
        whole = not named or segments[named[-1]] in PLACES
        kept = segments if whole else segments[: named[-1] + 1]
        return "/".join(self.parameters.get(_parameter_in(segment), segment) for segment in kept)


class Api:
    """A compiled document, with its corrections where it has any.

    Raises ValueError when it holds a keyword that no check is written for.
    """

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text("utf-8"))
        corrections = path.with_name("corrections.yaml")
        document["writable"] = {}
        if corrections.exists():
            _correct(document, yaml.safe_load(corrections.read_text("utf-8")))
        self._prefix = _segments(document["servicePath"])
        self._schemas: dict[str, dict[str, Any]] = document["schemas"]
        self._general: dict[str, dict[str, Any]] = document["parameters"]
        self._writable: dict[str, list[str]] = document["writable"]
        self._checks = Checks(self._schemas)
        self._tree: dict[str, Any] = {}
        self._requests: dict[str, Check] = {}
        self._answers: dict[str, Check] = {}
        self.batch_path = "/" + "/".join(_segments(document["batchPath"]))
        self.revision: str = document["revision"]
        self.methods: dict[str, Method] = {}
        for name, raw in document["methods"].items():
            self._add_emulated(name, raw)
        for name, text in document["others"].items():
            verb, flat_path = text.split(" ")
            self._add(
                Method(id=name, verb=verb, path=flat_path, emulated=False, parameters={}, request="", response="")
            )

    def fields(self, schema: str) -> frozenset[str]:
        """The names of a resource's fields."""
        return frozenset(self._schemas[schema]["properties"])

    def is_list(self, method: Method) -> bool:
        """Whether a method answers with items, and can warn that some are missing."""
        return bool(method.response) and {"items", "warning"} <= self.fields(method.response)

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
        names = [_parameter_in(segment) for segment in method.path.split("/") if segment.startswith("{")]
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
        kept: dict[str, Any] = without_nulls(body)
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
            check_keywords(parameter, name)
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
            self._answers[name] = self._checks.named(method.response, "answer")

    def _add(self, method: Method) -> None:
        self.methods[method.id] = method
        node = self._tree
        for segment in method.path.split("/"):
            node = node.setdefault(f"{{}}{segment.partition('}')[2]}" if segment.startswith("{") else segment, {})
        node.setdefault("", {})[method.verb] = method

    def _request(self, method: Method) -> Check:
        writable = self._writable.get(method.id, [])
        if not writable:
            return self._checks.named(method.request, "request")
        schema = self._schemas[method.request]
        fields = {
            name: {**field, "readOnly": False} if name in writable else field
            for name, field in schema["properties"].items()
        }
        return self._checks.compiled({**schema, "properties": fields}, method.id, "request")


# Compiled once a process: nothing changes a document, and tests start many emulators.
compiled = functools.cache(Api)


def _walk(node: Mapping[str, Any], segments: list[str], verb: str) -> tuple[Method, list[str]] | None:
    """Literal segments first: `images/family/{family}` before `images/{resource}/{verb}`."""
    if not segments:
        method = node.get("", {}).get(verb)
        return (method, []) if method else None
    first, rest = segments[0], segments[1:]
    if first and first in node and (found := _walk(node[first], rest, verb)):
        return found
    for key in sorted((key for key in node if key.startswith("{}")), key=len, reverse=True):
        # A verb may stand behind the last name: `{project}:testIamPermissions`.
        value = first.removesuffix(key[2:]) if first.endswith(key[2:]) else ""
        if value and (found := _walk(node[key], rest, verb)):
            method, values = found
            return method, [value, *values]
    return None


def _parameter_in(segment: str) -> str:
    """The name of the parameter that a segment of a path is."""
    return segment[1:].partition("}")[0]


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


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]
