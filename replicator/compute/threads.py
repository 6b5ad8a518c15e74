"""Runs each call in a thread of its own that ends with the process."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DaemonThreads(Executor):
    """A thread for each call that ends with the process.

    The standard library's pool joins its threads at exit, where one of them may sit in a wait of two minutes.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run it in a thread of its own."""
        future: Future[_T] = Future()

        def run() -> None:
            # From here on a cancelled wait lets go of the answer instead of taking it from the thread.
            if not future.set_running_or_notify_cancel():
                return
            try:
                answer = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is handed on with the answer
                future.set_exception(error)
            else:
                future.set_result(answer)

        threading.Thread(target=run, daemon=True).start()
        return future
