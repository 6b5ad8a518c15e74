"""The job summary, in the Markdown that GitHub renders. Pure; every quoted text is escaped."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from replicator import protocol, results
from replicator.model import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.model import Image, ReplicaResult
    from replicator.results import Verdict

#: Half of what the runner takes leaves room for what is masked or escaped on the way.
_LARGEST = 2**19
_LONGEST_CELL = 300

# What starts something in GitHub's Markdown, mentions, emoji and bare links included; & and # belong to our escapes.
_MARKUP = re.compile(r"[\\`*_{}\[\]+!|~$@:]|(?<=www)\.|(?<!&)#")

_SIGN = {
    Result.COMPLETE: "✅",
    Result.PARTIAL: "⚠️",
    Result.FAILED: "❌",
    Result.SKIPPED: "⏭️",
    Result.PLANNED: "📝",
}


def render(verdict: Verdict, source: Image | None, rows: Sequence[ReplicaResult], notes: Sequence[str]) -> str:
    """The whole summary: a headline, a table of what exists where, and what failed with its remedy."""
    parts = [f"### {_SIGN[verdict.result]} {text(verdict.reason)}", ""]
    if source is not None:
        facts = f"{source.disk_size_gb} GB disk, {size(source.archive_size_bytes)} archive"
        parts += [f"Source: {code(source.ref.uri)}, stored in {text(source.home or 'several locations')}, {facts}", ""]
    parts += [f"> {text(note)}\n" for note in notes]
    if rows:
        parts += ["| Location | Image | Outcome | Family | Access | Seconds |", "|---|---|---|---|---|--:|"]
        parts += _cut([_table_row(row) for row in rows], "| … | {} more | | | | |")
    remarks = [row for row in rows if results.message(row)]
    if remarks:
        parts += ["", "#### What to know and to do", ""]
        parts += _cut([_remark(row) for row in remarks], "- … {} more")
    return "\n".join(parts) + "\n"


def text(value: str) -> str:
    """Text from outside that can start nothing in Markdown or HTML and breaks no table."""
    escaped = html.escape(protocol.plain(value), quote=False)
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", escaped)


def code(value: str) -> str:
    """Text from outside in the type of code."""
    return f"<code>{text(value)}</code>"


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 10**9:.1f} GB" if count else "unknown size"


def _table_row(row: ReplicaResult) -> str:
    replica, good = row.replica, row.outcome.verified
    outcome = f"{'' if good or row.outcome is Outcome.PLANNED else '**'}{row.outcome}"
    outcome += "" if good or row.outcome is Outcome.PLANNED else "**"
    family = f"{text(replica.family)}{'' if row.promoted else ' (not moved)'}" if replica.family else "none"
    cells = [
        text(replica.location) + (" (required)" if replica.required else ""),
        code(replica.ref.uri),
        outcome + (f" ({text(row.reason)})" if row.reason else ""),
        family,
        row.access if row.outcome.verified else "",
        f"{row.seconds:g}",
    ]
    return f"| {' | '.join(cells)} |"


def _remark(row: ReplicaResult) -> str:
    said = results.message(row)
    return f"- **{text(row.replica.location)}**: {text(said if len(said) < 10 * _LONGEST_CELL else said[:3000] + ' …')}"


def _cut(lines: list[str], more: str) -> list[str]:
    kept: list[str] = []
    room = _LARGEST // 2
    for number, line in enumerate(lines):
        room -= len(line.encode("utf-8", "backslashreplace")) + 1
        if room < 0:
            return [*kept, more.format(len(lines) - number)]
        kept.append(line)
    return kept
