"""Carries out a plan: set by set, oldest first, each looked at again right before; a doubt leaves the set as it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.retain import situation
from replicator.commands.lifecycle.retain.decision import Decided, Decision, Reason
from replicator.compute import lookup
from replicator.compute.lifecycle import deletion, deprecation, reading
from replicator.compute.lifecycle.changes import telling
from replicator.compute.lifecycle.deletion import Deletion
from replicator.compute.lifecycle.errors import Changed
from replicator.core.errors import Deadline, Failure
from replicator.core.images import Deprecation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from replicator.commands.lifecycle.lines import Scope
    from replicator.commands.lifecycle.retain.decision import Plan, Retirement
    from replicator.commands.lifecycle.retain.limits import Approved
    from replicator.commands.lifecycle.retain.policy import Policy
    from replicator.commands.lifecycle.retain.situation import Situation
    from replicator.compute.retry import Calls
    from replicator.core.images import Image

#: Images that are changed at the same time.
_WAVE = 8


@dataclass(kw_only=True)
class Outcome:
    """What became of one set."""

    planned: Decided
    done: list[Image] = field(default_factory=list)
    """The images that were retired, or are gone."""
    reason: str = ""
    """Why not all of it was done; empty if all was."""
    message: str = ""
    failed: bool = False
    """Whether it was tried and failed, and not left alone on purpose."""


@dataclass(kw_only=True)
class Sweep:
    """One run over the sets of a plan."""

    calls: Calls
    scope: Scope
    policy: Policy
    before: Situation
    now: Callable[[], datetime]
    approved: Approved | None
    tell: Callable[[str, str], None]
    outcomes: list[Outcome] = field(default_factory=list)

    async def carry_out(self, plan: Plan) -> None:
        """Retire, then delete. What fails stops its own set only; a deadline stops all."""
        late: Deadline | None = None
        for decided in (*plan.retire, *plan.purge):
            outcome = Outcome(planned=decided)
            self.outcomes.append(outcome)
            if late is None:
                late = await self._set(outcome)
            else:
                _fail(outcome, late)

    async def _set(self, outcome: Outcome) -> Deadline | None:
        try:
            fresh = await self._again(outcome)
            if fresh and fresh.decision is Decision.RETIRE:
                await self._retire(outcome, fresh)
            elif fresh:
                await self._purge(outcome, fresh)
        except Changed as error:
            outcome.reason, outcome.message = error.reason, error.message
        except Failure as error:
            _fail(outcome, error)
            return error if isinstance(error, Deadline) else None
        return None

    async def _again(self, outcome: Outcome) -> Decided | None:
        """Decide again for one set with what is there now; None if it is not to be touched any more."""
        planned, label = outcome.planned, self.policy.release_label
        fresh = await situation.again(self.calls, self.scope, self.before, planned.each, label)
        # The plan was cut to the cap already.
        free = replace(self.policy, max_deletions=10**9)
        decided = fresh.plan(free, self.now(), self.approved).of(planned.each.root.id)
        if decided is None:
            outcome.done += planned.due
            return None
        known = {image.id for image in planned.due}
        if decided.decision is planned.decision and all(image.id in known for image in decided.due):
            return decided
        outcome.reason = str(decided.reason if decided.reason is Reason.IN_USE else Reason.CHANGED)
        why = f"{decided.reason or decided.decision}{f', {decided.detail}' if decided.detail else ''}"
        outcome.message = f"It was to be {_done(planned)}, and is left alone now: {why}."
        return None

    async def _retire(self, outcome: Outcome, fresh: Decided) -> None:
        *copies, last = fresh.retirements
        for wave in _waves(copies):
            await self._all(outcome, [(item.image, self._retire_one(item)) for item in wave])
        await self._all(outcome, [(last.image, self._retire_one(last))])

    async def _retire_one(self, item: Retirement) -> None:
        image = item.image
        if image.family:
            with telling(f"Reading what the family {image.family} resolves to"):
                head = await reading.head(
                    self.calls, image.ref.project, image.family, where=image.ref.name, patience=lookup.PATIENCE
                )
            if head and head.id == image.id:
                raise Changed(f"{image.ref} is what the family {image.family} resolves to, so it was not deprecated")
        wanted = Deprecation(state=item.state, replacement=item.replacement, deleted=item.deleted)
        await deprecation.deprecate(self.calls, image, wanted, where=image.ref.name)
        self.tell(image.ref.name, f"{item.state}, may be deleted from {item.deleted}")

    async def _purge(self, outcome: Outcome, fresh: Decided) -> None:
        *copies, root = fresh.purges
        for wave in _generations(copies, {image.id for image in fresh.purges}):
            await self._all(
                outcome, [(image, self._delete(Deletion(image=image, where=image.ref.name))) for image in wave]
            )
        last = Deletion(
            image=root,
            copies_in=self.scope.projects,
            counts=lambda image: self.scope.is_replica(root, image),
            where=root.ref.name,
        )
        await self._all(outcome, [(root, self._delete(last))])

    async def _delete(self, wanted: Deletion) -> None:
        await deletion.delete(self.calls, wanted)
        self.tell(wanted.image.ref.name, "deleted")

    async def _all(self, outcome: Outcome, work: Sequence[tuple[Image, Awaitable[None]]]) -> None:
        """Do this work at the same time, note what was done, and raise the first failure."""
        results = await asyncio.gather(*(each for _, each in work), return_exceptions=True)
        wrong = []
        for (image, _), result in zip(work, results, strict=True):
            if result is None:
                outcome.done.append(image)
            else:
                wrong.append(result)
        # A call that failed counts more than an image that was left alone.
        for error in sorted(wrong, key=lambda error: isinstance(error, Changed)):
            raise error


def _fail(outcome: Outcome, error: Failure) -> None:
    outcome.failed = True
    outcome.reason = getattr(error, "reason", str(Reason.UNREADABLE))
    outcome.message = error.message


def _done(planned: Decided) -> str:
    return "deleted" if planned.decision is Decision.PURGE else "retired"


def _waves(items: Sequence[Retirement]) -> Iterator[Sequence[Retirement]]:
    for first in range(0, len(items), _WAVE):
        yield items[first : first + _WAVE]


def _generations(copies: Sequence[Image], members: Collection[str]) -> Iterator[list[Image]]:
    """The copies in their order, in waves of which none holds an image and what it was copied from.

    What was copied from a stranger goes alone: the stranger's own parent may be in the set.
    """
    wave: list[Image] = []
    for image in copies:
        parents = {each.source_image_id for each in wave}
        if len(wave) == _WAVE or image.id in parents or not parents.issubset(members):
            yield wave
            wave = []
        wave.append(image)
    if wave:
        yield wave
