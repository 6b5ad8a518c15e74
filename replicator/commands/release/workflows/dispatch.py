"""Runs `dispatch`: starts a workflow at a tag or branch, once, and waits for its end if asked to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.commands.release import errors as forge_rows
from replicator.commands.release.forges import opening
from replicator.commands.release.forges.http import Clock
from replicator.commands.release.settings import validated
from replicator.commands.release.workflows import errors as rows
from replicator.commands.release.workflows.api import Workflows
from replicator.commands.release.workflows.settings import DispatchSettings
from replicator.core.errors import ExitCode, ReplicatorError
from replicator.core.replicas import Result
from replicator.runtime import markdown
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.release.workflows.api import WorkflowRun
    from replicator.runtime.runner import Annotation
    from replicator.runtime.signals import Signals

#: Seconds between two looks at a run: the first, and the longest.
_PAUSES = (5.0, 30.0)
#: Seconds for which a run that was just started may not be shown yet.
_HIDDEN = 60.0


@dataclass(kw_only=True)
class Dispatching(Run):
    """One run of `dispatch`."""

    clock: Clock = field(default_factory=Clock)
    started: bool = False
    run_id: int = 0
    url: str = ""
    seen: WorkflowRun | None = None

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002 - a signal is raised, and needs no help
        """Start the workflow, and follow its run."""
        began = self.clock.now()
        wanted, target = validated(DispatchSettings, self.given, self.env)
        kind = opening.kind_of(target, wanted.forge)
        token = opening.token(self.given, self.env, kind, of_action=False)
        if not token:
            raise ReplicatorError(rows.MAY_NOT_DISPATCH, "There is no token to start a workflow with")
        forge = opening.opened(target, kind, token, began + 60 * wanted.timeout_minutes, self.clock)
        workflows = Workflows(forge=forge)
        ref = workflows.full_ref(wanted.ref)
        self.run_id, self.url = workflows.start(wanted.workflow, ref, wanted.input)
        self.started = True
        what = f"{wanted.workflow} was started at {ref}"
        self.runner.line(f"{what}: {f'run {self.run_id}' if self.run_id else 'the forge does not say which run it is'}")
        self.runner.line(self.url)
        if not wanted.wait:
            return Verdict(Result.COMPLETE, ExitCode.DONE, what)
        if not self.run_id:
            what = f"{what}, but this forge doesn't say which run it is, so its end can't be waited for; see {self.url}"
            raise ReplicatorError(rows.NOT_SUPPORTED, what)
        return self._ended(workflows)

    def _ended(self, workflows: Workflows) -> Verdict:
        """Wait for the end of the run. Raises ReplicatorError if it failed or wasn't seen."""
        try:
            run = self._followed(workflows)
        except ReplicatorError as error:
            if error.exit_code not in {ExitCode.SETUP, ExitCode.FAILED}:
                raise
            what = f"Run {self.run_id} was started, but its end wasn't seen: {error.what}"
            raise ReplicatorError(rows.NOT_FOLLOWED, what) from None
        if run.failed:
            what = f"Run {run.id} ended with {run.conclusion or 'no conclusion'}; see {self.url}"
            raise ReplicatorError(rows.RUN_FAILED, what)
        return Verdict(Result.COMPLETE, ExitCode.DONE, f"Run {run.id} ended with {run.conclusion}")

    def _followed(self, workflows: Workflows) -> WorkflowRun:
        pause, status, until = _PAUSES[0], "", self.clock.now() + _HIDDEN
        while True:
            self.seen = workflows.run(self.run_id) or self.seen
            if self.seen and self.seen.ended:
                return self.seen
            if not self.seen and self.clock.now() >= until:
                raise ReplicatorError(rows.WORKFLOW_NOT_FOUND, f"the forge shows no run {self.run_id}")
            if self.seen and self.seen.status != status:
                status = self.seen.status
                self.runner.line(f"Run {self.run_id} is {status}")
            workflows.forge.door.wait(pause, forge_rows.DEADLINE, f"the run is {status or 'not shown yet'}")
            pause = min(1.5 * pause, _PAUSES[1])

    def outputs(self, _verdict: Verdict) -> Mapping[str, str]:
        """Return nothing: it isn't an action."""
        return {}

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return which run was started, and how it was last seen."""
        return {
            "result": self._result(verdict),
            "reason": self._reason(verdict),
            "started": self.started,
            "run_id": str(self.run_id or ""),
            "run_url": self.url,
            "status": self.seen.status if self.seen else "",
            "conclusion": self.seen.conclusion if self.seen else "",
            "exit_code": verdict.exit_code,
        }

    def _result(self, verdict: Verdict) -> str:
        if verdict.error and verdict.error.advice is rows.DISPATCH_UNCLEAR:
            return "unclear"
        if verdict.exit_code:
            return "failed"
        return "succeeded" if self.seen else "started"

    def _reason(self, verdict: Verdict) -> str:
        word = rows.REASONS.get(verdict.error.advice) if verdict.error else None
        return f"{word}: {verdict.reason}" if word else verdict.reason

    def annotations(self, _verdict: Verdict) -> Sequence[Annotation]:
        """Return the notes."""
        return self.notes

    def show(self, verdict: Verdict) -> None:
        """Print the verdict."""
        self.runner.line(f"{self._result(verdict)}: {self._reason(verdict)}")

    def summary(self, verdict: Verdict) -> str:
        """Render the verdict."""
        return f"{markdown.text(self._reason(verdict))}\n"


run = partial(execute, Dispatching)
