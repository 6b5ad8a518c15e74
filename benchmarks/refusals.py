"""What refusals for rate cost a run of twenty locations, on a driven clock."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure
from benchmarks.spread import REGIONS
from benchmarks.world import replicate, world

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOCATIONS = REGIONS[:20]
#: So short that every second of a wait counts: copies of minutes hide them.
_COPY = 5.0
_PART = 0.05
#: More than a run makes.
_CALLS = 2000
_INSERT = "compute.images.insert"
_RATE = {"kind": "http", "code": 403, "reason": "rateLimitExceeded"}


def measure() -> Iterator[Figure]:
    """Time with refusals against time without any."""
    smooth, _ = _run([])
    one, refused = _run([{"method": _INSERT, "skip": 9, "action": _RATE}])
    yield _figure("one insert refused", one, smooth, refused, at_most=1.3)
    some, refused = _run(now_and_then(random.Random(5), _PART))  # noqa: S311 - to be drawn again
    yield _figure(f"{_PART:.0%} of calls refused", some, smooth, refused, at_most=2)


def now_and_then(draw: random.Random, part: float) -> list[dict[str, Any]]:
    """Faults that refuse this part of all calls, drawn one by one."""
    refused = [number for number in range(_CALLS) if draw.random() < part]
    # A call that an earlier fault refuses does not reach a later one.
    return [{"skip": number - earlier, "action": _RATE} for earlier, number in enumerate(refused)]


def _run(faults: Sequence[dict[str, Any]]) -> tuple[float, int]:
    """From the first call to the last answer, in seconds of the driven clock, and how many calls were refused."""
    with world(_COPY, clock="driven", faults=list(faults)) as emulator:
        replicate(emulator, _LOCATIONS, command=("-m", "benchmarks.driven"))
        journal = emulator.journal()
    took = max(entry["answered"] for entry in journal) - min(entry["received"] for entry in journal)
    return took, sum(entry["reason"] == _RATE["reason"] for entry in journal)


def _figure(what: str, took: float, smooth: float, refused: int, *, at_most: float) -> Figure:
    name = f"{len(_LOCATIONS)} locations, {what}: time / time without"
    return Figure.ratio(name, took, smooth, at_most=at_most, note=f"{refused} refused, copies of {_COPY:.0f} s")
