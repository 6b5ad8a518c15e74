"""The live table of a run on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
import threading
from typing import TYPE_CHECKING

from replicator.commands.replicate import run

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.action import Action


def test_a_whole_run_on_a_terminal(action: Action, tmp_path: Path) -> None:
    """A real pseudo-terminal: the table while copies go on, then the same end as everywhere."""
    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                seen.append(data)
        except OSError:
            pass  # the other end was closed

    reader = threading.Thread(target=read)
    reader.start()
    env = {
        "RUNNER_TEMP": str(tmp_path),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    }
    with os.fdopen(theirs, "w", encoding="utf-8") as stdout:
        code = run.run({"source_image": "projects/p1/global/images/web-1"}, env, stdout, commands=False)
    reader.join(5)
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(seen).decode()).replace("\r", "")
    assert code == 0
    assert "replicas done" in text
    assert "under way" not in text
    assert text.splitlines()[-2] == "complete: The image is verified in us, eu, asia."
