"""Makes the report of a run: JSON by a schema, Markdown for an issue, and a scenario with the switches as observed.

Nothing is written that still holds a value by which the project could be known.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from replicator import __version__
from scripts.smoke.probe import CONFIRMED, OPEN, REFUTED, SKIPPED, Finding, switches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scripts.smoke.api import Exchange
    from scripts.smoke.lab import Timing
    from scripts.smoke.options import Options
    from scripts.smoke.product import Outcome
    from scripts.smoke.redaction import Redaction

#: What an issue takes is 65,536 characters.
MARKDOWN_BYTES = 60_000
_SHORT = 1500
NAMES = ("smoke-report.md", "smoke-report.json", "smoke-scenario.yaml")


class Strict(BaseModel):
    """Without room for what nobody described."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, validate_by_name=True)


class Told(Strict):
    """A request and its answer."""

    request: str
    """Verb and path."""
    sent: str
    """The body, as JSON, shortened."""
    status: int
    """The HTTP status."""
    answered: str
    """The answer's body, as JSON, shortened."""
    seconds: float
    """How long it took."""


class Row(Strict):
    """A guess, and what the service did."""

    id: str
    """The probe; of a switch of the emulator, its name."""
    switch: bool
    """Whether it is a switch of the emulator."""
    question: str
    """The guess in words."""
    assumed: bool | int | str | None
    """The answer that is taken for granted."""
    observed: bool | int | str | None
    """The answer of the service; null where none was proved."""
    verdict: Literal["confirmed", "refuted", "open", "skipped"]
    """`open`: asked, and not proved; `skipped`: not asked."""
    seen: str
    """What was seen, as JSON, or why it was not asked."""
    exchanges: list[Told] = Field(default_factory=list)
    """The requests that settled it."""


class Step(Strict):
    """A step of the product."""

    name: str
    """What was run."""
    problem: str
    """What was wrong; empty if nothing was."""
    exit_code: int
    """Its exit code."""
    seconds: float
    """How long it took."""
    output: str
    """What it said, shortened."""


class Took(Strict):
    """How long an operation took, by its own times."""

    location: str
    """Where the image is stored."""
    kind: str
    """What was done."""
    seconds: float
    """From its request to its end."""


class Report(Strict):
    """What a run found out. No value in it tells whose project it was."""

    version: Literal[1] = Field(default=1, alias="schema")
    """The version of this form."""
    product: str
    """The version of the product."""
    date: str
    """The day of the run, in UTC."""
    emulator: bool
    """Whether the services were an emulator: such a report is no evidence."""
    exit_code: int
    """How the run ended."""
    options: list[str]
    """What was asked for beside the least."""
    steps: list[Step]
    """What the product did."""
    rows: list[Row]
    """All guesses."""
    unprobed: dict[str, str]
    """Switches that no probe settles, and why."""
    timings: list[Took]
    """Durations of copies."""
    leftovers: int
    """How many things of the run were left."""


class StillThere(Exception):
    """The report would tell whose project it was; it was not written."""


def made(
    options: Options,
    *,
    day: str,
    exit_code: int,
    outcomes: Sequence[Outcome],
    findings: Sequence[Finding],
    exchanges: Sequence[Exchange],
    timings: Sequence[Timing],
    leftovers: int,
    unprobed: dict[str, str],
    redaction: Redaction,
) -> Report:
    """The report of a run, with pseudonyms: texts are shortened only after that, so that no value is cut in two."""
    asked = {"PUBLIC": options.public, "THOROUGH": options.thorough, "REGISTRY": options.registry}
    return Report(
        product=__version__,
        date=day,
        emulator=options.endpoint.startswith("http://"),
        exit_code=exit_code,
        options=[*(name for name, given in asked.items() if given), *options.only],
        steps=[_step(each, redaction) for each in outcomes],
        rows=[_row(each, exchanges, redaction) for each in findings],
        unprobed=unprobed,
        timings=[Took(location=each.location, kind=each.kind, seconds=each.seconds) for each in timings],
        leftovers=leftovers,
    )


def _step(outcome: Outcome, redaction: Redaction) -> Step:
    said = outcome.ended.stdout if not outcome.problem else f"{outcome.ended.stdout}\n{outcome.ended.stderr}"
    return Step(
        name=outcome.name,
        problem=redaction.text(outcome.problem),
        exit_code=outcome.ended.exit_code,
        seconds=round(outcome.ended.seconds, 1),
        output=_short(redaction.text(said)),
    )


def _row(finding: Finding, exchanges: Sequence[Exchange], redaction: Redaction) -> Row:
    probe = finding.probe

    def shown(value: Any) -> str:
        return _short(json.dumps(redaction.value(value), sort_keys=True))

    told = [
        Told(
            request=redaction.text(f"{each.verb} {each.path}"),
            sent=shown(each.sent) if each.sent is not None else "",
            status=each.status,
            answered=shown(each.answered),
            seconds=round(each.seconds, 3),
        )
        for each in exchanges[finding.first : finding.last]
    ]
    return Row(
        id=probe.id,
        switch=bool(probe.switch),
        question=probe.question,
        assumed=probe.expected,
        observed=finding.observed,
        verdict=finding.verdict,  # type: ignore[arg-type]
        seen=shown(finding.seen),
        exchanges=told,
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[:_SHORT]} … ({len(text)} characters)"


def scenario(report: Report) -> str:
    """The switches as they were observed, as a scenario of the emulator."""
    seen = {row.id: row.observed for row in report.rows if row.switch and row.observed is not None}
    ordered = {name: seen[name] for name in switches() if name in seen}
    head = f"# The switches as a run of the smoke observed them on {report.date}; the others stay as they are.\n"
    return head + yaml.safe_dump({"switches": ordered}, sort_keys=False)


def markdown(report: Report) -> str:
    """The report for people, at most as long as an issue takes."""
    head = "\n".join(_lines(report))
    parts, size = [head], len(head.encode())
    for row in sorted(report.rows, key=lambda row: (REFUTED, OPEN, CONFIRMED, SKIPPED).index(row.verdict)):
        told = "\n".join(_told(row)) if row.exchanges else ""
        if size + len(told.encode()) + 2 > MARKDOWN_BYTES:
            parts.append("\nThe other requests are in `smoke-report.json`.")
            break
        parts += [told] if told else []
        size += len(told.encode()) + 1
    return "\n".join(parts) + "\n"


def _lines(report: Report) -> list[str]:
    counts = {verdict: sum(row.verdict == verdict for row in report.rows) for verdict in (CONFIRMED, REFUTED, OPEN)}
    where = "an emulator, so this is no evidence" if report.emulator else "the real cloud"
    return [
        f"# Smoke report of {report.date}",
        "",
        f"gce-image-replicator {report.product} on {where}; exit code {report.exit_code}, {report.leftovers} left over"
        + (f"; {', '.join(report.options)}" if report.options else ""),
        "",
        f"{counts[CONFIRMED]} guesses confirmed, {counts[REFUTED]} refuted, {counts[OPEN]} open.",
        "",
        "| step of the product | seconds | |",
        "|---|---|---|",
        *(f"| {step.name} | {step.seconds} | {_cell(step.problem or 'right')} |" for step in report.steps),
        "",
        "| guess | assumed | observed | verdict |",
        "|---|---|---|---|",
        *(
            f"| `{row.id}`: {_cell(row.question)} | {_cell(row.assumed)} | {_cell(row.observed)} | {row.verdict} |"
            for row in report.rows
        ),
        "",
        "| no probe | because |",
        "|---|---|",
        *(f"| `{name}` | {why} |" for name, why in report.unprobed.items()),
        "",
        "| what took time | where | seconds |",
        "|---|---|---|",
        *(f"| {each.kind} | {each.location} | {each.seconds} |" for each in report.timings),
        "",
    ]


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _told(row: Row) -> list[str]:
    lines = [f"seen: {row.seen}"]
    for each in row.exchanges:
        sent = f" {each.sent}" if each.sent else ""
        lines += [f"{each.request}{sent}", f"  {each.status} {each.answered}"]
    return [f"## {row.id}: {row.verdict}", "", "```", *(line.replace("```", "'''") for line in lines), "```", ""]


def write(report: Report, folder: Path, redaction: Redaction) -> list[Path]:
    """Write the three files. Raises StillThere rather than to tell whose project it was."""
    data = report.model_dump_json(indent=2, by_alias=True) + "\n"
    texts = dict(zip(NAMES, (markdown(report), data, scenario(report)), strict=True))
    for text in texts.values():
        if left := redaction.left(text):
            raise StillThere(f"the report would still hold: {', '.join(left)}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts]


def schema() -> dict[str, Any]:
    """The JSON Schema of the report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(),
        "title": "Report of a smoke run of gce-image-replicator",
    }
