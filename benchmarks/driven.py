"""The action's last step on the emulator's clock: `python -I -m benchmarks.driven`, with the step's own environment.

Whenever nobody has anything to do but wait, the emulator's clock goes on to whatever happens next, there or here.
"""

from __future__ import annotations

import json
import math
import os
import sys
import urllib.request
from typing import Any

from replicator.commands.replicate import run
from replicator.replicas import settings
from testkit.virtual import VirtualLoop

_CLOCK = "_emulator/clock"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DrivenLoop(VirtualLoop):
    """An event loop whose clock is the emulator's, and which moves it."""

    patience = 0.01

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = f"{url.rstrip('/')}/{_CLOCK}"

    def idle_for(self, timeout: float) -> float:
        """How far time jumps now: not at all while a call is under way that the emulator does not hold back."""
        shown = self._clock()
        coming = math.inf if shown["next"] is None else shown["next"] - shown["now"]
        jump = min(timeout, coming)
        return 0.0 if shown["waiting"] < self.calls or math.isinf(jump) else float(jump)

    def jump(self, seconds: float) -> None:
        """Let time pass, here and there."""
        super().jump(seconds)
        self._clock({"advance": seconds})

    def _clock(self, move: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if move is None else json.dumps(move).encode()
        request = urllib.request.Request(self._url, data=data)  # noqa: S310 - it is http
        with _OPENER.open(request, timeout=60) as answer:
            shown: dict[str, Any] = json.load(answer)
        return shown


def main() -> int:
    """Run it. Returns its exit code."""
    url = os.environ["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"]
    given = {name: os.environ.get(f"INPUT_{name.upper()}", "") for name in settings.Settings.model_fields}
    return run.run(given, os.environ, sys.stdout, commands=True, loop_factory=lambda: DrivenLoop(url))


if __name__ == "__main__":
    sys.exit(main())
