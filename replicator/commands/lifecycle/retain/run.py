"""Runs `retain` from options to results: reads, decides, writes the plan, and carries it out if asked to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle import pull_request
from replicator.commands.lifecycle import report as listing
from replicator.commands.lifecycle.retain import plan_file, report, settings, situation
from replicator.commands.lifecycle.retain.decision import Decision
from replicator.commands.lifecycle.retain.sweep import Sweep
from replicator.compute import waits
from replicator.compute.connect import connected
from replicator.compute.retry import Calls
from replicator.core.errors import ExitCode
from replicator.core.replicas import Result
from replicator.index import image_index
from replicator.runtime import markdown
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from replicator.commands.lifecycle.report import Row
    from replicator.commands.lifecycle.retain.decision import Plan
    from replicator.commands.lifecycle.retain.settings import RetainInputs
    from replicator.commands.lifecycle.retain.situation import Situation
    from replicator.commands.lifecycle.retain.sweep import Outcome
    from replicator.runtime.signals import Signals

_FILE = "retention-plan.json"


@dataclass(kw_only=True)
class Retention(Run):
    """One run of `retain`."""

    today: Callable[[], datetime] = waits.now
    inputs: RetainInputs | None = None
    seen: Situation | None = None
    plan: Plan | None = None
    now: datetime | None = None
    """The moment that the plan was made at."""
    applied: bool = False
    """Whether the plan was to be carried out."""
    outcomes: list[Outcome] = field(default_factory=list)
    plan_path: str = ""
    plan_digest: str = ""

    def carry_out(self, signals: Signals) -> Verdict:
        """Read everything, decide, and do it if asked to."""
        inputs = self.inputs = settings.load(self.given, self.env)
        only_planned = pull_request.only_planned(self.env, of_action=self.of_action) if inputs.settings.apply else None
        self.notes += [only_planned] if only_planned else []
        self.applied = inputs.settings.apply and not only_planned
        self.in_loop(self._work(inputs, signals))
        return self._judge(inputs)

    async def _work(self, inputs: RetainInputs, signals: Signals) -> None:
        with signals.cancelling():
            wanted, scope = inputs.settings, inputs.listed.scope
            compute = await connected(wanted.compute_endpoint, self.env, anonymous=inputs.listed.anonymous)
            deadline = asyncio.get_running_loop().time() + 60 * wanted.timeout_minutes
            calls = Calls(compute, deadline=deadline, tell=self._say)
            now = self.now = self.today()
            self.seen = await situation.read(calls, scope, now, check_use=wanted.in_use == "check")
            self.plan = self.seen.plan(inputs.policy, now, inputs.approved)
            self._write_plan(self.plan, inputs)
            report.show(self.runner, self.plan, self._rows(), inputs, now)
            self.runner.line(f"{report.counts(self.plan, inputs.policy, applied=self.applied)}.")
            if self.applied:
                sweep = Sweep(
                    calls=calls,
                    scope=scope,
                    policy=inputs.policy,
                    before=self.seen,
                    now=self.today,
                    approved=inputs.approved,
                    tell=self._say,
                    outcomes=self.outcomes,
                )
                await sweep.carry_out(self.plan)

    def _write_plan(self, plan: Plan, inputs: RetainInputs) -> None:
        data = plan_file.write(plan, inputs.policy)
        path = self.folder() / _FILE
        with self.tolerant(_FILE):
            path.write_bytes(data)
            self.plan_path, self.plan_digest = str(path), image_index.digest(data)

    def _say(self, where: str, text: str) -> None:
        self.runner.line(f"{where}: {text}")

    def _rows(self) -> dict[str, Row]:
        if not (self.inputs and self.seen and self.now):
            return {}
        rows = listing.rows(self.seen.reading, self.inputs.listed.settings, self.now)
        return {row.each.root.id: row for row in rows}

    def _count(self, decision: Decision) -> int:
        return sum(len(outcome.done) for outcome in self.outcomes if outcome.planned.decision is decision)

    @property
    def _failed_images(self) -> int:
        return sum(len(each.planned.due) - len(each.done) for each in self.outcomes if each.failed)

    def _judge(self, inputs: RetainInputs) -> Verdict:
        if not self.plan:
            raise TypeError("there is no plan")
        if not self.applied:
            return Verdict(Result.PLANNED, ExitCode.DONE, report.counts(self.plan, inputs.policy, applied=False))
        retired, purged = self._count(Decision.RETIRE), self._count(Decision.PURGE)
        said = f"Retired: {retired}; deleted: {purged}"
        if failed := self._failed_images:
            return Verdict(Result.FAILED, ExitCode.FAILED, f"{said}; failed: {failed}")
        left = sum(1 for outcome in self.outcomes if outcome.reason)
        return Verdict(Result.COMPLETE, ExitCode.DONE, f"{said}{f'; releases left alone: {left}' if left else ''}")

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the releases with what was decided of each, and what was done."""
        told = listing.document(
            verdict,
            due=self.plan.due if self.plan else 0,
            retired=self._count(Decision.RETIRE),
            purged=self._count(Decision.PURGE),
            failed=self._failed_images,
            plan_path=self.plan_path,
            plan_digest=self.plan_digest,
        )
        if self.inputs and self.seen and self.plan:
            rows = self._rows()
            outcomes = {outcome.planned.each.root.id: outcome for outcome in self.outcomes}
            wanted = self.inputs.listed.settings
            told["default"] = listing.defaults(list(rows.values()))
            told["releases"] = [
                report.release(
                    listing.as_dict(rows[decided.each.root.id], self.seen.reading, wanted),
                    decided,
                    outcomes.get(decided.each.root.id),
                )
                for decided in self.plan.sets
            ]
        return told

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of retain/action.yml."""
        told = {name: value for name, value in self.document(verdict).items() if name not in {"exit_code", "families"}}
        return {name: value if isinstance(value, str) else listing.as_json(value) for name, value in told.items()}

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return what went wrong, what was left alone, and the plan in one notice."""
        found = list(self.notes)
        if self.inputs and self.seen and self.plan:
            found += report.remarks(self.plan, self.inputs, self.outcomes, self.seen.reading)
        if not verdict.error and self.runner.commands:
            found.insert(0, Annotation("notice", "Retention", f"{verdict.reason}."))
        return found

    def show(self, verdict: Verdict) -> None:
        """Print what was done; the plan was printed above."""
        for outcome in self.outcomes:
            if outcome.reason:
                self.runner.line(f"{outcome.planned.each.root.ref.name}: {outcome.reason}: {outcome.message}")
        if self.applied or verdict.error:
            self.runner.line(f"{verdict.headline}.")

    def summary(self, verdict: Verdict) -> str:
        """Render the plan, what was done, and how to keep what would go."""
        told = f"### {'❌' if verdict.exit_code else '✅'} {markdown.text(verdict.headline)}\n"
        if self.inputs and self.plan and self.now:
            told += report.summary(self.plan, self._rows(), self.outcomes, self.inputs, self.now)
        return told


run = partial(execute, Retention)
