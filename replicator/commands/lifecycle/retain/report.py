"""Says what a sweep decided and did: the plan for people, the releases for machines, annotations, the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle import report as listing
from replicator.commands.lifecycle.report import time
from replicator.commands.lifecycle.retain.decision import Decision, Reason
from replicator.runtime import markdown
from replicator.runtime.runner import Annotation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from replicator.commands.lifecycle.report import Row
    from replicator.commands.lifecycle.retain.decision import Decided, Plan
    from replicator.commands.lifecycle.retain.policy import Policy
    from replicator.commands.lifecycle.retain.settings import RetainInputs
    from replicator.commands.lifecycle.retain.sweep import Outcome
    from replicator.commands.lifecycle.world import Reading
    from replicator.core.images import Image
    from replicator.runtime.runner import Runner

_SIGNS = {Decision.KEEP: "+", Decision.RETIRE: "~", Decision.PURGE: "-"}
#: The most names that are told on one line; all are in the document.
_MOST_NAMED = 6
#: Above this number the releases that stay are folded in the summary.
_FOLDED = 20


def counts(plan: Plan, policy: Policy, *, applied: bool) -> str:
    """Return the plan in one sentence."""
    retire = sum(len(decided.due) for decided in plan.retire)
    purge = sum(len(decided.due) for decided in plan.purge)
    stay = sum(1 for decided in plan.sets if decided.decision is Decision.KEEP)
    found = f"{_images(retire)} to retire, {purge} to delete (cap {policy.max_deletions}), {_releases(stay)} stay"
    return f"Plan: {found}" if applied else f"Plan: {found}. Nothing was changed: apply does it"


def show(runner: Runner, plan: Plan, rows: Mapping[str, Row], inputs: RetainInputs, now: datetime) -> None:
    """Print the plan, line by line, newest release first."""
    defaults = listing.defaults(list(rows.values()))
    for line, rules in inputs.policy.lines.items():
        sets = [decided for decided in plan.sets if decided.each.line == line]
        runner.line(
            f"{line} ({inputs.listed.scope.project}): {_releases(len(sets))}, default {defaults.get(line, 'none')}, "
            f"keep {rules.keep}, routine {rules.routine_days} days, critical {rules.critical_days}"
        )
        runner.table([_cells(decided, rows[decided.each.root.id], now) for decided in sets])


def _cells(decided: Decided, row: Row, now: datetime) -> list[str]:
    each = decided.each
    where = ", ".join(image.home or "several locations" for image in each.members)
    changes = decided.decision is not Decision.KEEP
    return [
        f"{_SIGNS[decided.decision]} {decided.decision}",
        row.version,
        _images(len(decided.due)) if changes else where,
        _why(decided, now),
    ]


def _why(decided: Decided, now: datetime) -> str:
    """Why, for people; the same in the log and in the summary."""
    each = decided.each
    if decided.decision is Decision.RETIRE:
        until = f"; deleted not before {time(decided.until)}" if decided.until else ""
        days = (now - each.root.created).days
        return f"made {each.root.created:%Y-%m-%d}, {days} {'day' if days == 1 else 'days'} ago{until}"
    if decided.decision is Decision.PURGE:
        passed = f"date {time(decided.until)} passed; " if decided.until else ""
        names = [image.ref.name for image in decided.purges]
        shown = [
            *names[:-1][:_MOST_NAMED],
            *([f"{len(names) - 1 - _MOST_NAMED} more"] * (len(names) - 1 > _MOST_NAMED)),
        ]
        return f"{passed}{', '.join(shown)}{', then ' if shown else ''}{names[-1]}"
    parts = [f"{decided.reason}: {decided.detail}" if decided.detail else str(decided.reason)]
    if decided.until and decided.reason is Reason.GRACE:
        parts.append(f"may be deleted from {time(decided.until)}")
    elif any(image.deprecated for image in each.members):
        states = sorted({image.deprecated for image in each.members if image.deprecated})
        parts.append(f"stays {' and '.join(states)}")
    return "; ".join(parts)


def release(told: dict[str, Any], decided: Decided | None, outcome: Outcome | None) -> dict[str, Any]:
    """Add to the JSON object of a set what was decided of it, and what became of that."""
    if decided is None:
        return told
    told["decision"] = str(decided.decision)
    told["reason"] = str(decided.reason or "")
    told["until"] = time(decided.until) if decided.until else ""
    notes = [told["message"], decided.detail and f"{decided.reason}: {decided.detail}."]
    if outcome and outcome.reason:
        told["reason"] = outcome.reason
        notes.append(outcome.message)
        if not outcome.failed:
            told["decision"] = str(Decision.KEEP)
    told["message"] = " ".join(filter(None, notes))
    return told


def remarks(plan: Plan, inputs: RetainInputs, outcomes: Sequence[Outcome], reading: Reading) -> Iterator[Annotation]:
    """What people should see on the run's page, besides errors."""
    for outcome in outcomes:
        if outcome.reason:
            title = f"{outcome.planned.each.root.ref.name}: {outcome.reason}"
            yield Annotation("warning" if outcome.failed else "notice", title, outcome.message)
    for decided in plan.oversized:
        yield Annotation(
            "warning",
            f"{decided.each.root.ref.name}: cap",
            f"It has {len(decided.each.members)} images, more than one sweep may change, so it never goes, nor does "
            f"anything after it: set max_deletions to {len(decided.each.members)} or more.",
        )
    for line in inputs.policy.lines:
        sets = [decided for decided in plan.sets if decided.each.line == line]
        going = [decided for decided in sets if decided.decision is Decision.RETIRE or decided.reason is Reason.CAP]
        dated = any(image.deprecated and image.deleted for decided in sets for image in decided.each.members)
        if going and not dated:
            images = sum(len(decided.each.members) for decided in going)
            yield Annotation(
                "notice",
                f"First sweep of {line}",
                f"Nothing of {line} is retired yet. In all, {_releases(len(going))} with {_images(images)} would go.",
            )
    lost = len(reading.world.sourceless)
    if lost:
        yield Annotation(
            "notice",
            "Without a source",
            f"{_images(lost)} of these lines have no source any more; nothing touches them.",
        )


def summary(
    plan: Plan, rows: Mapping[str, Row], outcomes: Sequence[Outcome], inputs: RetainInputs, now: datetime
) -> str:
    """Render what was done, what goes when and how to stop that, and what stays and why."""
    done = [
        [_name(item.planned, rows), str(item.planned.decision), str(len(item.done)), item.message] for item in outcomes
    ]
    gone = {id(each.planned) for each in outcomes if each.planned.purges and len(each.done) == len(each.planned.purges)}
    left = [decided for decided in plan.sets if id(decided) not in gone]
    going = [decided for decided in left if decided.due or decided.reason is Reason.GRACE]
    staying = [decided for decided in left if not decided.due and decided.reason is not Reason.GRACE]
    parts = [
        *_table("Done", ["release", "what", "images", "message"], done),
        *_table("To go", ["release", "what", "why"], [_row(decided, rows, now) for decided in going]),
        *_hold(going, inputs.policy.hold_label),
        *_table(
            "Staying",
            ["release", "what", "why"],
            [_row(each, rows, now) for each in staying],
            fold=len(staying) > _FOLDED,
        ),
    ]
    return "\n".join(markdown.cut(parts, "… and {} more lines.")) + "\n"


def _row(decided: Decided, rows: Mapping[str, Row], now: datetime) -> list[str]:
    return [_name(decided, rows), str(decided.decision), _why(decided, now)]


def _name(decided: Decided, rows: Mapping[str, Row]) -> str:
    return f"{decided.each.line} {rows[decided.each.root.id].version}"


def _hold(going: Sequence[Decided], key: str) -> list[str]:
    if not going:
        return []
    image = _held_by(going[0])
    line = f"gcloud compute images add-labels {image.ref.name} --project={image.ref.project} --labels={key}=true"
    return ["", "To keep a release, label one of its replicas:", "", markdown.fence("sh", [line])]


def _held_by(decided: Decided) -> Image:
    """A label that a source gets later is wanted on its replicas by the next replicate, so a replica is better."""
    return decided.each.copies[0] if decided.each.copies else decided.each.root


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, fold: bool = False) -> list[str]:
    if not rows:
        return []
    lines = [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(markdown.shortened(cell) for cell in row)} |" for row in rows),
    ]
    if fold:
        return ["", f"<details><summary>{title}: {len(rows)}</summary>", "", *lines, "", "</details>"]
    return ["", f"**{title}**", "", *lines]


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


def _releases(count: int) -> str:
    return f"{count} release{'' if count == 1 else 's'}"
