"""Answers a stop signal while the run is still being imported: results are due then, too."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from replicator.bootstrap.command import Command


def stop_signals() -> list[signal.Signals]:
    """The signals by which a runner ends a step: Ctrl-C, then after some seconds SIGTERM, or Ctrl-Break on Windows."""
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


class EarlySignals:
    """Writes the results of a run that a signal ends before the run itself listens: imports take a moment."""

    armed = True
    """Until the run is imported: from then on it answers signals itself."""

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
