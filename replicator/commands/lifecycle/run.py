"""Runs `list` from options to results. Changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle import indexed, releases, report, settings, world
from replicator.compute.connect import connected
from replicator.compute.retry import Calls
from replicator.compute.waits import now
from replicator.core.errors import ExitCode
from replicator.core.replicas import Result
from replicator.runtime import markdown
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from replicator.commands.lifecycle.indexed import Indexed
    from replicator.commands.lifecycle.settings import ListInputs
    from replicator.commands.lifecycle.world import Reading
    from replicator.runtime.runner import Annotation
    from replicator.runtime.signals import Signals


@dataclass(kw_only=True)
class Listing(Run):
    """One run of `list`."""

    today: Callable[[], datetime] = now
    inputs: ListInputs | None = None
    indexed: Indexed | None = None
    reading: Reading | None = None
    rows: list[report.Row] = field(default_factory=list)

    def carry_out(self, signals: Signals) -> Verdict:
        """Read everything, and say what each set is."""
        self.inputs = settings.load(self.given, self.env)
        own = self.inputs.settings
        self.indexed = indexed.below(own.indexes, own, self.env) if own.indexes else None
        self.in_loop(self._read(self.inputs, signals))
        counted = f"Releases of {', '.join(self.inputs.scope.families)}: {len(self.rows)}"
        return Verdict(Result.COMPLETE, ExitCode.DONE, counted)

    async def _read(self, inputs: ListInputs, signals: Signals) -> None:
        wanted = inputs.settings
        with signals.cancelling():
            compute = await connected(wanted.compute_endpoint, self.env, anonymous=inputs.anonymous)
            deadline = asyncio.get_running_loop().time() + 60 * wanted.timeout_minutes
            calls = Calls(compute, deadline=deadline, tell=_silent)
            reading = await world.read(calls, inputs.scope)
        if self.indexed:
            named = self.indexed.lines(inputs.scope)
            reading = replace(reading, world=releases.grouped(inputs.scope, reading.images, named))
        now = self.today()
        self.rows = [
            *report.rows(reading, wanted, now, self.indexed),
            *report.lineless(reading, wanted, now, self.indexed),
        ]
        self.reading = reading

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return nothing: `list` has no action."""
        del verdict
        return {}

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the releases, and the default of each line."""
        told = report.document(verdict, default=report.defaults(self.rows))
        if self.inputs and self.reading:
            wanted, heads = self.inputs.settings, set(self.reading.head_ids.values())
            told["releases"] = [report.as_dict(row, self.reading, wanted) for row in self.rows]
            if wanted.all:
                lost = self.reading.world.sourceless
                told["releases"] += [report.sourceless_dict(line, image, heads) for line, image in lost]
                told["strangers"] = [report.image_dict(image, heads) for _, image in self.reading.world.strangers]
        return told

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return what went wrong."""
        del verdict
        return self.notes

    def show(self, verdict: Verdict) -> None:
        """Print the table."""
        del verdict
        if self.inputs and self.reading:
            report.show(self.runner, self.rows, self.reading, self.inputs.settings, self.inputs.scope.project)

    def summary(self, verdict: Verdict) -> str:
        """Render the headline; the table is in the log."""
        return f"### {'❌' if verdict.exit_code else '✅'} {markdown.text(verdict.headline)}\n"


def _silent(_where: str, _text: str) -> None:
    """Ignore lines about waits: a machine may read the output."""


run = partial(execute, Listing)
