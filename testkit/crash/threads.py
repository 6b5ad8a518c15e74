"""Runs of ours in threads of this process, which stand still at a call or die there.

That takes a tenth of the time of a process. A run that died looks to the service as a killed process does: what was
sent before arrives, and nothing after it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from testkit.crash.stage import Stage

_Left = TypeVar("_Left")

ENDED_SECONDS = 60.0


class MortalLoop(VirtualLoop):
    """A loop that can be killed: it ends at once, and sends nothing more, whatever its tasks do about it."""

    def __init__(self) -> None:
        super().__init__()
        self._dead = False

    def die(self) -> None:
        """End it; any thread may call this."""
        self._dead = True
        self.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        raise SystemExit

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        if self._dead:
            raise SystemExit
        return super().run_in_executor(executor, func, *args)


@dataclass
class Going(Generic[_Left]):
    """A run under way, or what it left."""

    act: Callable[[MortalLoop], _Left]
    loop: MortalLoop = field(default_factory=MortalLoop)
    left: list[_Left] = field(default_factory=list)
    raised: list[BaseException] = field(default_factory=list)

    def begin(self) -> threading.Thread:
        """Run it in a thread of its own."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            self.left.append(self.act(self.loop))
        except BaseException as error:  # noqa: BLE001 - handed over to the test
            self.raised.append(error)

    def end(self, thread: threading.Thread) -> None:
        """Wait for its end. Raises what it raised, but for its death."""
        thread.join(ENDED_SECONDS)
        assert not thread.is_alive(), "the run does not end"
        for error in self.raised:
            if not isinstance(error, SystemExit):
                raise error


@contextmanager
def held(stage: Stage, call: str, when: str, act: Callable[[MortalLoop], _Left]) -> Iterator[list[_Left]]:
    """In this context a run stands still at a call; after it, the list holds what the run left in the end."""
    stage.set(call, when)
    going = Going(act)
    thread = going.begin()
    try:
        assert stage.reached(), f"{call} is not reached: {going.left or going.raised}"
        yield going.left
    finally:
        stage.release()
        going.end(thread)


def killed(stage: Stage, call: str, when: str, act: Callable[[MortalLoop], _Left]) -> None:
    """A run that dies at a call: before the service looks at it, or after it did what is asked for."""
    stage.set(call, when)
    going = Going(act)
    thread = going.begin()
    assert stage.reached(), f"{call} is not reached: {going.left or going.raised}"
    going.loop.die()
    stage.release(cut=True)
    going.end(thread)
    assert not going.left, "it lives"
