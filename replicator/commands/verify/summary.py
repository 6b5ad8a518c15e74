"""Renders the job summary of a verification: what was verified, what was found, what to do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.commands.verify import report
from replicator.replicas import snippets
from replicator.replicas.audit import State
from replicator.replicas.summary import page, table
from replicator.runtime.markdown import cut, fence, shortened, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.commands.verify.report import Known
    from replicator.replicas.audit import Finding
    from replicator.runtime.verdict import Verdict


def render(known: Known, verdict: Verdict) -> str:
    """Return the whole summary."""
    code = report.exit_code(verdict)
    parts = [f"### {'❌' if code else '✅'} {shortened(verdict.headline)}", ""]
    signed = f"{known.signed.by}" if known.signed else ""
    if line := page.facts_line(page.Facts(index_digest=known.digest, signed_by=signed)):
        parts += [line, ""]
    if verdict.error:
        parts += page.ended_by(verdict.error)
    if advice := report.todo(known, code, snippets.FETCHED):
        remedy, *commands = advice
        parts += [f"**What to do:** {text(remedy)}", "", *([fence("sh", commands)] if commands else [])]
    if known.findings:
        in_order = sorted(known.findings, key=lambda item: item.state is State.CORRECT)
        parts += ["| Location | Image | Found | What differs |", "|---|---|---|---|"]
        parts += cut([_line(alike) for alike in _groups(in_order)], "| … | {} more | | |")
    return "\n".join(parts).rstrip() + "\n"


def _groups(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Put together, where there are many, those of which the same is to be said."""
    every = list(findings)
    if len(every) <= table.GLANCE:
        return [[item] for item in every]
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for item in every:
        groups.setdefault((item.architecture, item.state, report.told_of(item)), []).append(item)
    return list(groups.values())


def _line(alike: list[Finding]) -> str:
    first = alike[0]
    image = table.link(first.uri, first.uri) if first.uri and len(alike) == 1 else ""
    cells = [
        table.joined([report.where(item) for item in alike]),
        image or f"{len(alike)} images" * (len(alike) > 1),
        report.state(first),
        shortened(report.told_of(first)),
    ]
    return f"| {' | '.join(cells)} |"
