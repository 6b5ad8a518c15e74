"""Renders the job summary in GitHub's Markdown, with every text from outside escaped. Pure.

In the order in which a reader needs it: what is wrong and what to type, what exists, how to use it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from replicator.core import errors
from replicator.core.replicas import Outcome, Result
from replicator.replicas import charts, results, snippets
from replicator.runtime.markdown import code, cut, fence, shortened, size, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from replicator.core.images import Image, ImageRef
    from replicator.core.replicas import ReplicaResult
    from replicator.runtime.verdict import Verdict

#: How many locations the snippets show; more than exist today.
_MOST_USED = 200
_QUOTED = re.compile(r"`([^`]+)`")

_CONSOLE = "https://console.cloud.google.com/compute/imagesDetail/"
_PAGES = errors.REPORT_TO.removesuffix("/issues") + "/blob/v1/docs/"
_COMMAND_LINE = f"{_PAGES}quick-start-command-line.md#with-your-own-images"
#: A timeline of no more copies than these says nothing that the table doesn't.
_FEW_COPIES = 3

_SIGN = {
    Result.COMPLETE: "✅",
    Result.PARTIAL: "⚠️",
    Result.FAILED: "❌",
    Result.SKIPPED: "⏭️",
    Result.PLANNED: "📝",
}
_ROW_SIGN = {
    Outcome.SOURCE: "🏠",
    Outcome.FAILED: "❌",
    Outcome.INTERRUPTED: "⏳",
    Outcome.PLANNED: "📝",
}


def render(
    verdict: Verdict,
    source: Image | None,
    rows: Sequence[ReplicaResult],
    notes: Sequence[str],
    again: Sequence[str] = (),
    costs: Sequence[str] = (),
) -> str:
    """Return the whole summary. `again` is the command that repeats the run, shown if something is left to do.

    `costs` says what was planned to be copied, and what that costs.
    """
    wrong = [row for row in rows if row.error]
    parts = head(verdict, source, wrong, notes, costs)
    if again and (verdict.result is Result.FAILED or wrong):
        parts += _again(again)
    if rows:
        parts += ["#### What exists where", ""] if wrong else []
        parts += [
            "| Location | Image | Outcome | Family | Access | GB (disk / archive) | Seconds |",
            "|---|---|---|---|---|--:|--:|",
        ]
        parts += [*cut([_table_row(row) for row in rows], "| … | {} more | | | | | |"), ""]
    parts += [*cut(list(_remarks(rows)), "- … {} more"), ""]
    parts += diagrams(rows)
    parts += _usage([row for row in rows if row.outcome.verified and not row.key])
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def head(
    verdict: Verdict,
    source: Image | None,
    wrong: Sequence[ReplicaResult],
    notes: Sequence[str],
    costs: Sequence[str] = (),
) -> list[str]:
    """Return the lines above the table: the result, the source, remarks, and what is `wrong` with what to do."""
    parts = [f"### {_SIGN[verdict.result]} {shortened(verdict.headline)}", ""]
    if verdict.error:
        parts += _error(verdict.error, said={row.error.todo for row in wrong if row.error})
    if source is not None:
        facts = f"stored in {text(source.home or 'several locations')}, {source.disk_size_gb} GB disk"
        facts += f", {size(source.archive_size_bytes)} archive"
        parts += [f"Source: {link(source.ref, source.ref.uri)}, {facts}", ""]
    if costs:
        parts += [f"Planned: {'; '.join(map(shortened, costs))}", ""]
    parts += [f"> {shortened(note)}\n" for note in notes]
    return parts + cut(_trouble(wrong), "… {} more lines, see the log")


def _table_row(row: ReplicaResult) -> str:
    replica, good = row.replica, row.outcome.verified
    outcome = str(row.outcome) if good or row.outcome is Outcome.PLANNED else f"**{row.outcome}**"
    family = text(replica.family) if replica.family else "none"
    if replica.family and good and not row.promoted:
        family += f" (not moved: {text(row.held)})" if row.held else " (not moved)"
    cells = [
        text(row.where) + (" (required)" if replica.required else ""),
        link(replica.ref, replica.ref.name) if row.image else code(replica.ref.name),
        f"{_ROW_SIGN.get(row.outcome, '✅')}&nbsp;{outcome}" + (f" ({text(row.reason)})" if row.error else ""),
        family if good or row.outcome is Outcome.PLANNED else "",
        row.access if good else "",
        f"{row.image.disk_size_gb}&nbsp;/&nbsp;{row.image.archive_size_bytes / 10**9:.1f}" if row.image else "",
        f"{row.seconds:.{0 if row.seconds >= 10 else 1}f}" if row.seconds else "",
    ]
    return f"| {' | '.join(cells)} |"


def _error(error: errors.ReplicatorError, *, said: Collection[str]) -> list[str]:
    """Render the error that ended the whole run; its remedy only if it isn't among those `said` of replicas."""
    if isinstance(error, errors.BadSettings):
        return [*cut([f"- {shortened(str(problem))}" for problem in error.problems], "- … {} more"), ""]
    lines = [fence(errors.language(error.to_add), error.to_add.splitlines())] if error.to_add else []
    todo = [] if error.todo in said else _todo([error.todo])
    return [f"{text(error.why)}\n"] * bool(error.why) + todo + lines


def _trouble(rows: Sequence[ReplicaResult]) -> list[str]:
    """Render what failed, why, and what to do: each reason once, however many locations it concerns."""
    lines = []
    for reason in dict.fromkeys(row.reason for row in rows):
        met = [(row, row.error) for row in rows if row.error and row.reason == reason]
        where = ", ".join(text(row.where) for row, _ in met)
        lines += [f"#### {_ROW_SIGN[met[0][0].outcome]} {where}: [{text(reason)}]({_PAGES}errors.md#{reason})", ""]
        alike: dict[str, list[str]] = {}
        for row, error in met:
            alike.setdefault(error.what.replace(row.replica.location, ""), []).append(error.what)
        for whats in alike.values():
            more = f" (and {len(whats) - 1} more like this)" if len(whats) > 1 else ""
            lines.append(f"- {shortened(whats[0])}{more}")
        lines += ["", *(f"{text(why)}\n" for why in dict.fromkeys(error.why for _, error in met) if why)]
        lines += _todo([error.todo for _, error in met])
    return lines


def _todo(remedies: Iterable[str]) -> list[str]:
    """Render remedies as sentences, each once, and the commands in them as code that can be copied."""
    sentences, commands = [], []
    for remedy in remedies:
        words = _QUOTED.split(remedy)
        for number, word in enumerate(words):
            if number % 2 and word.startswith("gcloud "):
                commands.append(word)
                words[number] = "the command below"
            elif number % 2:
                words[number] = code(word)
            else:
                words[number] = text(word) + " " * word.endswith(" ")
        sentences.append("".join(words))
    lines = [f"**What to do:** {sentence}\n" for sentence in dict.fromkeys(sentences) if sentence]
    return [*lines, fence("sh", list(dict.fromkeys(commands)))] if commands else lines


def _again(command: Sequence[str]) -> list[str]:
    return [
        "#### 🔁 Then run it again",
        "",
        "A rerun keeps what is right and makes what is missing. Rerunning the whole job may build another image, so",
        f"repeat the replication alone, from any machine with uv ([command line]({_COMMAND_LINE}))",
        "",
        fence("sh", command),
        "or with these inputs of the action: <code>source_image</code> as above, <code>distribute: true</code>.",
        "",
    ]


def _remarks(rows: Sequence[ReplicaResult]) -> Iterable[str]:
    """Render remarks on replicas that did not fail; a remark on several is said once."""
    said: dict[str, list[str]] = {}
    for row in rows:
        alike = sum(other.held == row.held for other in rows) > 1
        for remark in [*([results.held(row, alike=alike)] if row.held else []), *row.notes]:
            said.setdefault(remark, []).append(text(row.where))
    return (f"- **{', '.join(where)}**: {shortened(remark)}" for remark, where in said.items())


def diagrams(rows: Sequence[ReplicaResult]) -> list[str]:
    """Return pictures of who copies whom and when, where there is more to see than a few copies of the source."""
    if sum(row.began is not None for row in rows) <= _FEW_COPIES and not any(row.origin for row in rows):
        return []
    return [fence("mermaid", diagram) for diagram in (charts.lineage(rows), charts.gantt(rows)) if diagram]


def _usage(rows: Sequence[ReplicaResult]) -> list[str]:
    if not rows:
        return []
    return [
        "<details><summary>Use these images with gcloud or Terraform</summary>",
        "",
        fence("sh", snippets.gcloud(rows[:_MOST_USED])),
        fence("hcl", snippets.terraform(rows[:_MOST_USED])),
        f"[The Terraform module]({_PAGES}terraform.md) chooses from the index instead, pinned by its digest.",
        "</details>",
    ]


def link(ref: ImageRef, shown: str) -> str:
    """Return what is `shown` as a link to the image's page in Google's console."""
    return f"[{code(shown)}]({_CONSOLE}{quote(ref.uri, errors='replace')})"
