"""Says what became of the families: outputs, document, annotations, table, summary. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.workflow_commands import plain
from replicator.replicas import report, snippets
from replicator.runtime import markdown
from replicator.runtime.runner import Annotation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.lifecycle.turn.settings import TurnInputs
    from replicator.core.images import ImageRef

#: The most characters of a message, and the most families that one title names.
_LONGEST, _MOST_NAMED = 1000, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One family: what it resolved to, what it resolves to, what was wanted."""

    project: str
    family: str
    line: str
    before: ImageRef | None
    after: ImageRef | None
    wanted: ImageRef | None
    replacement: str = ""
    """What the images that lead it no more name as their replacement."""
    reason: str = ""
    """Why it is not as wanted, from the closed list."""
    message: str = ""


def as_dict(row: Row) -> dict[str, Any]:
    """Return one family for machines."""
    return {
        "project": row.project,
        "family": row.family,
        "line": row.line,
        "before": _uri(row.before),
        "after": _uri(row.after),
        "wanted": _uri(row.wanted),
        "reason": row.reason,
        "message": row.message,
    }


def outputs(told: Mapping[str, Any]) -> dict[str, str]:
    """Return every output of promote/action.yml, from the document."""
    return {
        "result": told["result"],
        "reason": plain(told["reason"][: report.LONGEST_REASON]),
        "releases": report.to_json(told["releases"]),
        "due": str(told["due"]),
        "failed": str(told["failed"]),
        "default": report.to_json(told["default"]),
        "families": report.to_json(told["families"]),
        "plan_path": told["plan_path"],
        "plan_digest": told["plan_digest"],
    }


def remarks(rows: Sequence[Row]) -> list[Annotation]:
    """Return an error for each reason why families are not as wanted."""
    families: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            families.setdefault(f"{row.reason}: {row.message}", []).append(row.family)
    return [Annotation("error", _families(named), said[:_LONGEST]) for said, named in families.items()]


def _families(named: Sequence[str]) -> str:
    shown = ", ".join(named[:_MOST_NAMED])
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"Famil{'y' if len(named) == 1 else 'ies'} {shown}{more}"


def table(rows: Sequence[Row]) -> list[list[str]]:
    """Return the cells of each family: before, now, what went wrong."""
    return [
        [
            row.family,
            _name(row.before),
            "→" if row.before != row.after else "=",
            _name(row.after),
            row.reason,
        ]
        for row in rows
    ]


def summary(rows: Sequence[Row], headline: str, *, right: bool, more: Sequence[str] = ()) -> str:
    """Render the families: before, now, replacement; then lines of text and of commands."""
    lines = [f"### {'✅' if right else '❌'} {markdown.text(headline)}", ""]
    if rows:
        cells = [map(markdown.text, (row.family, _name(row.before), _name(row.after), _replaced(row))) for row in rows]
        lines += ["| Family | Before | Now | Replacement |", "|---|---|---|---|"]
        lines += markdown.cut([f"| {' | '.join(each)} |" for each in cells], "\n… {} more, see the log")
        lines.append("")
    for line in more:
        lines += [_rendered(line), ""]
    return "\n".join(lines)


def _rendered(line: str) -> str:
    """Render a line; a command as code, and as it runs where nothing is installed."""
    program, blank, words = line.partition(" ")
    if program == snippets.INSTALLED:
        return markdown.fence("sh", [f"{snippets.FETCHED}{blank}{words}"])
    return markdown.text(line)


def _replaced(row: Row) -> str:
    return f"{row.reason}: {row.message}"[:_LONGEST] if row.reason else row.replacement


def command(inputs: TurnInputs, given: Mapping[str, str], verb: str, **options: str) -> str:
    """Return the command line of a verb for the same lines and places, with other options."""
    wanted = inputs.settings
    names = ("replica_project", "name_template", "family_template", "config", "release_label", "locations")
    same = {
        "families": ",".join(wanted.families),
        "project_id": inputs.listed.scope.project,
        **{name: given[name].strip() for name in names if given.get(name, "").strip() and _unusual(wanted, name)},
        **options,
    }
    words = [f"--{name.replace('_', '-')}={shlex.quote(plain(value))}" for name, value in same.items() if value]
    flags = [word.removesuffix("=true") for word in words]
    return " ".join([snippets.INSTALLED, verb, *flags])


def _unusual(wanted: Any, name: str) -> bool:
    return bool(getattr(wanted, name) != type(wanted).model_fields[name].get_default(call_default_factory=True))


def _name(ref: ImageRef | None) -> str:
    return ref.name if ref else "nothing"


def _uri(ref: ImageRef | None) -> str:
    return ref.uri if ref else ""
