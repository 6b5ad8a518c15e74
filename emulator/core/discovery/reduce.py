"""Reduces a discovery document to the part that the emulator checks requests and answers against.

What is kept: for the methods named, everything that routing and checking need, and every schema they reach; of all
other methods only verb, path and id, so that "exists, not emulated" (501) can be told from "exists nowhere" (404).
`[Output Only]` in a description counts as `readOnly`, because the documents mark only a part of those fields.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

METHOD_KEYS = ("httpMethod", "flatPath", "parameterOrder")
PARAMETER_KEYS = ("type", "format", "enum", "pattern", "location", "required", "repeated", "minimum", "maximum")
SCHEMA_KEYS = ("type", "format", "enum", "pattern", "readOnly", "annotations", "minimum", "maximum", "default", "$ref")


def installed(name: str) -> dict[str, Any]:
    """The whole document that google-api-python-client brings along, such as `compute.v1.json`.

    Raises ModuleNotFoundError without google-api-python-client.
    """
    folder = resources.files("googleapiclient.discovery_cache.documents")
    whole: dict[str, Any] = json.loads(folder.joinpath(name).read_text("utf-8"))
    return whole


def reduce(whole: dict[str, Any], kept_methods: Collection[str]) -> dict[str, Any]:
    """The reduced document. Raises KeyError if a kept method is gone from `whole`."""
    methods = {
        method["id"]: method
        for resource in whole["resources"].values()
        for method in resource.get("methods", {}).values()
    }
    kept = {name: _method(methods[name]) for name in sorted(kept_methods)}
    names = {method[key] for method in kept.values() for key in ("request", "response") if key in method}
    schemas: dict[str, Any] = {}
    while names:
        name = names.pop()
        schemas[name] = _schema(whole["schemas"][name])
        names |= _references(schemas[name]) - schemas.keys()
    return {
        "id": whole["id"],
        "revision": whole["revision"],
        "servicePath": whole["servicePath"],
        "batchPath": whole["batchPath"],
        "parameters": {name: _parameter(value) for name, value in sorted(whole["parameters"].items())},
        "methods": kept,
        "schemas": dict(sorted(schemas.items())),
        "others": {
            name: f"{method['httpMethod']} {method['flatPath']}"
            for name, method in sorted(methods.items())
            if name not in kept_methods
        },
    }


def _method(method: dict[str, Any]) -> dict[str, Any]:
    small = {key: method[key] for key in METHOD_KEYS}
    small["parameters"] = {name: _parameter(value) for name, value in sorted(method["parameters"].items())}
    small |= {key: method[key]["$ref"] for key in ("request", "response") if key in method}
    return small


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return {key: parameter[key] for key in PARAMETER_KEYS if key in parameter}


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    small = {key: schema[key] for key in SCHEMA_KEYS if key in schema}
    if "[Output Only]" in schema.get("description", ""):
        small["readOnly"] = True
    if "properties" in schema:
        small["properties"] = {name: _schema(value) for name, value in sorted(schema["properties"].items())}
    for key in ("items", "additionalProperties"):
        if key in schema:
            small[key] = _schema(schema[key])
    return small


def _references(schema: dict[str, Any]) -> set[str]:
    found = {schema["$ref"]} if "$ref" in schema else set()
    inner = list(schema.get("properties", {}).values())
    inner += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    for value in inner:
        found |= _references(value)
    return found


def text(reduced: dict[str, Any]) -> str:
    """The file's text for a reduced document: one method, schema or parameter a line, to keep differences readable."""
    parts = []
    for key, value in reduced.items():
        if isinstance(value, dict):
            lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(inner)}" for name, inner in value.items())
            parts.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
