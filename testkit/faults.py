"""Faults that many tests set in the emulator, and events in the midst of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replicator.compute import client

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


import os
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def refuse(
    where: str,
    *,
    code: int = 403,
    reason: str = "forbidden",
    method: str = "insert",
    times: int | None = None,
    **more: Any,
) -> Any:
    """A fault that refuses one location's requests, for ever unless it is told how often."""
    action = {"kind": "http", "code": code, "reason": reason, "message": "No, said the test.", **more}
    return {"method": f"compute.images.{method}", "match": where, "times": times, "action": action}


def operation_error(where: str, code: str, **more: Any) -> Any:
    return {
        "method": "compute.images.insert",
        "match": where,
        "action": {"kind": "operation", "code": code, "message": "The copy failed, said the test.", **more},
    }


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, method: str, happens: Callable[[Any], object], name: str = "-eu"
) -> None:
    """Let something happen once, just before a call for an image whose name ends so."""
    original = getattr(client.Compute, method)
    done: list[Any] = []

    def call(self: client.Compute, of: Any, *args: Any, **named: Any) -> Any:
        # Of a deletion it is the image, of all else its ref.
        ref = getattr(of, "ref", of)
        if not done and ref.name.endswith(name):
            done.append(ref)
            happens(ref)
        return original(self, of, *args, **named)

    monkeypatch.setattr(client.Compute, method, call)


def interrupt_at(condition: Callable[[], bool], number: signal.Signals) -> None:
    """Send this process a signal as soon as the condition holds."""

    def watch() -> None:
        for _ in range(2000):
            if condition():
                os.kill(os.getpid(), number)
                return
            time.sleep(0.003)

    threading.Thread(target=watch, daemon=True).start()
