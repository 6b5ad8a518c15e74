"""Defines a request to Artifact Registry, with what exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.core import service

if TYPE_CHECKING:
    from emulator.artifact_registry.scenario import Scenario
    from emulator.artifact_registry.state import State


@dataclass(frozen=True, kw_only=True)
class Call(service.Call):
    """A request with what exists, and the scenario's rules of this service."""

    state: State
    rules: Scenario
