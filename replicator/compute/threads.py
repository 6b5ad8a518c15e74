"""Runs each blocking call in its own daemon thread, which never keeps the process from ending."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DaemonThreads(Executor):
    """An executor with one daemon thread for each call.

    The standard library's pool joins its threads at exit, and one of them may be in a wait of two minutes.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run the function in its own thread."""
        future: Future[_T] = Future()

        def run() -> None:
            # From here on the future can't be cancelled, so setting its result can't fail; a cancelled wait ignores it.
            if not future.set_running_or_notify_cancel():
                return
            try:
                answer = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - the future passes it on
                future.set_exception(error)
            else:
                future.set_result(answer)

        threading.Thread(target=run, daemon=True).start()
        return future
