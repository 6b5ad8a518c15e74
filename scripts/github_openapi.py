"""Reduces GitHub's OpenAPI document (npm package @octokit/openapi) to releases, refs, tags and runs, for the tests.

python scripts/github_openapi.py FOLDER/generated/api.github.com.json > testkit/forges/github-openapi.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

REPOSITORY = "/repos/{owner}/{repo}"
PATHS = {
    REPOSITORY: ["get"],
    f"{REPOSITORY}/git/ref/{{ref}}": ["get"],
    f"{REPOSITORY}/git/refs": ["post"],
    f"{REPOSITORY}/git/tags/{{tag_sha}}": ["get"],
    f"{REPOSITORY}/releases": ["get", "post"],
    f"{REPOSITORY}/releases/{{release_id}}": ["get", "patch", "delete"],
    f"{REPOSITORY}/releases/tags/{{tag}}": ["get"],
    f"{REPOSITORY}/releases/{{release_id}}/assets": ["get", "post"],
    f"{REPOSITORY}/releases/assets/{{asset_id}}": ["get", "patch", "delete"],
    f"{REPOSITORY}/actions/workflows/{{workflow_id}}/dispatches": ["post"],
    f"{REPOSITORY}/actions/runs/{{run_id}}": ["get"],
    f"{REPOSITORY}/actions/runs/{{run_id}}/jobs": ["get"],
    f"{REPOSITORY}/actions/jobs/{{job_id}}/logs": ["get"],
    # Those of docs/workers.md, which nothing here calls.
    f"{REPOSITORY}/actions/runners": ["get"],
    f"{REPOSITORY}/actions/runners/registration-token": ["post"],
    f"{REPOSITORY}/actions/runners/{{runner_id}}": ["delete"],
}
#: Words for people, and schemas that the emulator answers nothing of.
DROPPED = {"description", "summary", "externalDocs", "tags", "examples", "example", "headers", "title", "x-github"}


def slim(value: Any) -> Any:
    """Return the part of a document that says what is valid."""
    if isinstance(value, dict):
        # A property may have the name of a keyword that is dropped.
        return {
            name: {key: slim(item) for key, item in part.items()}
            if name == "properties" and isinstance(part, dict)
            else slim(part)
            for name, part in value.items()
            if name not in DROPPED
        }
    return [slim(item) for item in value] if isinstance(value, list) else value


def references(value: Any) -> set[str]:
    """Return the schemas that a part refers to."""
    found = set()
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            found.add(value["$ref"])
        for part in value.values():
            found |= references(part)
    elif isinstance(value, list):
        for part in value:
            found |= references(part)
    return found


def reduced(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the document with our paths and what they refer to."""
    paths = {path: {method: slim(whole["paths"][path][method]) for method in PATHS[path]} for path in PATHS}
    # The whole repository is a large object, of which we read two fields; its schema is most of the document.
    for answer in paths[REPOSITORY]["get"]["responses"].values():
        answer.pop("content", None)
    # So it is, twice, in a run, of which we read none.
    run = whole["components"]["schemas"]["workflow-run"]
    for name in ("repository", "head_repository", "pull_requests"):
        run["properties"].pop(name)
        run["required"].remove(name)
    components: dict[str, dict[str, Any]] = {}
    open_references = references(paths)
    while open_references:
        _, _, kind, name = open_references.pop().split("/")
        if name not in components.setdefault(kind, {}):
            part = components[kind][name] = slim(whole["components"][kind][name])
            open_references |= references(part)
    return {
        "openapi": whole["openapi"],
        "info": {"version": whole["info"]["version"]},
        "paths": paths,
        "components": components,
    }


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(reduced(document), sort_keys=True, separators=(",", ":")) + "\n")
