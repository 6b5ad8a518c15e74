"""Makes terraform/orders.json, from which the Terraform module tells what is near: HCL has no sine and no cosine."""

from __future__ import annotations

import json

from replicator.core import locations

#: The key that stands for every location in a part of the world that the table doesn't know.
ELSEWHERE = "*"


def text() -> str:
    """Return the file: for each place, on a line of its own, the tier and km of every location, nearest first.

    Both are one text of fixed width, `1 00382`, which sorts as it is; Terraform takes thrice the time for numbers.
    `europe-*` stands for the regions of Europe that are newer than the table.
    """
    lines = [f"{json.dumps(key)}: {json.dumps(_row(key))}" for key in _keys()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _keys() -> list[str]:
    newer = [f"{part}-*" for part in sorted(locations.PARTS)]
    return [*sorted(locations.MULTI_REGIONS), *sorted(locations.REGIONS), *newer, ELSEWHERE]


def _row(key: str) -> dict[str, str]:
    place = _example(key, 1)
    # A key that stands for several names is asked for as another of them than the place.
    meant = {_example(name, 2): name for name in _keys()}
    ranked = ((meant[row.location], *locations.rank(place, row)) for row in locations.order(place, meant))
    return {location: f"{tier} {km:05}" for location, tier, km in ranked}


def _example(key: str, number: int) -> str:
    """Return a name that the key stands for, one for each number; the key itself if it is a name."""
    return key.replace("*", f"{'newer' if '-' in key else 'elsewhere-newer'}{number}")
