"""Makes `artifactregistry.v1.json` beside this file from the document that google-api-python-client brings along.

Run with `python -m emulator.artifact_registry.discovery.reduce`. The document writes project, location and repository
as parts of one parameter, and nests resources; here each is a parameter of its own, as in Compute's, and a method is
called as its permission is. Enumerations of bodies are left to `repositories`: gcloud sends them as its files spell
them (`Delete`), Google's libraries as numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator.artifact_registry.discovery import DOCUMENT
from emulator.core.discovery.reduce import installed, reduce, text

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCATIONS = "artifactregistry.locations"
REPOSITORIES = "artifactregistry.repositories"
KEPT = frozenset(
    {
        f"{LOCATIONS}.get",
        f"{LOCATIONS}.list",
        "artifactregistry.operations.get",
        f"{REPOSITORIES}.create",
        f"{REPOSITORIES}.delete",
        f"{REPOSITORIES}.get",
        f"{REPOSITORIES}.getIamPolicy",
        f"{REPOSITORIES}.list",
        f"{REPOSITORIES}.patch",
        f"{REPOSITORIES}.setIamPolicy",
        f"{REPOSITORIES}.testIamPermissions",
    }
)
NAMES = {
    "{projectsId}": "{project}",
    "{locationsId}": "{location}",
    "{repositoriesId}": "{repository}",
    "{operationsId}": "{operation}",
}
WHOLE = frozenset({"name", "parent", "resource"})
#: gcloud 528 lists locations by v1beta2, as recorded; it has the same parameters and answer there.
BETA = f"{LOCATIONS}.listBeta"


def _methods(resources: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in resources.values():
        yield from resource.get("methods", {}).values()
        yield from _methods(resource.get("resources", {}))


def _split(method: dict[str, Any]) -> dict[str, Any]:
    """A method with a parameter for each thing that its path names."""
    path = method["flatPath"]
    for long, short in NAMES.items():
        path = path.replace(long, short)
    named = re.findall(r"\{(\w+)\}", path)
    own = {name: {"type": "string", "location": "path", "required": True} for name in named}
    asked = {name: value for name, value in method["parameters"].items() if name not in WHOLE}
    identity = method["id"].replace(".projects.", ".", 1)
    if identity.count(".") > 2:
        identity = identity.replace(".locations.", ".", 1)
    return {**method, "id": identity, "flatPath": path, "parameters": {**own, **asked}, "parameterOrder": named}


def reduced() -> dict[str, Any]:
    """The reduced document."""
    whole = installed(DOCUMENT.name)
    split = [_split(method) for method in _methods(whole["resources"])]
    methods = {method["id"]: method for method in split}
    listed = methods[f"{LOCATIONS}.list"]
    methods[BETA] = {**listed, "id": BETA, "flatPath": listed["flatPath"].replace("v1/", "v1beta2/", 1)}
    found = reduce({**whole, "resources": {"all": {"methods": methods}}}, KEPT | {BETA})
    for schema in found["schemas"].values():
        for name, field in schema.get("properties", {}).items():
            if "enum" in field:
                schema["properties"][name] = {"type": "any"}
    found["batchPath"] = "batch/artifactregistry"
    return found


if __name__ == "__main__":
    DOCUMENT.write_text(text(reduced()), "utf-8")
