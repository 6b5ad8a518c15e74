"""What the pipeline hands to a method, and what it gets back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.compute.state import Change, State
    from emulator.core.clock import Clock
    from emulator.core.faults import OperationFault
    from emulator.core.scenario import Principal, Scenario


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long things take, in seconds: a copy, anything else that has an operation, and a long poll at most."""

    copy: float = 5.0
    other: float = 0.2
    wait: float = 120.0
    copies: Mapping[str, float] = field(default_factory=dict)

    def copy_to(self, location: str) -> float:
        """How long a copy to a location takes."""
        return self.copies.get(location, self.copy)

    @classmethod
    def around(cls, copy: float, *, wait: float = wait, said: float | Mapping[str, float] | None = None) -> Timing:
        """Timing for a copy of so many seconds, or as a scenario says; nothing else takes longer than a copy does."""
        if isinstance(said, int | float):
            copy, said = said, None
        return cls(copy=copy, other=min(cls.other, copy), wait=wait, copies=said or {})


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that passed every check.

    `now` is its time (seconds since 1970), one for all it does; `fault` is how an operation that it starts is to end;
    `pause` waits until a moment, and is broken off by a reset or by the client's leaving.
    """

    method: str
    project: str
    parameters: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    now: float
    clock: Clock
    state: State
    timing: Timing
    fields: frozenset[str]
    scenario: Scenario
    pause: Callable[[float], Awaitable[None]]
    fault: OperationFault | None = None
    principal: Principal | None = None

    @property
    def request_id(self) -> str:
        """The client's request id in lower case; "" without one."""
        return str(self.query.get("requestId", "")).lower()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The body of a 200 (None: 204), and what is to be committed before it is sent."""

    body: Mapping[str, Any] | None
    change: Change | None = None


Handler = Callable[[Call], Answer] | Callable[[Call], Awaitable[Answer]]
