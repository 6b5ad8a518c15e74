"""Reports on mirrors and references: verdict, record, outputs, document, annotations, log and summary."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from replicator.bootstrap import workflow_commands
from replicator.commands.registry import formats, mirrors
from replicator.commands.registry.pulls import report as pulling
from replicator.core import errors
from replicator.core.errors import ExitCode
from replicator.core.replicas import Result
from replicator.runtime import markdown
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.commands.registry.mirrors import Mirror
    from replicator.commands.registry.pulls.verdicts import Pull
    from replicator.commands.registry.rewrite import Rewritten
    from replicator.runtime.runner import Runner


class State(StrEnum):
    """What was found, or what became of a mirror."""

    CREATED = "created"
    REPAIRED = "repaired"
    CORRECT = "correct"
    DRIFTED = "drifted"
    MISSING = "missing"
    CONFLICT = "conflict"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


#: The states in which a mirror serves what it should.
RIGHT = frozenset({State.CREATED, State.REPAIRED, State.CORRECT})
#: Refusals that concern this identity or the project, and no single mirror.
_SETUP = frozenset({"forbidden", "api_disabled", "project_not_found", "credentials"})
_SHOWN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mirror: its state, what differed, and for what reason it isn't right."""

    mirror: Mirror
    state: State
    reason: str = ""
    """One of a closed list, such as `forbidden`; empty where nothing went wrong."""
    message: str = ""
    """What happened and what to do, for people."""
    differences: tuple[str, ...] = ()
    """What differs or differed: `description: is 'a', wanted 'b'`."""
    usable: bool = False
    """Whether the mirror exists and leads to its upstream, even if something else about it differs."""


@dataclass(kw_only=True)
class Known:
    """What a run knows so far, which is reported however it ends."""

    command: str = ""
    findings: list[Finding] = field(default_factory=list)
    seen: mirrors.Mirrors | None = None
    """The configured project and zones, once something was asked; its mirrors are put in by `record`."""
    mirrors_path: str = ""
    bundle_path: str = ""
    """The signature over mirrors.json, if one was asked for."""
    signed_by: str = ""
    """Who signed the mirrors.json that was read, once that is verified."""
    pulls: list[Pull] = field(default_factory=list)
    """The images that the mirrors were asked for."""
    rewritten: list[Rewritten] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    answer: str = ""
    written: list[str] = field(default_factory=list)


def judge(known: Known) -> Verdict:
    """Return the verdict on all mirrors."""
    wrong = [item for item in known.findings if item.state not in RIGHT]
    if not wrong:
        counts = ", ".join(f"{count} {state}" for state in State if (count := _count(known, state)))
        return pulling.judge(known.pulls, f"All mirrors are right: {counts}")
    listed = ", ".join(f"{item.mirror.upstream} in {item.mirror.location} {_told_state(item)}" for item in wrong[:6])
    more = f", {len(wrong) - 6} more" if len(wrong) > 6 else ""
    said = f"Not all mirrors are right: {listed}{more}"
    if all(item.reason == "unreachable" for item in wrong):
        return Verdict(Result.FAILED, ExitCode.UNREACHABLE, said)
    everywhere = len(wrong) == len(known.findings) and all(item.reason in _SETUP for item in wrong)
    return Verdict(Result.FAILED, ExitCode.SETUP if everywhere else ExitCode.FAILED, said)


def _count(known: Known, state: State) -> int:
    return sum(item.state is state for item in known.findings)


def _told_state(item: Finding) -> str:
    return f"{item.state} ({item.reason})" if item.reason and item.reason != item.state else str(item.state)


def right(known: Known) -> tuple[Mirror, ...]:
    """Return the mirrors that were seen to lead to their upstream, which references may be sent to."""
    return tuple(sorted(item.mirror for item in known.findings if item.usable))


def record(known: Known) -> str:
    """Return the text of mirrors.json."""
    seen = known.seen
    if seen is None:
        raise ValueError("nothing was asked")
    return mirrors.text(mirrors.Mirrors(seen.project, right(known), seen.zones))


def outputs(known: Known, verdict: Verdict) -> dict[str, str]:
    """Return every output of registry/action.yml, as text."""
    images = [each.text for each in known.rewritten] if not verdict.exit_code else []
    hosts = known.hosts or sorted({mirror.host for mirror in right(known)})
    return {
        "result": str(verdict.result),
        "reason": workflow_commands.plain(verdict.reason[:_SHOWN]),
        "mirrors_path": known.mirrors_path,
        "bundle_path": known.bundle_path,
        "mirrors": json.dumps(_mirrors(known)),
        "pulls": json.dumps([pull.row for pull in known.pulls]),
        "images": json.dumps(images),
        "resolved_image": images[0] if len(images) == 1 else "",
        "registry_hosts": ",".join(hosts),
    }


def _mirrors(known: Known) -> list[dict[str, Any]]:
    return [
        {
            "upstream": item.mirror.upstream,
            "location": item.mirror.location,
            "uri": item.mirror.uri,
            "state": str(item.state),
            "reason": item.reason,
            "message": item.message,
            "differences": list(item.differences),
        }
        for item in known.findings
    ]


def document(known: Known, verdict: Verdict) -> dict[str, Any]:
    """Return the results for machines: what `--json` prints of `ensure`, `policies` and `check`."""
    bad = isinstance(verdict.error, errors.BadSettings)
    problems = [str(item) for item in verdict.error.problems] if bad else []  # type: ignore[union-attr]
    return {
        "command": known.command,
        "result": str(verdict.result),
        "reason": verdict.reason,
        "mirrors_path": known.mirrors_path,
        "bundle_path": known.bundle_path,
        "mirrors": _mirrors(known),
        "pulls": [pull.row for pull in known.pulls],
        "images": [formats.row(each) for each in known.rewritten],
        "problems": problems or ([verdict.error.message] if verdict.error else []),
    }


def remarks(known: Known, verdict: Verdict, *, commands: bool) -> list[Annotation]:
    """Return an error for each mirror that isn't right, and in a runner one notice if all are."""
    wrong = [
        Annotation("error", f"{item.mirror.upstream} in {item.mirror.location}", f"{item.state}. {_told(item)}".strip())
        for item in known.findings
        if item.state not in RIGHT
    ]
    wrong += pulling.remarks(known.pulls, commands=commands)
    if verdict.exit_code or not commands:
        return wrong
    return [*wrong, Annotation("notice", "Registry", f"{verdict.reason}.")]


def _told(item: Finding) -> str:
    return " ".join(filter(None, ["; ".join(item.differences), item.message]))


def show(runner: Runner, known: Known, verdict: Verdict) -> None:
    """Print the mirrors as a table, references that stay as they are with the reason, and what was written."""
    runner.table(
        [
            [item.mirror.location, item.mirror.upstream, str(item.state), item.mirror.uri, _told(item)]
            for item in known.findings
        ]
    )
    runner.table(pulling.table(known.pulls))
    if known.findings and not verdict.error:
        runner.line(f"{verdict.reason}.")
    for each in known.rewritten:
        if runner.commands and each.mirror:
            runner.line(f"{each.given.text} -> {each.text}")
        if not each.mirror:
            runner.line(f"notice: {each.given.text} is unchanged: {each.why}")
    if known.signed_by:
        runner.line(f"the mirrors are signed by {workflow_commands.plain(known.signed_by)}")
    for path in (known.bundle_path, known.mirrors_path, *known.written):
        if path:
            runner.line(f"written: {path}")


def summary(known: Known, verdict: Verdict) -> str:
    """Render the results as a table in Markdown."""
    head = f"### Registry: {markdown.text(verdict.headline)}\n\n"
    rows = [
        f"| {markdown.text(item.mirror.location)} | {markdown.code(item.mirror.uri)} | {item.state} "
        f"| {markdown.shortened(_told(item))} |"
        for item in known.findings
    ] + pulling.rows(known.pulls)
    if rows:
        lines = markdown.cut(rows, "\n… {} more, see the log")
        return (
            head
            + "| Location | Mirror, image | State | What was found |\n|---|---|---|---|\n"
            + "\n".join(lines)
            + "\n"
        )
    rewritten: Sequence[str] = [
        f"| {markdown.code(each.given.text)} | {markdown.code(each.text)} | {markdown.shortened(each.why)} |"
        for each in known.rewritten
    ]
    if rewritten and not verdict.exit_code:
        lines = markdown.cut(list(rewritten), "\n… {} more, see the log")
        return head + "| Reference | Pull | Why |\n|---|---|---|\n" + "\n".join(lines) + "\n"
    return head + (f"{markdown.shortened(verdict.reason)}\n" if verdict.error else "")
