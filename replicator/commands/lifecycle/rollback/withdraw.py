"""Carries out what a rollback planned: what is cleared comes first, then the families are turned side by side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.turn import changes
from replicator.compute import lookup
from replicator.compute.lifecycle import deprecation, reading
from replicator.compute.lifecycle.errors import Changed
from replicator.core.images import Deprecation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from replicator.commands.lifecycle.rollback.turning import Goal, Turn, Turning
    from replicator.commands.lifecycle.turn.run import TurnRun
    from replicator.compute.retry import Calls
    from replicator.core.images import Image, ImageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """One rollback being carried out; what becomes of each family goes to the run's rows."""

    calls: Calls
    run: TurnRun
    done: set[str] = field(default_factory=set)
    """The ids of the images that were changed, or that could not be."""

    async def carry_out(self, goals: Sequence[Goal], plan: Turning) -> bool:
        """Make all changes of the plan; a family that fails stops none of the others.

        Returns whether the families were turned: none is if something to fall back to stays deprecated.
        """
        for image in plan.cleared:
            where = image.ref.name
            if not await self._tried(deprecation.clear(self.calls, image, where=where), image, plan):
                return False
        for image, instead in plan.sources:
            await self._tried(self._mark(image, instead.ref), image, plan)
        ended = await asyncio.gather(*(self._turned(goals, turn) for turn in plan.turns), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                raise error
        return True

    async def _mark(self, image: Image, instead: ImageRef) -> Image:
        """Mark an image DEPRECATED, without a date: what was withdrawn is evidence."""
        wanted = Deprecation(state="DEPRECATED", replacement=instead.uri)
        return await deprecation.deprecate(self.calls, image, wanted, where=image.ref.name)

    async def _tried(self, change: Awaitable[Image], image: Image, plan: Turning) -> bool:
        """Make a change that families depend on; a failure is told with each of them."""
        self.done.add(image.id)
        try:
            await change
        except Exception as error:  # noqa: BLE001 - told() raises what isn't a failure of one image
            failed = changes.told(error, f"Changing {image.ref}")
            for turn in plan.turns:
                self.run.fail(turn.family, failed.reason, failed.message)
            return False
        self.run.changed += 1
        return True

    async def _turned(self, goals: Sequence[Goal], turn: Turn) -> None:
        """Withdraw the newer images of one family; the last call moves it, if the target's image is there then."""
        doing = f"Rolling back the family {turn.family[1]}"
        try:
            for image in turn.withdrawn:
                self.done.add(image.id)
                if image is turn.withdrawn[-1] and turn.wanted:
                    await self._still_there(turn.wanted)
                await self._mark(image, _instead(goals, turn))
                self.run.changed += 1
        except Exception as error:  # noqa: BLE001 - told() raises what isn't a failure of one family
            failed = changes.told(error, doing)
            self.run.fail(turn.family, failed.reason, failed.message)
        else:
            self.run.arrived(turn.family)

    async def _still_there(self, wanted: Image) -> None:
        """Raise Changed unless the family can fall back to the image now: else it would be left without a head."""
        now = await reading.same(self.calls, wanted, where=wanted.ref.name, patience=lookup.PATIENCE)
        if now is None:
            raise Changed(f"{wanted.ref}, to which the family was to go back, is gone")
        if now.status != "READY" or now.deprecated or now.family != wanted.family:
            state = f"{now.deprecated or now.status}, in the family {now.family or '(none)'}"
            raise Changed(f"{wanted.ref}, to which the family was to go back, is {state} by now")


def _instead(goals: Sequence[Goal], turn: Turn) -> ImageRef:
    """What is named as the replacement: the target's image in the family, or its source where there is none."""
    if turn.wanted:
        return turn.wanted.ref
    return next(goal.target.root.ref for goal in goals if goal.target.line == turn.line)
