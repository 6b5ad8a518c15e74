"""An event loop whose clock jumps: nothing in the tests waits for real time."""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from emulator.core.clock import DrivenClock
from replicator.compute.rate_limit import Request
from replicator.compute.refusals import Refusal
from replicator.compute.retry import Calls
from testkit.make import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from concurrent.futures import Executor

    from emulator.testing import Running
    from replicator.core.images import Image, ImageRef, Policy

_T = TypeVar("_T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while a call is under way in a thread, and jumps to the next timer when none is."""

    patience = 5.0
    """Seconds of real time after which it looks again what goes on, if no answer came meanwhile."""

    def __init__(self) -> None:
        selector = _Jumping(self)
        super().__init__(selector)
        self.now = 1000.0
        self.calls = 0

    def time(self) -> float:
        return getattr(self, "now", 0.0)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        self.calls += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._answered)
        return future

    def _answered(self, _future: asyncio.Future[Any]) -> None:
        self.calls -= 1

    def idle_for(self, timeout: float) -> float:
        """How far time jumps now, at most to the next timer; 0 while somebody is at work, or waits for no time."""
        return 0.0 if self.calls or math.isinf(timeout) else timeout

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class JointLoop(VirtualLoop):
    """Its time and that of an emulator with a driven clock are one: it moves while all calls under way wait for it."""

    patience = 0.005

    def __init__(self, emulator: Running, beside: JointLoop | None = None) -> None:
        """`beside` stands still, and what it has sent is still under way."""
        super().__init__()
        self._emulator = emulator
        clock = emulator.app.clock
        assert isinstance(clock, DrivenClock)
        self._clock = clock
        self._sent: list[list[str]] = []
        """What is known of each call."""
        self._abandoned: list[list[str]] = beside._sent[:] if beside else []
        """The same of calls that nobody waits for here, though the emulator still answers them."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        known: list[str] = []
        self._sent.append(known)

        def call() -> Any:
            known.append("began")
            try:
                return func(*args)
            finally:
                known.append("ended")

        future = super().run_in_executor(executor, call)
        future.add_done_callback(lambda future: self._abandoned.append(known) if future.cancelled() else None)
        return future

    def idle_for(self, timeout: float) -> float:
        now, awaited = self._emulator.run(lambda: (self._clock.now(), self._clock.awaited()))
        coming = [moment - now for moment in awaited if moment > now]
        jump = min([timeout, *coming])
        calls = self.calls + self._abandoned.count(["began"])
        return 0.0 if len(coming) != calls or math.isinf(jump) else jump

    def jump(self, seconds: float) -> None:
        super().jump(seconds)
        self._emulator.advance(seconds)


class HeldLoop(JointLoop):
    """Stands still before one of its calls, the `at`-th, while something else goes on in another thread."""

    def __init__(self, emulator: Running, at: int, meanwhile: Callable[[HeldLoop], None]) -> None:
        super().__init__(emulator)
        self._at = at
        self._meanwhile = meanwhile

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        if len(self._sent) + 1 == self._at:
            self._at = 0
            before = self._emulator.run(self._clock.now)
            other = threading.Thread(target=self._meanwhile, args=[self])
            other.start()
            other.join()
            self.now += self._emulator.run(self._clock.now) - before
        return super().run_in_executor(executor, func, *args)


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._of = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            jump = self._of.idle_for(math.inf if timeout is None else timeout)
            if jump:
                self._of.jump(jump)
            timeout = 0 if jump else self._of.patience
        return super().select(timeout)


class Cloud:
    """A few images that can be read, for tests of what is made of them: `cloud.play(lambda calls: check(calls, index))`."""

    def __init__(self, *images: Image) -> None:
        self.images = {each.ref: each for each in images}
        self.policies: dict[ImageRef, Policy] = {}
        """Those of images that are not public."""
        self.refused: dict[str, Refusal] = {}
        """A method, or a method and a project or name → why it is refused: `get`, `list p1`."""
        self.asked: list[str] = []
        """Each call, in order: `list p1`, `get web-1`."""
        self.seconds = 0.0
        """How long the last play took."""
        self.told: list[tuple[str, str]] = []
        """What people are told of waits, and where."""

    def play(self, act: Callable[[Calls], Awaitable[_T]], *, minutes: float = 167) -> _T:
        """Let an act read the images, on a clock that jumps, within so many minutes."""

        async def run() -> _T:
            clock = asyncio.get_running_loop().time
            began = clock()
            try:
                deadline = began + 60 * minutes
                return await act(Calls(cast("Any", self), deadline=deadline, tell=lambda *told: self.told.append(told)))
            finally:
                self.seconds = clock() - began

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(run())

    def find(self, project: str, names: Sequence[str]) -> Request[dict[ImageRef, Image]]:
        found = {ref: each for ref, each in self.images.items() if ref.project == project and ref.name in names}
        return Request("compute.images.list", project, partial(self._answer, "list", project, lambda: found))

    def get(self, ref: ImageRef) -> Request[Image]:
        def read() -> Image:
            if ref not in self.images:
                raise refusal("get", 404, "notFound")
            return self.images[ref]

        return Request("compute.images.get", ref.project, partial(self._answer, "get", ref.name, read))

    def family_head(self, project: str, family: str) -> Request[Image]:
        def read() -> Image:
            carry = [
                each
                for each in self.images.values()
                if (each.ref.project, each.family) == (project, family) and not each.deprecated
            ]
            if not carry:
                raise refusal("getFromFamily", 404, "notFound")
            return max(carry, key=lambda each: each.created)

        what = f"{project}/{family}"
        return Request("compute.images.getFromFamily", project, partial(self._answer, "getFromFamily", what, read))

    def list_newest(self, project: str) -> Request[list[Image]]:
        def read() -> list[Image]:
            found = [each for each in self.images.values() if each.ref.project == project]
            return sorted(found, key=lambda each: each.created, reverse=True)

        return Request("compute.images.list", project, partial(self._answer, "list newest", project, read))

    def get_policy(self, ref: ImageRef) -> Request[Policy]:
        def read() -> Policy:
            return self.policies.get(ref, PUBLIC)

        return Request(
            "compute.images.getIamPolicy", ref.project, partial(self._answer, "getIamPolicy", ref.name, read)
        )

    def _answer(self, method: str, what: str, read: Callable[[], _T]) -> _T:
        self.asked.append(f"{method} {what}")
        if refused := self.refused.get(f"{method} {what}") or self.refused.get(method):
            raise refused
        return read()


def refusal(method: str, status: int = 403, reason: str = "forbidden") -> Refusal:
    """Why a call was refused."""
    return Refusal(
        f"compute.images.{method}", project="p1", status=status, codes=(reason,), message="No, said the test."
    )


#: For a call that nobody answers.
LOST = Refusal("compute.images.get", message="Nobody answered, said the test.")
