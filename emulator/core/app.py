"""Starts and resets an emulator, moves its clock on, and shows what exists."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from emulator.core.clock import DrivenClock
from emulator.core.pipeline import Pipeline
from emulator.core.scenario import BadScenario

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emulator.core.service import Service, Setting

FARTHEST = 315_360_000


class App(Pipeline):
    """Services, faults, journal and clock of one emulator. Raises BadScenario."""

    def __init__(self, kinds: Iterable[type[Service[Any]]], setting: Setting) -> None:
        super().__init__([kind(setting) for kind in kinds], scenario=setting.scenario, clock=setting.clock)
        self._set_up()

    def _set_up(self) -> None:
        """What the scenario says exists, and its faults. Raises BadScenario."""
        for service in self.services:
            service.reset()
        try:
            self.faults.set([dict(fault) for fault in self.scenario.faults])
        except ValueError as error:
            raise BadScenario(f"faults: {error}") from None

    def reset(self) -> None:
        """Back to the scenario: its images and faults, no operations, no journal, and nobody waiting."""
        self.free()
        self.meters.clear()
        self.journal.clear()
        self._set_up()

    def move(self, seconds: float) -> None:
        """Move a driven clock on. Raises ValueError."""
        clock = self._driven()
        if not 0 <= seconds <= FARTHEST:
            raise ValueError(f"a clock goes on by 0 to {FARTHEST} seconds")
        clock.advance(seconds)

    def move_to_next(self) -> float | None:
        """Move a driven clock to the next thing that happens by itself, if any. Raises ValueError."""
        clock, moment = self._driven(), self.next_moment()
        if moment is not None:
            clock.move_to(moment)
        return moment

    def next_moment(self) -> float | None:
        """When something happens by itself or a wait is over next; None if nothing is under way."""
        now = self.clock.now()
        moments = [moment for service in self.services for moment in service.moments(now)]
        moments += self.clock.awaited() if isinstance(self.clock, DrivenClock) else []
        return min((moment for moment in moments if now < moment < math.inf), default=None)

    def show_clock(self) -> dict[str, Any]:
        """The kind of clock, its time, when something happens next by itself, and how many requests wait for that."""
        kind, now, awaited = "real", self.clock.now(), list[float]()
        if isinstance(self.clock, DrivenClock):
            kind, awaited = "driven", self.clock.awaited()
        waiting = sum(moment > now for moment in awaited)
        return {"clock": kind, "now": now, "next": self.next_moment(), "waiting": waiting}

    def _driven(self) -> DrivenClock:
        if not isinstance(self.clock, DrivenClock):
            raise ValueError("the clock is real; start the emulator with --clock driven")  # noqa: TRY004 -- no wrong type
        return self.clock

    def show_state(self) -> dict[str, Any]:
        """What exists in all services."""
        now = self.clock.now()
        return {key: value for service in self.services for key, value in service.show(now).items()}
