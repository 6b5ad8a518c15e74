"""Defines what the methods of Compute Engine are handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulator.core import service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.compute.scenario import Scenario
    from emulator.compute.state import State


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long things take, in seconds: a copy, anything else that has an operation, and a long poll at most."""

    copy: float
    wait: float
    other: float = 0.2
    copies: Mapping[str, float] = field(default_factory=dict)

    def copy_to(self, location: str) -> float:
        """How long a copy to a location takes."""
        return self.copies.get(location, self.copy)

    @classmethod
    def around(cls, copy: float, *, wait: float, said: float | Mapping[str, float] | None = None) -> Timing:
        """Timing for copies of this many seconds, or as a scenario says; nothing else takes longer than a copy does."""
        if isinstance(said, int | float):
            copy, said = said, None
        return cls(copy=copy, other=min(cls.other, copy), wait=wait, copies=said or {})


@dataclass(frozen=True, kw_only=True)
class Call(service.Call):
    """A request, with what exists and how long things take."""

    scenario: Scenario
    state: State
    timing: Timing

    @property
    def request_id(self) -> str:
        """The client's request id in lower case; "" without one."""
        return str(self.query.get("requestId", "")).lower()
