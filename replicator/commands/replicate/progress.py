"""Prints the plan before acting, and lines on the copies under way while they are made."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from replicator.core.replicas import Action
from replicator.replicas.plan import tree_of
from replicator.replicas.report import _MOST_NAMED
from replicator.runtime.markdown import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.replicate.preflight import Findings
    from replicator.core.replicas import Plan, Step
    from replicator.inputs.source_reference import SourceRef
    from replicator.replicas.settings import Settings
    from replicator.replicas.work import Work
    from replicator.runtime.runner import Runner

_WORDS = {
    Action.SERVE: ("source", "nothing to do: the source is stored here"),
    Action.COPY: ("copy", ""),
    Action.WAIT: ("wait", "a copy is being made already"),
    Action.CHECK: ("keep", "exists and is right"),
    Action.REPLACE: ("replace", "the copy that failed"),
}


def show_head(runner: Runner, source: SourceRef, wanted: Settings, note: str = "") -> None:
    """Print what is asked for, because reading what exists takes a moment."""
    places = wanted.locations
    named = ", ".join(places) if len(places) <= _MOST_NAMED else f"{len(places)} locations"
    runner.line(f"{source} is wanted in {named}; reading what exists")
    if note:
        runner.line(note)


def show_plan(runner: Runner, plan: Plan, found: Findings, costs: Sequence[str], *, folded: bool) -> None:
    """Print what will be done, what it will store and cost, and what is known of the permissions that it needs."""
    source = plan.source
    title = f"Plan for {source.ref} (id {source.id})"
    if not folded:
        runner.line(title)
    with runner.group(title) if folded else contextlib.nullcontext():
        runner.line(
            f"source: stored in {', '.join(source.storage_locations) or 'an unknown location'}, "
            f"{source.disk_size_gb} GB disk, {size(source.archive_size_bytes)} archive, "
            f"{source.architecture or 'architecture unknown'}, family {source.family or 'none'}",
            indent=2,
        )
        runner.table([_plan_row(plan, step) for step in plan.steps], spare=(2, 3))
        for line in (*costs, *_tree(plan), *_without_family(plan)):
            runner.line(line, indent=2)
        for note in plan.notes:
            runner.line(f"note: {note}", indent=2)
        for line in found.lines():
            runner.line(line, indent=2)
        for warning in plan.warnings:
            runner.line(f"warning: {warning}", indent=2)


def _without_family(plan: Plan) -> list[str]:
    """Which replicas get no family because their source has none to make it of."""
    if plan.source.family:
        return []
    without = [
        step.replica.location for step in plan.steps if step.action is not Action.SERVE and not step.replica.family
    ]
    listed = ", ".join(without) if len(without) <= _MOST_NAMED else f"{len(without)} locations"
    return [f"no family in {listed}: the source has none to put in the place of {{family}}"] if without else []


def _tree(plan: Plan) -> list[str]:
    """Render which image each copy is made from, unless all are made from the source."""
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
    word, more = said(step)
    family = f"family {replica.family}" if replica.family else "no family"
    if plan.is_lead(replica):
        family += " (leads)"
    return [
        replica.location,
        replica.ref.uri,
        family,
        "required" if replica.required else "",
        f"{word:<11}{more}".rstrip(),
    ]


def said(step: Step) -> tuple[str, str]:
    """Return what a step would do, in one word, and what people need to know besides; perhaps nothing."""
    if step.error:
        return "refuse", f"{step.error.reason}: {step.error.what}"
    if step.existing and step.existing.image.status == "DELETING":
        return "copy", "once the image that is being deleted is gone"
    if step.action is Action.CHECK and step.changes:
        return "repair", ", ".join(difference.field for difference in step.changes)
    return _WORDS[step.action]


def heading(works: Sequence[Work]) -> str:
    """Return the heading of the lines about the replicas being made."""
    going = [work.replica.location for work in works if work.running]
    return f"Replicating to {', '.join(going) if len(going) <= _MOST_NAMED else f'{len(going)} locations'}"


def show_progress(runner: Runner, works: Sequence[Work], next_try: Mapping[str, str], seconds: float) -> None:
    """Print one line about all running replicas; `next_try` says until when each of them waits."""
    going = [work for work in works if work.running]
    if going:
        few = len(going) <= _MOST_NAMED
        states = [next_try.get(work.replica.location) or _state(work, exact=few) for work in going]
        each = [f"{work.replica.location} {state}" for work, state in zip(going, states, strict=True)]
        alike = [f"{count} {state}" for state, count in Counter(states).items()]
        runner.line(f"{seconds:5.0f} s  under way: {', '.join(each if few else alike)}", indent=1)


def _state(work: Work, *, exact: bool) -> str:
    return f"{work.state} {work.percent} %" if exact and work.state == "copying" and work.percent else work.state
