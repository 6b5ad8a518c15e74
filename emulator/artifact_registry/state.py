"""Holds the repositories of Artifact Registry and the operations that make and delete them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, kw_only=True)
class Repository:
    """One repository: its fields as the API has them, its policy, and from when until when it exists."""

    name: str
    """`projects/P/locations/L/repositories/R`."""
    fields: Mapping[str, Any]
    created: float
    updated: float
    begins: float
    """When it can be seen; while it is being made, its name is taken."""
    ends: float = math.inf
    bindings: tuple[Mapping[str, Any], ...] = ()
    etag: str = "ACAB"

    def exists(self, now: float) -> bool:
        """Whether it can be seen."""
        return self.begins <= now < self.ends


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation, which ends by itself; `failure` is a google.rpc.Status."""

    name: str
    kind: str
    target: str
    ends: float
    failure: Mapping[str, Any] | None = None
    gone: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an answer asks for."""

    repository: Repository | None = None
    operation: Operation | None = None


@dataclass
class State:
    """What exists."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    serial: int = 0

    def commit(self, change: Change) -> None:
        """Make a change."""
        if change.repository:
            self.repositories[change.repository.name] = change.repository
        if change.operation:
            self.operations[change.operation.name] = change.operation

    def taken(self, name: str, now: float) -> bool:
        """Whether a name can't be used for a new repository: it exists, or is being made."""
        found = self.repositories.get(name)
        return found is not None and now < found.ends

    def find(self, name: str, now: float) -> Repository | None:
        """A repository that can be seen."""
        found = self.repositories.get(name)
        return found if found and found.exists(now) else None

    def below(self, parent: str, now: float) -> Iterator[Repository]:
        """The repositories of a location, by name."""
        for name, each in sorted(self.repositories.items()):
            if name.startswith(f"{parent}/repositories/") and each.exists(now):
                yield each

    def new_name(self) -> str:
        """The last part of a name that was never given out before."""
        self.serial += 1
        return f"op-{self.serial:08x}"

    def clear(self) -> None:
        """Forget everything."""
        self.repositories.clear()
        self.operations.clear()
        self.serial = 0
