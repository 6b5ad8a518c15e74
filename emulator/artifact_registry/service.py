"""Brings Artifact Registry into the emulator: repositories of every project, their policies, and operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.artifact_registry import forms, operations, repositories
from emulator.artifact_registry.call import Call
from emulator.artifact_registry.discovery import DOCUMENT
from emulator.artifact_registry.scenario import Scenario
from emulator.artifact_registry.state import State
from emulator.core import api_errors, service
from emulator.core.guard import Need
from emulator.core.service import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.artifact_registry.state import Change
    from emulator.core.discovery.document import Method, Route

#: The multi-regions, and regions as the document of revision 20261031 has endpoints for; any region's name is taken.
LOCATIONS = ("asia", "europe", "us", "africa-south1", "asia-east1", "europe-west4", "me-west1", "us-central1")
PERMISSIONS = {
    "artifactregistry.repositories.patch": "artifactregistry.repositories.update",
    "artifactregistry.locations.listBeta": "artifactregistry.locations.list",
    # Anybody may ask what they may do. Which permission an operation needs is not documented.
    "artifactregistry.repositories.testIamPermissions": "",
    "artifactregistry.operations.get": "",
}


def get_location(call: Call) -> Answer:
    """locations.get."""
    location = call.parameters["location"]
    if location == "eu":
        raise api_errors.not_found(repositories.parent_of(call))
    return Answer(body={"name": repositories.parent_of(call), "locationId": location})


def list_locations(call: Call) -> Answer:
    """locations.list, also by the path of v1beta2 that gcloud uses."""
    rows = [{"name": f"projects/{call.project}/locations/{each}", "locationId": each} for each in LOCATIONS]
    return Answer(body={"locations": rows})


class ArtifactRegistry(service.Service[Call]):
    """Repositories of every project."""

    document = DOCUMENT
    scenario = Scenario
    handlers = {  # noqa: RUF012 -- declared as a class's own in the base
        **repositories.HANDLERS,
        **operations.HANDLERS,
        "artifactregistry.locations.get": get_location,
        "artifactregistry.locations.list": list_locations,
        "artifactregistry.locations.listBeta": list_locations,
    }

    def __init__(self, setting: service.Setting) -> None:
        super().__init__(setting)
        self.rules = Scenario.model_validate(setting.scenario)
        self.state = State()

    def reset(self) -> None:
        """Forget everything: a scenario has no repositories."""
        self.state.clear()

    def commit(self, change: Change) -> None:
        """Make a change that an answer asks for."""
        self.state.commit(change)

    def call(self, request: service.Call, *, stale: bool) -> Call:  # noqa: ARG002 -- what was is not kept
        """The request with what exists."""
        return Call(**vars(request), state=self.state, rules=self.rules)

    def needs(self, call: Call, target: str) -> Iterator[Need]:
        """The permission that is called as the method, or as the table says."""
        if permission := PERMISSIONS.get(call.method, call.method):
            yield Need(permission=permission, project=call.project, resource=target)

    def target(self, route: Route, body: object) -> str:
        """What a request is about, without the API's version; of a new repository its name, where the body has it."""
        target = route.target.partition("/")[2]
        name = body.get("name") if isinstance(body, dict) and route.method.id.endswith(".create") else None
        return name if isinstance(name, str) and name.startswith(f"{target}/") else target

    def starts_operation(self, method: Method) -> bool:
        """Whether a method makes or deletes a repository."""
        return method.response == "Operation" and method.verb != "GET"

    def moments(self, now: float) -> Iterator[float]:  # noqa: ARG002 -- all of them
        """When operations end and repositories appear or vanish."""
        yield from (operation.ends for operation in self.state.operations.values())
        for each in self.state.repositories.values():
            yield from (each.begins, each.ends)

    def show(self, now: float) -> dict[str, Any]:
        """All repositories that can be seen, with their policies."""
        return {
            "repositories": [
                {**forms.repository(each), "policy": repositories.policy(each)}
                for each in self.state.repositories.values()
                if each.exists(now)
            ]
        }


SERVICE = ArtifactRegistry
