"""Handles SIGINT and SIGTERM while the run is still being imported, so that results are written even then."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from replicator.bootstrap.command import Command


def stop_signals() -> list[signal.Signals]:
    """Return the signals that end a step: SIGINT (Ctrl-C), some seconds later SIGTERM; Ctrl-Break on Windows."""
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


class EarlySignals:
    """Writes the results if a signal comes while the run is still being imported and has no handlers yet."""

    armed = True
    """True until the run is imported; from then on the run handles signals itself."""

    def __init__(self, command: Command, env: Mapping[str, str], stdout: TextIO) -> None:
        self._command = command
        self._env = env
        self._stdout = stdout
        for number in stop_signals():
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: object) -> None:
        if self.armed:
            from replicator.bootstrap import decide

            reason = f"The run was interrupted by {signal.Signals(number).name} before it began."
            decide.write_failure(self._command, self._env, self._stdout, reason, title="Interrupted")
            os._exit(128 + number)
