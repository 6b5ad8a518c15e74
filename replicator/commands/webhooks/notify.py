"""Runs `notify` from inputs to results: makes the event, signs and sends it, and says what the receiver answered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.workflow_commands import command, plain, write_line
from replicator.commands.webhooks import announcement, errors, notify_settings, secrets
from replicator.commands.webhooks.delivery import Answer, Clock, Delivery, host
from replicator.core.errors import BadSettings, ExitCode, ReplicatorError
from replicator.core.replicas import Result
from replicator.inputs import files
from replicator.runtime import markdown
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.webhooks.announcement import Announcement
    from replicator.runtime.signals import Signals

_FILES = ("index", "bundle", "attestation")


@dataclass(kw_only=True)
class Notification(Run):
    """One run of `notify`."""

    clock: Clock = field(default_factory=Clock)
    announced: Announcement | None = None
    answered: Answer | None = None
    attempts: int = 0
    required: bool = True

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002 - a signal interrupts each of the waits below
        """Announce the index. Raises BadSettings before anything is sent, ReplicatorError if it can't be delivered."""
        inputs = notify_settings.load(self._placed() if self.of_action else self.given, self.env)
        wanted = inputs.settings
        if self.runner.commands:
            for key in inputs.keys:
                write_line(self.stdout, command("add-mask", key))
        self.announced = announcement.made(wanted, self.env, self.clock.now())
        self.required = wanted.required
        marks = " and ".join(secrets.fingerprint(key) for key in inputs.keys)
        self.runner.line(f"Announcing {self.announced.id} to {host(wanted.webhook_url)}, signed by the secret {marks}")
        delivery = Delivery(
            url=wanted.webhook_url,
            keys=inputs.keys,
            id=self.announced.id,
            body=self.announced.body,
            within=60 * wanted.timeout_minutes,
            tell=self.runner.line,
            clock=self.clock,
        )
        try:
            self.answered = delivery()
        finally:
            self.attempts = delivery.attempts
        if self.answered.delivered:
            return Verdict(Result.COMPLETE, 0, f"Announced: {self.answered.said}")
        advice = errors.REFUSED if self.answered.final and self.answered.status else errors.UNDELIVERED
        gone = " (gone: it wants no more of them)" if self.answered.status == 410 else ""
        tried = f"{self.attempts} attempts" if self.attempts != 1 else "one attempt"
        what = f"After {tried}, {self.answered.said}{gone}"
        raise ReplicatorError(advice, what, remedy=self.answered.remedy)

    def _placed(self) -> dict[str, str]:
        """Check that the files that an action's inputs name are in the workspace or in RUNNER_TEMP."""
        given = {name: text.strip() for name, text in self.given.items()}
        placed, problems = files.placed(given, _FILES, self.env)
        if problems:
            raise BadSettings(problems)
        return {**given, **placed}

    @property
    def _excused(self) -> bool:
        """Whether a failed delivery is a warning only."""
        return not self.required and (self.answered is not None and not self.answered.delivered)

    def exit_code(self, verdict: Verdict) -> int:
        """Return the verdict's exit code; 0 for a delivery that failed and isn't required."""
        return ExitCode.DONE if self._excused else verdict.exit_code

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of notify/action.yml."""
        answer = self.answered
        delivered = answer is not None and answer.delivered
        return {
            "decision": "replicate",
            "result": "delivered" if delivered else "failed",
            "reason": plain(verdict.reason[:1000]),
            "notified": "true" if delivered else "false",
            "delivery_id": self.announced.id if self.announced else "",
            "status": answer.word if answer else "",
            "publication_id": answer.publication_id if answer else "",
            "attempts": str(self.attempts),
        }

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the outputs, with numbers and truth values as such, and problems."""
        told: dict[str, Any] = {name: text for name, text in self.outputs(verdict).items() if name != "decision"}
        bad = verdict.error.problems if isinstance(verdict.error, BadSettings) else []
        told |= {
            "notified": told["notified"] == "true",
            "attempts": self.attempts,
            "problems": [str(item) for item in bad],
        }
        return told

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return the failure as an error, or as a warning if it is excused, or a notice."""
        if self._excused:
            return [replace(note, level="warning") for note in self.notes]
        done = [Annotation("notice", "Announced", f"{verdict.reason}.")] if not verdict.exit_code else []
        return [*self.notes, *(done if self.runner.commands else [])]

    def show(self, verdict: Verdict) -> None:
        """Print what the receiver answered."""
        if not verdict.exit_code:
            self.runner.line(f"{verdict.reason}.")

    def summary(self, verdict: Verdict) -> str:
        """Render one line."""
        mark = "✅" if not verdict.exit_code else "⚠️" if self._excused else "❌"
        return f"### {mark} {markdown.text(verdict.headline)}\n"


run = partial(execute, Notification)
