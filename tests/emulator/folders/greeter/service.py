"""Brings greetings into an emulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from emulator.core import scenario
from emulator.core.api_errors import not_found
from emulator.core.guard import Need
from emulator.core.service import Answer, Call, Service

if TYPE_CHECKING:
    from collections.abc import Iterator


class Switches(scenario.Switches):
    greeting_ends: Literal[".", "!"] = "."
    """How a greeting ends."""


class Scenario(scenario.Scenario):
    greetings: dict[str, str] = Field(default_factory=dict)
    """Name → what is said."""
    switches: Switches = Switches()
    """Unconfirmed behaviour."""


def get(call: Call) -> Answer:
    """greetings.get."""
    assert isinstance(call.scenario, Scenario)
    found = call.scenario.greetings.get(call.parameters["greeting"])
    if found is None:
        raise not_found(f"projects/{call.project}/greetings/{call.parameters['greeting']}")
    return Answer(body={"text": found + call.scenario.switches.greeting_ends})


class Greeter(Service[Call]):
    document = Path(__file__).with_name("greeter.v1.json")
    scenario = Scenario
    handlers = {"greeter.greetings.get": get}

    def call(self, request: Call, *, stale: bool) -> Call:
        return request

    def needs(self, call: Call, target: str) -> Iterator[Need]:
        yield Need(permission=call.method, project=call.project, resource=target)

    def show(self, now: float) -> dict[str, Any]:
        return {"greetings": sorted(Scenario.model_validate(self.setting.scenario).greetings)}


SERVICE = Greeter
