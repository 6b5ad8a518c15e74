"""Runs `replicate` and `plan` from inputs to results: settings, source, plan, copies, index, report."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.commands.replicate import live_table, preflight, progress
from replicator.commands.replicate.errors import TOO_EXPENSIVE
from replicator.commands.replicate.execute import replicate
from replicator.compute import lookup, waits
from replicator.compute.connect import connected
from replicator.compute.errors import SOURCE_MISSING
from replicator.compute.retry import Calls
from replicator.core import errors
from replicator.core.replicas import Result, Sign
from replicator.index import image_index, seal
from replicator.inputs import manifest_age
from replicator.replicas import report, results, settings, snippets, work
from replicator.replicas.cost import limit, words
from replicator.replicas.cost.estimate import Cost, estimate
from replicator.replicas.recorded_run import RecordedRun
from replicator.replicas.session import Session
from replicator.replicas.summary import dry_run, page
from replicator.replicas.survey import moved_by_the_build, survey
from replicator.runtime.lifecycle import execute
from replicator.runtime.runner import Annotation, about_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from replicator.core.images import Image
    from replicator.core.replicas import Plan, ReplicaResult
    from replicator.replicas.settings import Inputs
    from replicator.replicas.work import Work
    from replicator.runtime.signals import Signals
    from replicator.runtime.verdict import Verdict

#: Seconds between lines on what is still under way; the last number repeats.
_TICKS = (5.0, 10.0, 15.0, 30.0)


@dataclass(kw_only=True)
class Replication(RecordedRun):
    """One run of `replicate` or `plan`."""

    screen: live_table.Screen | None = None
    """The live table while one is shown, else None."""
    inputs: Inputs | None = None
    source: Image | None = None
    plan: Plan | None = None
    cost: Cost | None = None
    """What the plan costs; None without a plan, and where the input `prices` is `off`."""
    costs: Sequence[str] = ()
    """The same in words."""
    works: list[Work] = field(default_factory=list)
    rows: list[ReplicaResult] = field(default_factory=list)
    moved: str = ""
    """What the build had done to the source's family, where a run that failed moved none."""

    @property
    def results(self) -> Sequence[ReplicaResult]:
        """The results of the replicas so far."""
        return self.rows

    def carry_out(self, signals: Signals) -> Verdict:
        """Check the inputs, make and verify the replicas, move families."""
        inputs = self.inputs = self.loaded(settings.load)
        if self.of_action:
            empty = settings.empty_inputs(inputs.settings, self.env)
            self.notes += [about_input("warning", item) for item in empty]
        self.prepare_signing(inputs.settings.sign)
        self.in_loop(self._replicate(inputs, signals))
        return results.judge(self.rows, moved=self.moved)

    async def _replicate(self, inputs: Inputs, signals: Signals) -> None:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        with signals.cancelling():
            calls, plan = await self._plan(inputs)
            if inputs.settings.dry_run:
                self.rows = work.planned(plan)
                return
            self.works = work.start(plan, loop.time())
            try:
                with self._watched(calls):
                    session = Session(plan=plan, calls=calls, works=self.works, changed=self._changed)
                    await replicate(session, self._seal if self.signer else None)
            finally:
                self.rows = work.rows(plan, self.works, loop.time(), stopped=signals.caught, unsigned=self.unsigned)
        self.notes += report.access_note(plan, inputs.settings.access, self.rows)
        if any(row.replica.required and not row.outcome.verified for row in self.rows):
            self.moved = await moved_by_the_build(calls, plan.source)

    async def _plan(self, inputs: Inputs) -> tuple[Calls, Plan]:
        """Read what exists, make the plan, and print it."""
        wanted = inputs.settings
        progress.show_head(self.runner, inputs.source, wanted, inputs.note)
        compute = await connected(wanted.compute_endpoint, self.env, anonymous=inputs.anonymous)
        calls = Calls(compute, deadline=self.began + 60 * wanted.timeout_minutes, tell=self.say)
        self.source = await lookup.read_source(calls, inputs.source)
        if odd := manifest_age.doubt(inputs.built, self.source.created, waits.now()):
            self.notes.append(Annotation("warning", "Input packer_manifest", odd))
        plan = await survey(calls, wanted, self.source)
        plan, found = await preflight.check(calls, plan, wanted.compute_endpoint, self.env)
        self.plan = plan
        self.notes += [Annotation("warning", "Plan", warning) for warning in plan.warnings]
        self.notes += [Annotation("notice", "Plan", note) for note in plan.notes]
        if found.missing:
            self.notes.append(Annotation("warning", "Permissions", "; ".join(str(each) for each in found.missing)))
        self.cost = estimate(plan, prices) if (prices := inputs.price_list()) else None
        self.costs = words.lines(plan, self.cost, waits.now().date())
        progress.show_plan(self.runner, plan, found, self.costs, folded=not wanted.dry_run)
        self._refuse_what_is_too_expensive(plan, wanted)
        return calls, plan

    def _refuse_what_is_too_expensive(self, plan: Plan, wanted: settings.Settings) -> None:
        """Raise ReplicatorError if the plan costs more than it may, or nobody can tell. Nothing was changed by then."""
        if self.cost is None or wanted.max_monthly_cost is None:
            return
        if excess := limit.excess(self.cost, wanted.max_monthly_cost):
            self.rows = work.planned(plan)
            self.runner.table(list(words.table(self.cost)))
            raise errors.ReplicatorError(TOO_EXPENSIVE, excess, remedy=limit.remedy(self.cost))

    async def _seal(self) -> bool:
        """Sign and write the index before any family moves, unless the run failed. Returns whether that was done.

        Raises CannotSign.
        """
        if self.plan is None:
            raise errors.Unforeseen("An index to sign before there is a plan")
        now = asyncio.get_running_loop().time()
        self.rows = [work.result(self.plan, item, now) for item in self.works]
        if results.judge(self.rows).result not in {Result.COMPLETE, Result.PARTIAL}:
            return False
        await self.seal(self._index())
        return True

    def _index(self) -> dict[str, Any]:
        if self.inputs is None or self.source is None:
            raise errors.Unforeseen("An index of nothing")
        wanted = self.inputs.settings
        return image_index.build(self.source, wanted.locations, self.rows, wanted.revision, wanted.variant)

    def say(self, where: str, text: str) -> None:
        """Show a line about a location in the live table if there is one, else print it."""
        if self.screen:
            self.screen.say(where, text)
        else:
            super().say(where, text)

    def _changed(self, item: Work, text: str) -> None:
        self.say(item.replica.location, text)

    @contextlib.contextmanager
    def _watched(self, calls: Calls) -> Iterator[None]:
        """Show progress while replicas are made: a live table on a terminal, else a folded group of lines."""
        with contextlib.ExitStack() as stack:
            if any(item.running for item in self.works):
                clock = asyncio.get_running_loop().time
                self.screen = stack.enter_context(live_table.live(self.stdout, self.env, self.works, clock))
                stack.callback(setattr, self, "screen", None)
                if self.screen is None:
                    stack.enter_context(self.runner.group(progress.heading(self.works)))
                    stack.callback(asyncio.create_task(self._tick(calls)).cancel)
            yield

    async def _tick(self, calls: Calls) -> None:
        loop = asyncio.get_running_loop()
        for number in range(10**6):
            await asyncio.sleep(_TICKS[min(number, len(_TICKS) - 1)])
            progress.show_progress(self.runner, self.works, calls.next_try, loop.time() - self.began)

    def conclude(self) -> None:
        """Write the index. An index to be signed was written by `seal` already, or must not be written."""
        if self.inputs is None or self.source is None or self.inputs.settings.dry_run:
            return
        if self.inputs.settings.sign is Sign.OFF:
            with self.tolerant("index"):
                self.written = seal.write(self._index(), self.index_file())

    def show(self, verdict: Verdict) -> None:
        """Print what exists where, and the index; after a plan, which was printed, the line that carries it out."""
        if self.plan is None or verdict.result is not Result.PLANNED:
            super().show(verdict)
            return
        self.runner.line("")
        self.runner.line(f"{verdict.result}: {verdict.headline}.")
        if not any(step.changing or step.error for step in self.plan.steps):
            self.runner.line("Everything is as wanted already: nothing would be changed.")
        elif self.inputs and not self.of_action:
            self.runner.line("This does it:")
            which = self.plan.source.ref
            again = snippets.again("replicate", self.inputs.settings, self.given, which, but="dry_run")
            for line in snippets.typed(snippets.INSTALLED, again):
                self.runner.line(line, indent=2)

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return the usual annotations; on a command line without what the plan says already."""
        if verdict.result is not Result.PLANNED or self.runner.commands:
            return super().annotations(verdict)
        shown = {*(self.plan.notes if self.plan else ()), *(self.plan.warnings if self.plan else ())}
        return [note for note in super().annotations(verdict) if note.message not in shown]

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of action.yml."""
        return report.outputs(decision="replicate", verdict=verdict, rows=self.rows, written=self.written)

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return results, plan, cost and index."""
        cost = words.as_dict(self.cost) if self.cost else None
        return {**report.document(verdict, self.rows, self.plan, self.written), "cost": cost}

    def summary(self, verdict: Verdict) -> str:
        """Render what exists where, what went wrong, and the command that repeats the run or carries out the plan."""
        again: Sequence[str] = ()
        planned = verdict.result is Result.PLANNED
        if self.inputs:
            which = self.source.ref if self.source else self.inputs.source
            late = any(row.reason == errors.Deadline.reason for row in self.rows)
            verb = "plan" if self.inputs.settings.dry_run and not planned else "replicate"
            line = snippets.again(verb, self.inputs.settings, self.given, which, late=late, but="dry_run")
            again = snippets.typed(snippets.FETCHED, line)
        costs = self.costs[: None if planned else 1] if self.cost and self.cost.lines else ()
        if planned and self.plan:
            steps = {step.replica.location: ": ".join(filter(None, progress.said(step))) for step in self.plan.steps}
            changing = any(step.changing for step in self.plan.steps)
            return dry_run.render(
                verdict, self.plan.source, self.rows, steps, self.told_to_people(), again if changing else (), costs
            )
        if verdict.error and verdict.error.advice is SOURCE_MISSING:
            again = ()
        facts = self.facts(self.inputs.settings.revision if self.inputs else None)
        return page.render(verdict, self.source, self.rows, self.told_to_people(), again, costs, facts)


run = partial(execute, Replication)
