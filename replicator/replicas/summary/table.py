"""Renders the table of what exists where: of many locations, those that are equal share a line. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from replicator.core.replicas import Outcome
from replicator.runtime.markdown import code, cut, shortened, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.core.replicas import Replica, ReplicaResult

#: More lines than these aren't taken in at a glance: those that are equal but for the location are put together.
GLANCE = 12
#: What the location is in the names that several share, as in the input `name_template`.
_LOCATION = "{location}"
#: How many locations a line or a heading names.
MOST_NAMED = 5
_CONSOLE = "https://console.cloud.google.com/compute/imagesDetail/"
SIGN = {
    Outcome.SOURCE: "🏠",
    Outcome.FAILED: "❌",
    Outcome.INTERRUPTED: "⏳",
    Outcome.PLANNED: "📝",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its heading, and whether its cells are numbers."""

    heading: str
    of_numbers: bool = False


LOCATION, IMAGE, FAMILY = Column("Location"), Column("Image"), Column("Family")
EXISTING = (
    LOCATION,
    IMAGE,
    Column("Outcome"),
    FAMILY,
    Column("Access"),
    Column("GB (disk / archive)", of_numbers=True),
    Column("Seconds", of_numbers=True),
)
PLANNED = (LOCATION, IMAGE, Column("Step"), FAMILY)


def existing(rows: Sequence[ReplicaResult]) -> list[str]:
    """Return the lines of the table of what exists where."""
    return _table(EXISTING, rows, [_existing(row) for row in rows], [_seconds(row) for row in rows])


def planned(rows: Sequence[ReplicaResult], steps: Mapping[str, str]) -> list[str]:
    """Return the lines of the table of what would be done; `steps` maps each location to that."""
    return _table(PLANNED, rows, [_planned(row, steps.get(row.replica.location, "")) for row in rows])


def named(rows: Sequence[ReplicaResult]) -> str:
    """Return the locations of the replicas; of many only the first, and how many more."""
    return joined([row.where for row in rows])


def joined(places: Sequence[str]) -> str:
    """Return the places, escaped; of many only the first, and how many more."""
    where = list(map(text, places))
    more = len(where) - MOST_NAMED
    return ", ".join(where) if more <= 1 else f"{', '.join(where[:MOST_NAMED])} and {more} more"


def link(uri: str, shown: str) -> str:
    """Return what is `shown` as a link to the image's page in Google's console."""
    return f"[{code(shown)}]({_CONSOLE}{quote(uri, errors='replace')})"


def _existing(row: ReplicaResult) -> list[str]:
    good = row.outcome.verified
    outcome = str(row.outcome) if good or row.outcome is Outcome.PLANNED else f"**{row.outcome}**"
    return [
        f"{SIGN.get(row.outcome, '✅')}&nbsp;{outcome}" + (f" ({text(row.reason)})" if row.error else ""),
        _family(row) if good or row.outcome is Outcome.PLANNED else "",
        row.access if good else "",
        f"{row.image.disk_size_gb}&nbsp;/&nbsp;{row.image.archive_size_bytes / 10**9:.1f}" if row.image else "",
    ]


def _planned(row: ReplicaResult, step: str) -> list[str]:
    refused = f"❌&nbsp;**refuse** ({text(row.reason)})"
    return [refused if row.error else shortened(step), text(row.replica.family) if row.replica.family else "none"]


def _family(row: ReplicaResult) -> str:
    family = text(row.replica.family) if row.replica.family else "none"
    if row.replica.family and row.outcome.verified and not row.promoted:
        family += f" (not moved: {text(row.held)})" if row.held else " (not moved)"
    return family


def _seconds(row: ReplicaResult) -> str:
    return f"{row.seconds:.{0 if row.seconds >= 10 else 1}f}" if row.seconds else ""


def _table(
    columns: Sequence[Column],
    rows: Sequence[ReplicaResult],
    cells: Sequence[list[str]],
    numbers: Sequence[str] = (),
) -> list[str]:
    """Return the table; above a glance, one of groups, with all rows folded below it."""
    whole = [
        _line([_where(row.replica, text(row.where)), _image(row), *told, *numbers[number : number + 1]])
        for number, (row, told) in enumerate(zip(rows, cells, strict=True))
    ]
    groups = _groups(rows, cells)
    if len(rows) <= GLANCE or len(groups) > len(rows) // 2:
        return _with_head(columns, whole)
    shared = [
        _line([_where(alike[0].replica, named(alike)), *told, *([_range(alike)] if numbers else [])])
        for told, alike in groups
    ]
    folded = [f"<details><summary>Each of the {len(rows)} locations</summary>", "", *_with_head(columns, whole)]
    return [*_with_head(columns, shared), *folded, "</details>", ""]


def _groups(
    rows: Sequence[ReplicaResult], cells: Sequence[list[str]]
) -> list[tuple[Sequence[str], list[ReplicaResult]]]:
    """Put rows together whose image and cells are equal but for the location, which is `{location}` then."""
    groups: dict[tuple[object, ...], tuple[list[str], list[ReplicaResult]]] = {}
    for row, told in zip(rows, cells, strict=True):
        image = code(_without(row.replica.ref.name, row, _LOCATION))
        alike = [image, *(_without(cell, row, text(_LOCATION)) for cell in told)]
        _, found = groups.setdefault((row.key, row.replica.required, *alike), (alike, []))
        found.append(row)
    at = {id(row): number for number, row in enumerate(rows)}
    return [
        (told, alike) if len(alike) > 1 else ([_image(alike[0]), *cells[at[id(alike[0])]]], alike)
        for told, alike in groups.values()
    ]


def _without(told: str, row: ReplicaResult, placeholder: str) -> str:
    """Return a name or a cell with the placeholder for the row's location."""
    return re.sub(rf"(?<![a-z0-9]){re.escape(row.replica.location)}(?![a-z0-9])", placeholder, told)


def _range(rows: Sequence[ReplicaResult]) -> str:
    in_order = sorted(rows, key=lambda row: row.seconds)
    fastest, slowest = _seconds(in_order[0]), _seconds(in_order[-1])
    return slowest if fastest in {slowest, ""} else f"{fastest} to {slowest}"


def _where(replica: Replica, shown: str) -> str:
    return shown + (" (required)" if replica.required else "")


def _image(row: ReplicaResult) -> str:
    ref = row.replica.ref
    return link(ref.uri, ref.name) if row.image else code(ref.name)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_head(columns: Sequence[Column], lines: list[str]) -> list[str]:
    marks = "|".join("--:" if column.of_numbers else "---" for column in columns)
    more = "| … | {} more |" + " |" * (len(columns) - 2)
    return [_line([column.heading for column in columns]), f"|{marks}|", *cut(lines, more), ""]
