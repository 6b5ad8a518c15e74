"""Runs `list` against an emulator, in this process and on a clock that jumps."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle.run import Listing
from replicator.runtime.lifecycle import execute
from testkit.harness.job import on_emulator
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.testing import Running


@dataclass(kw_only=True)
class Listed:
    """What one list left behind."""

    exit_code: int
    log: str
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(line, name of the source) → release, without those whose source is gone."""
        known = (each for each in self.document["releases"] if each["status"] != "sourceless")
        return {(each["line"], each["source"]["name"]): each for each in known}


def listed(emulator: Running, given: Mapping[str, str]) -> Listed:
    """List, with everything."""
    log, document = io.StringIO(), io.StringIO()
    env = on_emulator(emulator.url)
    asked = {**given, "all": "true"}
    before = set(threading.enumerate())
    code = execute(Listing, asked, env, log, commands=False, document=document, loop_factory=VirtualLoop)
    # A run that ended early leaves calls under way, which would meet the next trial's faults.
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    return Listed(exit_code=code, log=log.getvalue(), document=json.loads(document.getvalue()))
