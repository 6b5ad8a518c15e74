"""Answers a stop signal while the run is still being imported: results are due then, too."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal


def stop_signals() -> list[signal.Signals]:
    """Those by which a runner ends a step: Ctrl-C first, and after some seconds SIGTERM, or on Windows Ctrl-Break."""
    import signal

    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]
