"""What people and later steps are told: the plan before acting, a line at each change, and everything at the end."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from replicator import protocol, results
from replicator.actions import Annotation, Level
from replicator.model import Access, Action, Outcome, Result
from replicator.plan import tree_of
from replicator.summary import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.actions import Runner
    from replicator.index import Written
    from replicator.model import Plan, ReplicaResult, Step
    from replicator.results import Verdict
    from replicator.settings import Settings
    from replicator.source import SourceRef
    from replicator.work import Work

_WORDS = {
    Action.SERVE: "source     nothing to do: the source is stored here",
    Action.COPY: "copy",
    Action.WAIT: "wait       a copy is being made already",
    Action.CHECK: "keep       exists and is right",
    Action.REPLACE: "replace    the copy that failed",
    Action.REFUSE: "refuse",
}


#: The runner takes a megabyte of outputs from a job.
LONGEST_REASON = 10_000
#: So many locations are told by name in one line.
_MOST_NAMED = 8


def show_head(runner: Runner, source: SourceRef, wanted: Settings) -> None:
    """Print what is asked for: reading what exists takes a moment."""
    places = wanted.locations
    named = ", ".join(places) if len(places) <= _MOST_NAMED else f"{len(places)} locations"
    runner.line(f"{source} is wanted in {named}; reading what exists")


def show_plan(runner: Runner, plan: Plan) -> None:
    """Print what will be done, and what it will store."""
    source = plan.source
    with runner.group(f"Plan for {source.ref} (id {source.id})"):
        runner.line(
            f"source: stored in {', '.join(source.storage_locations) or 'an unknown location'}, "
            f"{source.disk_size_gb} GB disk, {size(source.archive_size_bytes)} archive, "
            f"{source.architecture or 'architecture unknown'}, family {source.family or 'none'}",
            indent=2,
        )
        runner.table([_plan_row(plan, step) for step in plan.steps])
        copies = sum(step.copies for step in plan.steps)
        each = source.archive_size_bytes
        total = f" = {size(copies * each)} more in storage" if each else ""
        runner.line(f"{copies} to copy, {size(each)} each{total}" if copies else "nothing to copy", indent=2)
        for line in _tree(plan):
            runner.line(line, indent=2)
        for warning in plan.warnings:
            runner.line(f"warning: {warning}", indent=2)


def _tree(plan: Plan) -> list[str]:
    """Which copies are made of which image, where that is not the source for all."""
    branches = tree_of(plan)
    if not branches:
        return []
    by_origin: dict[tuple[int, str], list[str]] = {}
    for branch in branches:
        by_origin.setdefault((branch.wave, branch.origin), []).append(branch.location)
    often = "once" if plan.copies_per_source == 1 else f"{plan.copies_per_source} times"
    heading = (
        f"in {branches[-1].wave} waves, because one image is copied {often} an hour at most; "
        "roughly so, since the first replica to be verified is the first to be copied:"
    )
    return [
        heading,
        *(f"  wave {wave}, from {origin}: {', '.join(to)}" for (wave, origin), to in by_origin.items()),
    ]


def _plan_row(plan: Plan, step: Step) -> list[str]:
    replica = step.replica
    word = _WORDS[step.action]
    if step.action is Action.CHECK and step.changes:
        word = "repair     " + ", ".join(difference.field for difference in step.changes)
    if step.error:
        word = f"refuse     {step.error.reason}: {step.error.what}"
    family = f"family {replica.family}" if replica.family else "no family"
    if plan.is_lead(replica):
        family += " (leads)"
    return [replica.location, replica.ref.uri, family, "required" if replica.required else "", word]


def heading(works: Sequence[Work]) -> str:
    """What stands above the lines about the replicas being made."""
    going = [work.replica.location for work in works if work.running]
    return f"Replicating to {', '.join(going) if len(going) <= _MOST_NAMED else f'{len(going)} locations'}"


def show_progress(runner: Runner, works: Sequence[Work], next_try: Mapping[str, str], seconds: float) -> None:
    """One line about all that is still going on; `next_try` says of those that have to wait until when."""
    going = [work for work in works if work.running]
    if going:
        few = len(going) <= _MOST_NAMED
        states = [next_try.get(work.replica.location) or _state(work, exact=few) for work in going]
        each = [f"{work.replica.location} {state}" for work, state in zip(going, states, strict=True)]
        alike = [f"{count} {state}" for state, count in Counter(states).items()]
        runner.line(f"{seconds:5.0f} s  under way: {', '.join(each if few else alike)}", indent=1)


def _state(work: Work, *, exact: bool) -> str:
    return f"{work.state} {work.percent} %" if exact and work.state == "copying" and work.percent else work.state


def show_end(runner: Runner, verdict: Verdict, rows: Sequence[ReplicaResult]) -> None:
    """The table of what exists where, and the verdict."""
    if rows:
        runner.line("")
        runner.table(
            [
                [
                    row.where,
                    row.outcome + (f" ({row.reason})" if row.reason else ""),
                    row.replica.ref.uri,
                    _family(row) if row.outcome.verified else "",
                    row.access if row.outcome.verified else "",
                    f"{row.seconds:.1f} s" if row.seconds else "",
                ]
                for row in rows
            ]
        )
    runner.line("")
    runner.line(f"{verdict.result}: {verdict.headline}.")


def _family(row: ReplicaResult) -> str:
    if not row.replica.family:
        return "no family"
    return f"family {row.replica.family}" if row.promoted else f"not in family {row.replica.family}"


def remarks(
    verdict: Verdict, rows: Sequence[ReplicaResult], notes: Sequence[Annotation], *, every: bool
) -> list[Annotation]:
    """One remark for each replica, titled with its location, after those about the whole run.

    Unless it is to be `every` replica, those go without of which the table at the end says everything. A run that
    fails says so loudly: by an error where it exits with one, else by a warning.
    """
    said = [*notes, *(_annotation(row) for row in rows if every or results.message(row))]
    if verdict.result is Result.FAILED:
        level: Level = "error" if verdict.exit_code else "warning"
        if level == "warning" or not any(item.level == "error" for item in said):
            said.insert(0, Annotation(level, "Nothing was replicated", f"{verdict.reason}."))
    return said


def _annotation(row: ReplicaResult) -> Annotation:
    said = results.message(row)
    what = f"{row.replica.ref.uri}: {row.outcome}"
    if row.outcome.verified or row.outcome is Outcome.PLANNED:
        details = [row.access] if row.access else []
        details += [_family(row)] if row.replica.family and row.outcome.verified else []
        text = f"{', '.join([what, *details])}. {said}".strip()
        return Annotation("warning" if row.error else "notice", row.where, text)
    return Annotation("error" if row.replica.required else "warning", row.where, f"{what}. {said}")


def privacy_note(plan: Plan, access: Access, rows: Sequence[ReplicaResult]) -> list[Annotation]:
    """A word to whoever expects public replicas of a source that is not public."""
    found = {row.access for row in rows if row.outcome.verified and row.outcome is not Outcome.SOURCE}
    if access is not Access.SOURCE or found != {"private"}:
        return []
    return [
        Annotation(
            "notice",
            "Access",
            f"The replicas are private, like the source {plan.source.ref}: set access: public, or put this step after "
            "the one that opens it.",
        )
    ]


def outputs(*, decision: str, verdict: Verdict, rows: Sequence[ReplicaResult], written: Written) -> dict[str, str]:
    """Every output of the action, as the runner's file takes it."""
    verified = {row.replica.location: row.replica.ref for row in rows if row.outcome.verified}
    failed = [row.replica.location for row in rows if row.outcome in {Outcome.FAILED, Outcome.INTERRUPTED}]
    return {
        "decision": decision,
        "reason": protocol.plain(verdict.reason[:LONGEST_REASON]),
        "result": str(verdict.result),
        "images": to_json({location: ref.uri for location, ref in verified.items()}),
        "image_names": to_json({location: ref.name for location, ref in verified.items()}),
        **{
            f"image_{location}": verified[location].uri if location in verified else ""
            for location in ("us", "eu", "asia")
        },
        "failed_locations": ",".join(failed),
        "replicas": to_json([as_dict(row) for row in rows]),
        **asdict(written),
    }


def document(verdict: Verdict, rows: Sequence[ReplicaResult], plan: Plan | None, written: Written) -> str:
    """Everything for machines, as one JSON document in one line: what `--json` prints."""
    return (
        json.dumps(
            {
                "result": str(verdict.result),
                "reason": verdict.reason,
                "exit_code": verdict.exit_code,
                "images": {row.replica.location: row.replica.ref.uri for row in rows if row.outcome.verified},
                "replicas": [as_dict(row) for row in rows],
                "plan": [_step(step) for step in plan.steps] if plan else [],
                **asdict(written),
            }
        )
        + "\n"
    )


def _step(step: Step) -> Mapping[str, object]:
    return {
        "location": step.replica.location,
        "uri": step.replica.ref.uri,
        "family": step.replica.family,
        "required": step.replica.required,
        "action": str(step.action),
        "changes": [asdict(change) for change in step.changes],
        "reason": step.error.reason if step.error else "",
        "message": step.error.message if step.error else "",
    }


def as_dict(row: ReplicaResult) -> Mapping[str, object]:
    """One replica as the output `replicas` has it."""
    return {
        "location": row.replica.location,
        "project": row.replica.ref.project,
        "name": row.replica.ref.name,
        "uri": row.replica.ref.uri,
        "id": row.image.id if row.image else "",
        "outcome": str(row.outcome),
        "promoted": row.promoted,
        "access": row.access,
        "reason": str(row.reason),
        "message": results.message(row),
        "operation": row.operation,
        "seconds": row.seconds,
        "required": row.replica.required,
    }


def to_json(value: object) -> str:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False, sort_keys=False)
