"""What is over at once: a skipped run against starting Python for nothing, `resolve --offline` against asking."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import ROOT
from benchmarks.figures import Figure
from benchmarks.world import NAME, SOURCE, measured, world
from testkit.harness.job import on_emulator
from testkit.resolve import resolving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.world import Used
    from testkit.harness.backend import Backend

_TIMES = 15
_PYTHON = [sys.executable, "-I", "-X", "utf8"]
#: What no command gets below that has settings, as all have.
_SETTINGS = "from pydantic import BaseModel\nclass Settings(BaseModel): index: str"


def measure() -> Iterator[Figure]:
    """Medians of runs in turn, so that another load on the machine meets all of them."""
    decide = [*_PYTHON, str(ROOT / "replicator" / "bootstrap" / "decide.py")]
    skipping, nothing = _in_turn((decide, {"GITHUB_EVENT_NAME": "pull_request"}), ([*_PYTHON, "-c", "pass"], {}))
    yield _ratio("a skipped run / `python3 -I -c pass`", skipping, nothing, at_most=2)
    with world(0) as emulator, tempfile.TemporaryDirectory() as folder:
        index = resolving.write(_index(emulator), Path(folder))
        asking = [*_PYTHON, "-m", "replicator", "resolve", "--index", str(index), "--location", "us"]
        env = {"PATH": os.environ["PATH"], **on_emulator(emulator.url)}
        offline, online, settings = _in_turn(
            ([*asking, "--offline"], env), (asking, env), ([*_PYTHON, "-c", _SETTINGS], env)
        )
    yield _ratio("`resolve --offline` / `resolve`", offline, online, at_most=0.35)
    yield _ratio("`resolve --offline` / one model of pydantic's", offline, settings)
    processor = statistics.median(used.cpu for used in offline)
    yield Figure(name="`resolve --offline`, processor time", value=processor, unit="s", at_most=0.25)


def _in_turn(*commands: tuple[list[str], dict[str, str]]) -> list[list[Used]]:
    """What each command took, in so many runs."""
    rounds = [[measured(command, env) for command, env in commands] for _ in range(_TIMES)]
    return [list(runs) for runs in zip(*rounds, strict=True)]


def _ratio(name: str, above: list[Used], below: list[Used], **more: Any) -> Figure:
    """Of the medians of their times."""
    parts = [1000 * statistics.median(used.seconds for used in runs) for runs in (above, below)]
    return Figure.ratio(name, *parts, parts="ms", **more)


def _index(emulator: Backend) -> dict[str, object]:
    """An index that the source itself serves."""
    served = resolving.served("us", number=emulator.images()[NAME]["id"], source="")
    return {"schema": 1, "images": [resolving.entry({"us": {**served, "name": NAME, "uri": SOURCE}})]}
