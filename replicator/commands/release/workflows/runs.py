"""Runs `runs show` and `runs logs`: reads a run, its jobs and their logs, and changes nothing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from replicator.bootstrap.workflow_commands import plain
from replicator.commands.release import errors as forge_rows
from replicator.commands.release.forges import opening
from replicator.commands.release.forges.http import Absent, Clock
from replicator.commands.release.settings import validated
from replicator.commands.release.workflows import errors as rows
from replicator.commands.release.workflows.api import Workflows
from replicator.commands.release.workflows.settings import LogsSettings, ShowSettings
from replicator.core.errors import ExitCode, ReplicatorError
from replicator.core.replicas import Result
from replicator.runtime import markdown
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.release.workflows.api import Job, WorkflowRun
    from replicator.runtime.runner import Annotation
    from replicator.runtime.signals import Signals

#: Characters of all logs in the JSON document, which is held in memory; the text has no limit.
_MOST_IN_DOCUMENT = 16 * 2**20


@dataclass(kw_only=True)
class _Reading(Run):
    """Reads a run and its jobs; a subclass does the rest."""

    model: ClassVar[type[ShowSettings]]
    clock: Clock = field(default_factory=Clock)
    seen: WorkflowRun | None = None
    jobs: list[Job] = field(default_factory=list)
    word: str = ""
    """The word of the closed list for what went wrong."""

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002 - a signal is raised, and needs no help
        """Read the run. What can't be read has the exit code of commands that change nothing."""
        began = self.clock.now()
        wanted, target = validated(self.model, self.given, self.env)
        try:
            kind = opening.kind_of(target, wanted.forge)
            token = opening.token(self.given, self.env, kind, of_action=False)
            forge = opening.opened(target, kind, token, began + 60 * wanted.timeout_minutes, self.clock)
            return self._told(Workflows(forge=forge), wanted)
        except ReplicatorError as error:
            self.word = rows.REASONS.get(error.advice, "")
            if error.exit_code != ExitCode.SETUP or error.advice is rows.NOT_SUPPORTED:
                raise
            raise ReplicatorError(rows.RUN_UNREAD, error.what, lines="") from None

    @abstractmethod
    def _told(self, workflows: Workflows, wanted: Any) -> Verdict:
        """Say what the command is about. Raises ReplicatorError."""

    def _read(self, workflows: Workflows, wanted: ShowSettings) -> WorkflowRun:
        """Return the run. Raises ReplicatorError."""
        self.seen = workflows.run(int(wanted.run))
        if not self.seen:
            workflows.check_supported(f"or there is no run {wanted.run}")
            what = f"The forge shows no run {wanted.run} of {workflows.forge.repository} to this token"
            raise ReplicatorError(rows.WORKFLOW_NOT_FOUND, what)
        return self.seen

    def outputs(self, _verdict: Verdict) -> Mapping[str, str]:
        """Return nothing: it isn't an action."""
        return {}

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the run and its jobs."""
        run = self.seen
        return {
            "reason": self._reason(verdict),
            "run_id": str(run.id) if run else "",
            "run_url": run.url if run else "",
            "title": run.title if run else "",
            "event": run.event if run else "",
            "commit": run.commit if run else "",
            "status": run.status if run else "",
            "conclusion": run.conclusion if run else "",
            "jobs": [self._row(job) for job in self.jobs],
            "exit_code": verdict.exit_code,
        }

    def _row(self, job: Job) -> dict[str, Any]:
        return {"id": str(job.id), "name": job.name, "status": job.status, "conclusion": job.conclusion}

    def _reason(self, verdict: Verdict) -> str:
        return f"{self.word}: {verdict.reason}" if self.word else verdict.reason

    def annotations(self, _verdict: Verdict) -> Sequence[Annotation]:
        """Return the notes."""
        return self.notes

    def show(self, verdict: Verdict) -> None:
        """Print the verdict."""
        self.runner.line(self._reason(verdict))

    def summary(self, verdict: Verdict) -> str:
        """Render the verdict."""
        return f"{markdown.text(self._reason(verdict))}\n"


@dataclass(kw_only=True)
class Showing(_Reading):
    """One run of `runs show`."""

    model = ShowSettings

    def _told(self, workflows: Workflows, wanted: Any) -> Verdict:
        run = self._read(workflows, wanted)
        found = workflows.jobs(run)
        if found is None:
            self.runner.line("This forge's API doesn't tell the jobs of a run.")
        self.jobs = found or []
        if run.failed:
            raise ReplicatorError(rows.RUN_FAILED, f"Run {run.id} ended with {run.conclusion or 'no conclusion'}")
        said = f"ended with {run.conclusion}" if run.ended else f"is {run.status or 'in an unknown state'}"
        return Verdict(Result.COMPLETE, ExitCode.DONE, f"Run {run.id} {said}")

    def show(self, verdict: Verdict) -> None:
        """Print a row for each job, the run's page, and the verdict."""
        if self.seen:
            about = [("Run", self.seen.title), ("Event", self.seen.event), ("Commit", self.seen.commit)]
            self.runner.table([(f"{name}:", text) for name, text in about if text])
        if self.jobs:
            found = [(str(job.id), job.status, job.conclusion, job.name) for job in self.jobs]
            self.runner.table([("Id", "Status", "Conclusion", "Job"), *found])
        if self.seen and self.seen.url:
            self.runner.line(self.seen.url)
        super().show(verdict)


@dataclass(kw_only=True)
class Logging(_Reading):
    """One run of `runs logs`."""

    model = LogsSettings
    logs: dict[int, list[str]] = field(default_factory=dict)
    """Job → the lines of its log, as far as the document holds them."""
    cut: bool = False
    unread: list[ReplicatorError] = field(default_factory=list)
    _kept: int = 0

    def _told(self, workflows: Workflows, wanted: Any) -> Verdict:
        run = self._read(workflows, wanted)
        found = workflows.jobs(run)
        if found is None:
            workflows.check_supported(f"so the logs of run {run.id} are on its page only: {run.url}")
        self.jobs = found or []
        chosen = [job for job in self.jobs if wanted.job in {"", job.name}]
        if not chosen:
            names = ", ".join(plain(job.name) for job in self.jobs) or "none"
            raise ReplicatorError(rows.RUN_UNREAD, f"Run {run.id} has no such job; its jobs: {names}")
        for job in chosen:
            self._print(workflows, job)
        if self.unread:
            raise self.unread[0]
        if not self.logs:
            what = f"Run {run.id} has no log of {'these jobs' if len(chosen) > 1 else 'this job'}"
            what = f"{what}: not yet, or not any more, or the token may not read it"
            raise ReplicatorError(rows.RUN_UNREAD, what)
        return Verdict(Result.COMPLETE, ExitCode.DONE, f"Logs of {len(self.logs)} of {len(chosen)} jobs")

    def _print(self, workflows: Workflows, job: Job) -> None:
        self.runner.line(f"=== {job.name} (job {job.id}): {job.conclusion or job.status}")
        try:
            for line in workflows.log(job):
                self.runner.line(line)
                self._keep(job, line)
        except Absent:
            self.runner.line("There is no log (yet, or any more).")
        except ReplicatorError as error:
            # One log that can't be read keeps the others from nobody.
            if error.advice is not forge_rows.UNREACHABLE:
                raise
            self.runner.line(f"There is no log: {error.what}")
            # Gitea answers 500 for a job that has started and hasn't written yet.
            self.unread += [error] if job.status == "completed" else []
        else:
            self.logs.setdefault(job.id, [])

    def _keep(self, job: Job, line: str) -> None:
        self._kept += len(line) + 1
        if self._kept > _MOST_IN_DOCUMENT:
            self.cut = True
        else:
            self.logs.setdefault(job.id, []).append(plain(line))

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the run, and its jobs with their logs, whose lines are as harmless as those printed."""
        return {**super().document(verdict), "truncated": self.cut}

    def _row(self, job: Job) -> dict[str, Any]:
        return {**super()._row(job), "log": self.logs.get(job.id)}


show = partial(execute, Showing)
logs = partial(execute, Logging)
