"""Runs `verify` from inputs to results: checks the index's signature, then compares its content with live images.

Changes nothing. The index is parsed only after its signature is verified; `image` is output only if every check
passed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.verify import report, settings, summary
from replicator.commands.verify.choose import pick
from replicator.commands.verify.deprecation import with_deprecation
from replicator.compute import lookup
from replicator.compute.connect import connected
from replicator.compute.errors import EndpointUnreachable
from replicator.compute.retry import Calls
from replicator.core import errors
from replicator.core.replicas import Action
from replicator.index import image_index
from replicator.inputs import files
from replicator.replicas import audit, snippets
from replicator.replicas import settings as replica_settings
from replicator.replicas.survey import survey
from replicator.runtime.lifecycle import Run, execute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.verify.settings import VerifyInputs, VerifySettings
    from replicator.index.image_index import Index
    from replicator.runtime.runner import Annotation
    from replicator.runtime.signals import Signals
    from replicator.runtime.verdict import Verdict

#: Minutes for reading everything; few are enough, because nothing here waits for copies.
_MINUTES = 10
#: The inputs that name files.
_FILES = ("index", "bundle", "attestation", "key", "trusted_root")


@dataclass(kw_only=True)
class Verification(Run):
    """One run of `verify`."""

    known: report.Known = field(default_factory=report.Known)

    def carry_out(self, signals: Signals) -> Verdict:
        """Verify against an index, or against settings if none is given."""
        given = self._placed() if self.of_action else self.given
        if given.get("index"):
            inputs = settings.load(given, self.env)
            read = self._read(inputs.settings)
            if not inputs.settings.offline_only:
                self.in_loop(self._against_index(inputs, read, signals))
        else:
            settings.refuse_without_index(given)
            self.in_loop(self._against_settings(given, signals))
        return report.judge(self.known)

    def _placed(self) -> dict[str, str]:
        """Check the action's inputs: an index is required, and files must be in the workspace or in RUNNER_TEMP."""
        given = {name: text.strip() for name, text in self.given.items()}
        placed, problems = files.placed(given, _FILES, self.env)
        if not given["index"]:
            problems.insert(0, errors.InputProblem("index", "is needed"))
        if problems:
            raise errors.BadSettings(problems)
        return {**given, **placed}

    def _read(self, wanted: VerifySettings) -> Index:
        """Read the index from the same bytes that were verified. Raises SignatureWrong, BadSettings and others."""
        path = Path(wanted.index)
        try:
            data = image_index.read_bytes(path)
            if wanted.signatures:
                # Verifying without a signature doesn't pay for its import.
                from replicator.index import verify_signature

                policy = verify_signature.policy(wanted, self.env, offline=wanted.offline_only)
                self.known.signed = verify_signature.verify(data, wanted.signatures, policy)
            read = image_index.parse(data, path)
        except image_index.BadIndex as error:
            raise errors.BadSettings([errors.InputProblem("index", str(error))]) from None
        self.known.digest = image_index.digest(data)
        self.known.plans = [snippets.plan(uri) for uri in sorted({entry.source.uri for entry in read.images})]
        self.known.image = pick(read, wanted)
        return read

    async def _against_settings(self, given: Mapping[str, str], signals: Signals) -> None:
        with signals.cancelling():
            refuse = settings.refuses_deprecated(given)
            inputs = replica_settings.load({**given, "refuse_deprecated": ""}, self.env)
            calls = await self._calls(inputs.settings.compute_endpoint, anonymous=inputs.anonymous)
            source = await lookup.read_source(calls, inputs.source)
            plan = await survey(calls, inputs.settings, source)
        self.known.of_publisher = True
        self.known.plans = [snippets.again("plan", inputs.settings, given, source.ref)]
        self.known.findings = [
            with_deprecation(
                audit.of_step(plan, step),
                step.existing.image if step.existing else source if step.action is Action.SERVE else None,
                source,
                refuse=refuse,
            )
            for step in plan.steps
        ]

    async def _against_index(self, inputs: VerifyInputs, read: Index, signals: Signals) -> None:
        with signals.cancelling():
            calls = await self._calls(inputs.settings.compute_endpoint, anonymous=inputs.anonymous)
            try:
                seen = await audit.check(calls, read)
                refuse = inputs.settings.refuse_deprecated
                self.known.findings = [
                    with_deprecation(item.finding, item.image, item.source, refuse=refuse) for item in seen
                ]
                if self.known.image is None:
                    # If one image is asked for, missing images elsewhere don't matter.
                    self.known.findings += audit.lacking(read)
            except errors.Deadline as error:
                raise EndpointUnreachable(error.what) from error

    async def _calls(self, endpoint: str, *, anonymous: bool) -> Calls:
        compute = await connected(endpoint, self.env, anonymous=anonymous)
        deadline = asyncio.get_running_loop().time() + 60 * _MINUTES
        return Calls(compute, deadline=deadline, tell=_silent, within=f"the {_MINUTES} minutes of a verification")

    def exit_code(self, verdict: Verdict) -> int:
        """Return the exit code: that of the verdict, but 4 if the API didn't answer."""
        return report.exit_code(verdict)

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of verify/action.yml."""
        return report.outputs(self.known, verdict)

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return findings and problems."""
        return report.document(self.known, verdict)

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return an annotation for each image that isn't correct, or one that says all are."""
        return [*self.notes, *(report.remarks(self.known, verdict) if self.runner.commands else ())]

    def show(self, verdict: Verdict) -> None:
        """Print the table of findings, and what to do."""
        program = snippets.FETCHED if self.of_action else snippets.INSTALLED
        report.show(self.runner, self.known, verdict, program)

    def summary(self, verdict: Verdict) -> str:
        """Render the findings as a table, and what to do."""
        return summary.render(self.known, verdict)


def _silent(_where: str, _text: str) -> None:
    """Ignore lines about waits: a verification's waits are short, and a machine may read its output."""


run = partial(execute, Verification)
