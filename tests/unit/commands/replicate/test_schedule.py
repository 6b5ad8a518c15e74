"""Tests how the copy schedule answers those that wait, and what people read meanwhile, on a clock that jumps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from replicator.commands.replicate.schedule import Schedule
from replicator.compute.retry import Calls
from replicator.core import errors
from replicator.core.replicas import Action, Plan, Step
from replicator.replicas.session import Session
from replicator.replicas.work import Work, start
from testkit import make
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

HOUR = 3605.0


class Stage:
    """A schedule for `eu` and `asia`, where an image may be copied once in an hour."""

    def __init__(self, *, minutes: float = 120) -> None:
        steps = tuple(Step(replica=make.replica(location), action=Action.COPY) for location in ("eu", "asia"))
        plan = Plan(
            source=make.image(), source_policy=None, readers=(), steps=steps, leads={}, promote=True, copies_per_source=1
        )  # fmt: skip
        self.loop = asyncio.get_running_loop()
        self.lines: list[str] = []
        self.uncaught: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.uncaught.append(context))
        calls = Calls(
            cast("Any", None),
            deadline=self.loop.time() + 60 * minutes,
            tell=lambda where, text: self.lines.append(f"{where}: {text}"),
        )
        self.eu, self.asia = works = start(plan, 0.0)

        def changed(work: Work, text: str) -> None:
            self.lines.append(f"{work.replica.location}: {text}")

        self.session = Session(plan=plan, calls=calls, works=works, changed=changed)
        self.schedule = Schedule(self.session)

    def verified(self, work: Work) -> None:
        work.verified, work.image = True, make.copy(work.replica.location)
        work.end(self.loop.time())
        self.schedule.ended(work)

    def failed(self, work: Work) -> None:
        work.image = make.copy(work.replica.location)
        work.end(self.loop.time())
        self.schedule.ended(work)


def played(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scene())


def test_a_replica_is_copied_as_soon_as_it_is_verified() -> None:
    async def scene() -> None:
        stage = Stage()
        waiting = asyncio.create_task(stage.schedule.take(stage.asia))
        assert (await stage.schedule.take(stage.eu)).is_source
        await asyncio.sleep(60)
        assert (stage.asia.state, stage.lines) == ("waiting for a replica to copy", [])
        stage.verified(stage.eu)
        parent = await waiting
        assert (parent.origin, parent.image, stage.loop.time()) == ("eu", stage.eu.image, 1060.0)

    played(scene)


def test_the_hour_is_waited_for_and_told_once() -> None:
    async def scene() -> None:
        stage = Stage()
        waiting = asyncio.create_task(stage.schedule.take(stage.asia))
        source = await stage.schedule.take(stage.eu)
        stage.failed(stage.eu)
        await asyncio.sleep(1)
        stage.schedule.lost(source)
        await asyncio.sleep(1)
        (line,) = stage.lines
        assert line.startswith("asia: copies_per_source allows 1 an hour of each image. Next try in 3605 s, at ")
        assert stage.session.calls.next_try["asia"].startswith("next try ")
        parent = await waiting
        assert (parent.is_source, stage.loop.time(), stage.session.calls.next_try) == (True, 1000 + HOUR, {})

    played(scene)


def test_what_would_be_too_late_is_refused_at_once() -> None:
    async def scene() -> None:
        stage = Stage(minutes=60)
        waiting = asyncio.create_task(stage.schedule.take(stage.asia, because="It was refused."))
        await stage.schedule.take(stage.eu)
        stage.failed(stage.eu)
        with pytest.raises(errors.Deadline, match=r"^It was refused\. Waiting 3605 s would go beyond timeout_minutes"):
            await waiting
        stage.schedule.place(stage.asia)
        await asyncio.sleep(0.5)
        assert (stage.loop.time(), stage.uncaught) == (1000.5, []), "it is refused once"

    played(scene)


def test_a_wait_that_was_cancelled_takes_no_copy() -> None:
    """It may be cancelled in the very moment in which there is something to deal."""

    async def scene() -> None:
        stage = Stage()
        waiting = asyncio.create_task(stage.schedule.take(stage.asia))
        await stage.schedule.take(stage.eu)
        waiting.cancel()
        stage.verified(stage.eu)
        await asyncio.sleep(1)
        assert (waiting.cancelled(), stage.uncaught) == (True, [])
        assert (await stage.schedule.take(stage.asia, because="It was refused.")).origin == "eu"
        assert stage.lines[-1] == "asia: It was refused."

    played(scene)
