"""Catches SIGINT, SIGTERM and the like, once, and cancels the work; `lifecycle` ends the run."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from replicator.bootstrap.early import stop_signals
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


class Signals:
    """Keeps the first stop signal, and ends the run in good order; later signals don't disturb that."""

    def __init__(self) -> None:
        self.caught: errors.Interrupted | None = None
        self.deaf = False
        """Whether to ignore all signals; set while results are written."""
        self._call: Callable[[], object] | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal; the interpreter calls this. Raises Interrupted unless `cancelling` is active."""
        if self.deaf or self.caught:
            return
        self.caught = errors.Interrupted(signal.Signals(number).name, 128 + number)
        if self._call is None:
            raise self.caught
        self._call()

    @contextlib.contextmanager
    def cancelling(self) -> Iterator[None]:
        """In this context a signal cancels the current task instead of raising Interrupted at an arbitrary place."""
        # It is imported already: this is a task.
        import asyncio

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        self._call = lambda: loop.call_soon_threadsafe(task.cancel) if task else None
        try:
            yield
        finally:
            self._call = None


@contextlib.contextmanager
def listening() -> Iterator[Signals]:
    """Handle stop signals in this context, and restore the former handlers after it."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.signal(number, signals.handle) for number in stop_signals()}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
