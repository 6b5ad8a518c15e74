"""Writes down what a run is about to make, before it makes it, so that nothing is forgotten whatever happens."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Journal:
    """The file `RUN.jsonl`: a JSON object a line, on the disk before the call that it announces is sent."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def write(self, event: str, **fields: str) -> None:
        """Add a line, and return once it is on the disk."""
        line = json.dumps({"event": event, **fields}, sort_keys=True) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def created(self) -> list[str]:
        """The paths of all that was about to be made, the last first."""
        paths = [entry["target"] for entry in entries(self._path) if entry.get("event") == "create"]
        return list(dict.fromkeys(reversed(paths)))


def entries(path: Path) -> Iterator[dict[str, str]]:
    """The lines of a journal; one that was cut short ends it."""
    if not path.exists():
        return
    for line in path.read_text("utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, dict):
            yield entry


def of_project(folder: Path, project: str, run: str = "") -> list[str]:
    """The paths of all that runs in a project were about to make, the last first; of one run, if it is named."""
    paths: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        if run in {"", path.stem}:
            paths += Journal(path).created()
    return [path for path in paths if path.startswith(f"projects/{project}/")]
