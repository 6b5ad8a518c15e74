"""Reports the results of replicas: the table at the end of the log, annotations, outputs, the JSON document."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from replicator.bootstrap import workflow_commands
from replicator.core import access
from replicator.core.errors import Interrupted, Signalled
from replicator.core.replicas import Access, Outcome, Result
from replicator.replicas import results
from replicator.runtime.runner import Annotation, Level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.core.replicas import Plan, ReplicaResult, Step
    from replicator.index.image_index import Written
    from replicator.runtime.runner import Runner
    from replicator.runtime.verdict import Verdict


#: Most characters of the output `reason`: the runner takes a megabyte of outputs from a job.
LONGEST_REASON = 10_000
#: How many locations one line names; of more, only their number is shown.
_MOST_NAMED = 8


def show_end(runner: Runner, verdict: Verdict, rows: Sequence[ReplicaResult]) -> None:
    """Print the table of what exists where, and the verdict."""
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
            ],
            spare=(5, 4, 3),
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
    """Return the annotations: those about the whole run, then those about replicas, titled with their locations.

    What is the same for several is said once, but for names. With `every` true all replicas that are right have one
    notice together; without it they have none, because the table at the end says everything. A failed run always has
    an error if its exit code isn't 0, else a warning.
    """
    if every:
        right = [row for row in rows if not results.message(row)]
        told = [*_alike([row for row in rows if results.message(row)]), *_right(right)]
    else:
        told = _alike(_untold(verdict, rows))
    said = [*notes, *told]
    if verdict.result is Result.FAILED:
        level: Level = "error" if verdict.exit_code else "warning"
        if level == "warning" or not any(item.level == "error" for item in said):
            there = any(row.outcome is not Outcome.SOURCE and (row.image or row.operation) for row in rows)
            title = "Nothing was verified" if there else "Nothing was replicated"
            said.insert(0, Annotation(level, title, f"{verdict.reason}."))
    return said


def _untold(verdict: Verdict, rows: Sequence[ReplicaResult]) -> list[ReplicaResult]:
    """Leave out replicas about which there is nothing to say, or nothing but the signal that ended the run."""
    return [
        row
        for row in rows
        if results.message(row) and not (isinstance(verdict.error, Interrupted) and row.reason == Signalled.reason)
    ]


def _right(rows: Sequence[ReplicaResult]) -> list[Annotation]:
    """Return one notice with a line for each of the replicas, of which there is nothing else to say."""
    lines = "\n".join(_annotation(row).message for row in rows)
    return [Annotation("notice", _places(rows), lines)] if rows else []


def _places(rows: Sequence[ReplicaResult]) -> str:
    where = [row.where for row in rows]
    return ", ".join(where) if len(where) <= _MOST_NAMED else f"{len(where)} locations"


def _alike(rows: Sequence[ReplicaResult]) -> list[Annotation]:
    """Return one annotation for all replicas about which the same is to be said, but for names."""
    groups: dict[tuple[str, str], list[ReplicaResult]] = {}
    for row in rows:
        text = _annotation(row)
        groups.setdefault((text.level, _without_names(text.message, row)), []).append(row)
    return [
        Annotation(
            said.level,
            _places(alike),
            said.message if len(alike) == 1 else f"{said.message} The same for {_others(alike)}.",
        )
        for alike in groups.values()
        for said in [_annotation(alike[0])]
    ]


def _others(rows: Sequence[ReplicaResult]) -> str:
    """Name all but the first of the replicas where the title has no room for them."""
    where = [row.where for row in rows[1:]]
    return f"{len(where)} more" if len(rows) <= _MOST_NAMED else ", ".join(where)


def _without_names(text: str, row: ReplicaResult) -> str:
    ref, replica = row.replica.ref, row.replica
    for name in sorted(filter(None, (ref.uri, ref.name, row.operation, replica.family)), key=len, reverse=True):
        text = text.replace(name, "")
    return re.sub(rf"\b{re.escape(replica.location)}\b", "", text)


def _annotation(row: ReplicaResult) -> Annotation:
    said = results.message(row)
    what = f"{row.replica.ref.uri}: {row.outcome}"
    if row.outcome.verified or row.outcome is Outcome.PLANNED:
        details = [row.access] if row.access else []
        details += [_family(row)] if row.replica.family and row.outcome.verified else []
        text = f"{', '.join([what, *details])}. {said}".strip()
        return Annotation("warning" if row.error else "notice", row.where, text)
    return Annotation("error" if row.replica.required else "warning", row.where, f"{what}. {said}")


def access_note(plan: Plan, wanted: Access, rows: Sequence[ReplicaResult]) -> list[Annotation]:
    """What replicas don't have of the source's own policy, and that they are private where people may expect more."""
    found = {row.access for row in rows if row.outcome.verified and row.outcome is not Outcome.SOURCE}
    policy, source = plan.source_policy, plan.source.ref
    if not found or policy is None or wanted is Access.PRIVATE:
        return []
    others, gone, told = access.other_roles(policy), access.deleted_members(policy), []
    if found == {"private"} and wanted is Access.SOURCE:
        if access.readers(wanted, policy):
            who = f"aren't public: they are for the same members of {access.READER_ROLE} as the source {source}"
        else:
            who = "are private" if others else f"are private, like the source {source}"
        told.append(f"The replicas {who}: set access: public, or put this step after the one that opens the source.")
    if others:
        told.append(
            f"Replicas get the bindings of {access.READER_ROLE} only. Others of the source {source} were not carried "
            f"over: {access.describe(others, roles=True)}."
        )
    if gone and wanted is Access.SOURCE:
        told.append(
            f"The policy of the source {source} names members whose accounts were deleted; no policy can be written "
            f"with them, so they were left out: {', '.join(gone)}."
        )
    return [Annotation("notice", "Access", " ".join(told))] if told else []


def outputs(*, decision: str, verdict: Verdict, rows: Sequence[ReplicaResult], written: Written) -> dict[str, str]:
    """Return every output of the action, as text."""
    verified = {row.replica.location: row.replica.ref for row in rows if row.outcome.verified}
    failed = [row.replica.location for row in rows if row.outcome in {Outcome.FAILED, Outcome.INTERRUPTED}]
    return {
        "decision": decision,
        "reason": workflow_commands.plain(verdict.reason[:LONGEST_REASON]),
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


def document(
    verdict: Verdict, rows: Sequence[ReplicaResult], plan: Plan | None, written: Written
) -> Mapping[str, object]:
    """Return the results for machines: what `--json` prints."""
    return {
        "result": str(verdict.result),
        "reason": verdict.reason,
        "exit_code": verdict.exit_code,
        "images": {row.replica.location: row.replica.ref.uri for row in rows if row.outcome.verified},
        "replicas": [as_dict(row) for row in rows],
        "plan": [_step(step) for step in plan.steps] if plan else [],
        **asdict(written),
    }


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
    """Return one replica as it is in the output `replicas`."""
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
    """Return a value as JSON in one line."""
    return json.dumps(value, ensure_ascii=False, sort_keys=False)
