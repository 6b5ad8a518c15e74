"""An event loop whose clock jumps: nothing in the tests waits for real time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while a call is under way in a thread, and jumps to the next timer when none is."""

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


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._of = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            if not self._of.calls:
                self._of.now += timeout
                return super().select(0)
            return super().select(5.0)
        return super().select(timeout)
