"""Defines what a service of the emulator brings: the one door between `core` and the folders beside it.

The module `service` of such a folder names its subclass of `Service` as `SERVICE`; nothing lists the folders.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from emulator.core.discovery.document import compiled
from emulator.core.scenario import Scenario

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.core.clock import Clock
    from emulator.core.discovery.document import Method, Route
    from emulator.core.faults.actions import OperationFault
    from emulator.core.guard import Meter, Need
    from emulator.core.scenario import Principal


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every service starts with: the scenario, the clock, and how long things take, in seconds."""

    scenario: Scenario
    clock: Clock
    copy_seconds: float = 5.0
    wait_seconds: float = 120.0


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that passed every check; services add what their methods need.

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
    scenario: Scenario
    pause: Callable[[float], Awaitable[None]]
    fault: OperationFault | None = None
    principal: Principal | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The body of a 200 (None: 204), and what the service is to commit before it is sent."""

    body: Mapping[str, Any] | None
    change: object = None


C = TypeVar("C", bound=Call)
Handler = Callable[[C], Answer] | Callable[[C], Awaitable[Answer]]


class Service(ABC, Generic[C]):
    """A service in one emulator: its document, its methods, and what exists in it. Made anew for each emulator."""

    document: ClassVar[Path]
    """The reduced discovery document; `corrections.yaml` beside it says what it lacks."""
    scenario: ClassVar[type[Scenario]] = Scenario
    """The scenario, with the keys that the service adds."""
    handlers: ClassVar[Mapping[str, Handler[Any]]]
    """Method → what answers it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.api = compiled(self.document)

    @abstractmethod
    def call(self, request: Call, *, stale: bool) -> C:
        """The request with what the service's methods need; a stale one sees what was before the last change."""

    @abstractmethod
    def needs(self, call: C, target: str) -> Iterable[Need]:
        """The permissions that a request needs, in the order in which they are looked at."""

    def reset(self) -> None:
        """Go back to what the scenario says exists. Raises BadScenario."""

    def commit(self, change: Any) -> None:
        """Make a change that an answer asks for."""

    def target(self, route: Route, body: object) -> str:  # noqa: ARG002 -- for services whose bodies name the target
        """What a request is about, for the journal and for faults."""
        return route.target

    def starts_operation(self, method: Method) -> bool:  # noqa: ARG002 -- for services that have operations
        """Whether a method changes something through an operation."""
        return False

    def can_be_stale(self, route: Route) -> bool:  # noqa: ARG002 -- for services that remember what was
        """Whether a request reads something that has changed."""
        return False

    def check_query(self, query: Mapping[str, Any]) -> None:
        """Raises ApiError 400 for parameters whose form the document does not tell."""

    def meter(self, call: C, method: Method) -> Meter | None:  # noqa: ARG002 -- for services that have quotas
        """What a request counts against, if anything."""
        return None

    def repeated(self, call: C, method: Method) -> Answer | None:  # noqa: ARG002 -- for services that know repetitions
        """The answer to a request that was seen before; None for a new one."""
        return None

    def moments(self, now: float) -> Iterable[float]:  # noqa: ARG002 -- for services in which things take time
        """When something happens by itself."""
        return ()

    def show(self, now: float) -> Mapping[str, Any]:  # noqa: ARG002 -- for services in which something exists
        """What exists, as `GET /_emulator/state` shows it, under keys that no other service has."""
        return {}
