"""All regions from one source with the service's quotas enforced, on a driven clock."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from benchmarks.bound import soonest
from benchmarks.figures import Figure
from benchmarks.spread import REGIONS
from benchmarks.world import beside_long_polls, calls, replicate, world

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The same everywhere, because the order in which an unknown future is best met is not what is measured.
_COPY = 300.0
_PER_SOURCE, _WINDOW = 6, 3600.0
_QUOTAS = {
    "reads_per_minute": 1500,
    "mutations_per_minute": 375,
    "copies_per_source": {"count": _PER_SOURCE, "minutes": _WINDOW / 60},
}
_MINUTE = 60.0
_REFUSED = {"rateLimitExceeded", "RESOURCE_OPERATION_RATE_EXCEEDED"}


def measure() -> Iterator[Figure]:
    """Time against the bound, refusals, calls, memory, threads."""
    with world(_COPY, clock="driven", quotas=_QUOTAS) as emulator:
        used = replicate(emulator, REGIONS, command=("-m", "benchmarks.driven"), timeout_minutes="600")
        journal = emulator.journal()
        operations = emulator.call("GET", "/_emulator/state")["operations"]
        counted = calls(emulator)
    inserts = [entry for entry in journal if entry["method"] == "compute.images.insert"]
    first = min(entry["received"] for entry in inserts)
    took = max(entry["answered"] for entry in journal) - first
    bound = soonest([_COPY] * len(REGIONS), per_source=_PER_SOURCE, window=_WINDOW)
    refused = [entry["received"] - first for entry in journal if entry["reason"] in _REFUSED]
    refused += _failed_for_rate(operations)
    late = sum(moment > _MINUTE for moment in refused)
    what = f"{len(REGIONS)} regions, quotas enforced"
    yield Figure.ratio(
        f"{what}: first insert → results written / the soonest possible",
        took,
        bound,
        at_most=1.1,
        note=f"copies of {_COPY:.0f} s",
    )
    yield Figure(
        name=f"{what}: refusals for rate after the first minute",
        value=late,
        unit="calls",
        at_most=0,
        note=f"{len(refused) - late} within it",
    )
    yield Figure(
        name=f"{what}: API calls per replica, beside long polls",
        value=beside_long_polls(counted) / len(REGIONS),
        unit="calls",
        note=f"{counted.total() - beside_long_polls(counted)} long polls",
    )
    yield Figure(name=f"{what}: peak memory", value=used.memory, unit="MB", at_most=250, note=f"{used.threads} threads")


def _failed_for_rate(operations: Sequence[Mapping[str, Any]]) -> list[float]:
    """When operations began that then were refused, in seconds from the first insert on."""
    begun = {each["id"]: datetime.fromisoformat(each["insertTime"]).timestamp() for each in operations}
    first = min(begun[each["id"]] for each in operations if each["operationType"] == "insert")
    failed = (each for each in operations if any(code in str(each.get("error", "")) for code in _REFUSED))
    return [begun[each["id"]] - first for each in failed]
