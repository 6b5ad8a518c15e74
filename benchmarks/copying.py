"""How close a run comes to its slowest copy, and what it costs before the first and after the last one."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.spread import REGIONS, copy_seconds
from benchmarks.world import NAME, PROJECT, measured, replicate, world

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testkit.harness.backend import Backend

COUNTS = (1, 3, 9, 43)
_ROUNDS = 3
_SLOWEST = 8.0
_BARE = [sys.executable, "-I", "-c", "from google.cloud.compute_v1 import ImagesClient"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Seconds of one run."""

    until_first: float
    """From the start of the process to the first insert on the wire."""
    making: float
    """From there to its end, results written."""
    after_last: float
    """From the moment when the last copy was READY."""
    round_trip: float
    """Of a request that reads an image, from a client that does nothing else."""


def measure() -> Iterator[Figure]:
    """Three figures for each number of locations."""
    for count in COUNTS:
        seen, bare = [], []
        for number in range(_ROUNDS):
            bare.append(measured(_BARE, {}).seconds)
            seen.append(_run(copy_seconds(REGIONS[:count], slowest=_SLOWEST, seed=number)))
        yield from _figures(f"{count} location{'s' if count > 1 else ''}", seen, statistics.median(bare))


def _figures(what: str, seen: list[_Seen], bare: float) -> Iterator[Figure]:
    making = statistics.median(run.making for run in seen)
    until_first = statistics.median(run.until_first for run in seen)
    after_last = statistics.median(run.after_last for run in seen)
    round_trip = statistics.median(run.round_trip for run in seen)
    yield Figure.ratio(
        f"{what}: first insert → results written / slowest copy", making, _SLOWEST, at_most=1.05 + 1 / _SLOWEST
    )
    yield Figure.ratio(
        f"{what}: start → first insert / bare import of the images client", until_first, bare, at_most=2.5
    )
    yield Figure(
        name=f"{what}: last copy READY → results written",
        value=after_last,
        unit="s",
        at_most=1 + 4 * round_trip,
        note=f"a round trip takes {1000 * round_trip:.0f} ms",
    )


def _run(times: Mapping[str, float]) -> _Seen:
    with world(times) as emulator:
        round_trip = statistics.median(_round_trip(emulator) for _ in range(9))
        used = replicate(emulator, list(times))
        inserts = [entry for entry in emulator.journal() if entry["method"] == "compute.images.insert"]
        first = min(entry["received"] for entry in inserts)
        last = max(entry["received"] + times[entry["body"]["storageLocations"][0]] for entry in inserts)
    return _Seen(first - used.began, used.ended - first, used.ended - last, round_trip)


def _round_trip(emulator: Backend) -> float:
    began = time.monotonic()
    emulator.call("GET", f"/compute/v1/projects/{PROJECT}/global/images/{NAME}")
    return time.monotonic() - began
