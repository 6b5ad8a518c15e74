"""Holds the faults in force, and chooses the one that a request meets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from emulator.core.faults.specs import read

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from emulator.core.faults.actions import Action, Fault


class Faults:
    """The faults in force."""

    def __init__(self, method_ids: Collection[str]) -> None:
        self._method_ids = method_ids
        self._faults: list[Fault] = []

    def set(self, specs: object) -> None:
        """Replace all faults. Raises ValueError, with nothing set, if any one is not valid."""
        if not isinstance(specs, list):
            raise ValueError("a JSON list of faults is expected")  # noqa: TRY004 -- wrong input, not a wrong call
        faults = [read(spec, f"fault {index}", self._method_ids) for index, spec in enumerate(specs)]
        ids = [fault.id for fault in faults]
        if len(set(ids)) < len(ids):
            raise ValueError("two faults have the same id")
        self._faults = faults

    def show(self) -> list[dict[str, Any]]:
        """All faults with their accounts."""
        return [fault.show() for fault in self._faults]

    def choose(self, method: str, target: str, body: object, *, able: Callable[[Action], bool]) -> Fault | None:
        """The first fault that applies to a request, of those that the request is able to meet."""
        if not self._faults:
            return None
        text = "" if body is None else json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        for fault in self._faults:
            if fault.times is not None and fault.fired >= fault.times:
                continue
            if not fault.reached_by(method, target, text) or not able(fault.action):
                continue
            fault.seen += 1
            if fault.seen <= fault.skip:
                continue
            fault.fired += 1
            return fault
        return None
