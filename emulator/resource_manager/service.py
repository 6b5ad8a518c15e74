"""Brings Resource Manager into the emulator: every project exists, and its principals are those of the scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emulator.core import scenario, service
from emulator.core.api_errors import ApiError
from emulator.core.guard import holds
from emulator.core.service import Answer, Call
from emulator.resource_manager.discovery import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.core.guard import Need


class Switches(scenario.Switches):
    """Adds whether the API is enabled at all."""

    resource_manager: Literal["on", "off"] = "on"
    """Whether the Cloud Resource Manager API is on; off, its answer is 403 `accessNotConfigured`."""


class Scenario(scenario.Scenario):
    """What an emulator starts with, and by which rules it goes."""

    switches: Switches = Switches()
    """Unconfirmed behaviour."""


def test_permissions(call: Call) -> Answer:
    """projects.testIamPermissions: everybody may do everything, unless a scenario names principals."""
    if getattr(call.scenario.switches, "resource_manager", "on") == "off":
        text = f"Cloud Resource Manager API has not been used in project {call.project} before or it is disabled."
        detail = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": {"service": "cloudresourcemanager.googleapis.com"},
        }
        raise ApiError(code=403, reason="accessNotConfigured", message=text, details=(detail,))
    asked, who = call.body.get("permissions") or (), call.principal
    held = [each for each in asked if who is None or holds(who, each, call.project)]
    return Answer(body={"permissions": held} if held else {})


class ResourceManager(service.Service[Call]):
    """Permissions in projects."""

    document = DOCUMENT
    scenario = Scenario
    handlers = {"cloudresourcemanager.projects.testIamPermissions": test_permissions}  # noqa: RUF012 -- as declared

    def call(self, request: Call, *, stale: bool) -> Call:  # noqa: ARG002 -- nothing changes here
        """The request as it is."""
        return request

    def needs(self, call: Call, target: str) -> Iterator[Need]:  # noqa: ARG002 -- everybody may ask what they may do
        """None."""
        return iter(())


SERVICE = ResourceManager
