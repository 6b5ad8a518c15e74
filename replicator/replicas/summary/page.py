"""Renders the job summary in GitHub's Markdown, with every text from outside escaped. Pure.

In the order in which a reader needs it: what is wrong and what to type, what exists, how to use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.core import errors
from replicator.core.replicas import Result
from replicator.replicas import results, snippets
from replicator.replicas.summary import charts, table
from replicator.runtime.markdown import code, cut, fence, shortened, size, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from replicator.core.images import Image
    from replicator.core.replicas import ReplicaResult, Revision
    from replicator.runtime.verdict import Verdict

#: How many locations the snippets show; more than exist today.
_MOST_USED = 200
_QUOTED = re.compile(r"`([^`]+)`")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a run and its index besides the images; empty where it isn't."""

    index_digest: str = ""
    signed_by: str = ""
    revision: Revision | None = None
    commit_url: str = ""
    """The page of the revision's commit, made of characters that are safe in a link."""
    seconds: float = 0.0


def render(
    verdict: Verdict,
    source: Image | None,
    rows: Sequence[ReplicaResult],
    notes: Sequence[str],
    again: Sequence[str] = (),
    costs: Sequence[str] = (),
    facts: Facts | None = None,
) -> str:
    """Return the whole summary. `again` is the command that repeats the run, shown if something is left to do.

    `costs` says what was planned to be copied, and what that costs; `facts` what is known of the run and its index.
    """
    wrong = [row for row in rows if row.error]
    parts = head(verdict, source, wrong, notes, costs, facts)
    if again and (verdict.result is Result.FAILED or wrong):
        parts += _again(again)
    if rows:
        parts += ["#### What exists where", ""] if wrong else []
        parts += table.existing(rows)
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
    facts: Facts | None = None,
) -> list[str]:
    """Return the lines above the table: the result, the source, remarks, and what is `wrong` with what to do."""
    parts = [f"### {_SIGN[verdict.result]} {shortened(verdict.headline)}", ""]
    if verdict.error:
        parts += ended_by(verdict.error, said={row.error.todo for row in wrong if row.error})
    if source is not None:
        stored = f"stored in {text(source.home or 'several locations')}, {source.disk_size_gb} GB disk"
        stored += f", {size(source.archive_size_bytes)} archive"
        parts += [f"Source: {table.link(source.ref.uri, source.ref.uri)}, {stored}", ""]
    if facts and (known := facts_line(facts)):
        parts += [known, ""]
    if costs:
        parts += [f"Planned: {'; '.join(map(_with_code, costs))}", ""]
    parts += [f"> {shortened(note)}\n" for note in notes]
    return parts + cut(_trouble(wrong), "… {} more lines, see the log")


def facts_line(facts: Facts) -> str:
    """Render the index, its signer, the revision and the duration, as far as they are known, in a line."""
    known = [f"Index {code(facts.index_digest)}"] if facts.index_digest else []
    if facts.signed_by:
        known.append(f"signed by {shortened(facts.signed_by)}")
    if facts.revision:
        revision = facts.revision
        commit = code(revision.commit[:12])
        if facts.commit_url:
            commit = f"[{commit}]({facts.commit_url})"
        known.append(f"built from {text(revision.repository)} at {text(revision.ref)}, commit {commit}")
    if facts.seconds:
        minutes, seconds = divmod(round(facts.seconds), 60)
        known.append(f"took {f'{minutes} min ' * bool(minutes)}{seconds} s")
    line = ", ".join(known)
    return f"{line[:1].upper()}{line[1:]}"


def _with_code(sentence: str) -> str:
    """Escape a sentence, and render what it puts between backticks as code."""
    words = _QUOTED.split(sentence)
    return "".join(
        code(word) if number % 2 else f"{text(word)}{' ' * word.endswith(' ')}" for number, word in enumerate(words)
    )


def ended_by(error: errors.ReplicatorError, *, said: Collection[str] = ()) -> list[str]:
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
        where = table.named([row for row, _ in met])
        explained = f"[{text(reason)}]({_PAGES}errors-of-a-replica.md#{reason})"
        lines += [f"#### {table.SIGN[met[0][0].outcome]} {where}: {explained}", ""]
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
    """Return pictures of who copies whom and when, where there is more to see than a few copies of the source.

    Copies that all began and ended at the same time make a picture of equal bars.
    """
    timed = [row for row in rows if row.began is not None]
    waves = any(row.origin for row in rows)
    alike = len({(round(row.began or 0), round(row.seconds)) for row in timed}) == 1
    if not waves and (len(timed) <= _FEW_COPIES or alike):
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
