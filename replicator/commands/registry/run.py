"""Runs the `registry` commands from inputs to results: Artifact Registry for three of them, pure text for two."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.registry import policies, printing, report, settings
from replicator.core import errors
from replicator.core.replicas import Result
from replicator.inputs import files
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.core.replicas import Sign
    from replicator.index.sign import Signer
    from replicator.runtime.signals import Signals

#: The inputs that name files which are read.
_FILES = ("config", "cleanup_policy_file", "mirrors", "file", "bundle", "key", "trusted_root")
MIRRORS_FILE = "mirrors.json"


@dataclass(kw_only=True)
class RegistryRun(Run):
    """One run of a `registry` command."""

    known: report.Known = field(default_factory=report.Known)
    signer: Signer | None = None
    """Signs mirrors.json, if that was asked for."""

    def carry_out(self, signals: Signals) -> Verdict:
        """Do what `command` says."""
        inputs = settings.load(self._placed() if self.of_action else self.given, self.env)
        self.known.command = inputs.settings.command
        if inputs.settings.command == "hosts":
            self.known.hosts = printing.hosts(inputs)
            self.known.answer = printing.hosts_answer(self.known.hosts, inputs.settings.format)
            return Verdict(Result.COMPLETE, 0, f"{len(self.known.hosts)} hosts of Artifact Registry were found")
        if inputs.settings.command == "rewrite":
            return self._rewrite(inputs)
        if said := policies.warning(inputs.policies):
            self.notes.append(Annotation("warning", "Cleanup policies", said))
        self._prepare_signing(inputs.settings.sign)
        self.in_loop(self._settle(inputs, signals))
        return report.judge(self.known)

    async def _settle(self, inputs: settings.Inputs, signals: Signals) -> None:
        """Settle every mirror, and sign what was seen."""
        from replicator.commands.registry.work import settle_mirrors

        with signals.cancelling():
            await settle_mirrors(self.known, inputs, self.env)
            await self._seal_mirrors()

    def _rewrite(self, inputs: settings.Inputs) -> Verdict:
        known, self.known.signed_by = inputs.mirrors, inputs.signed_by
        if known is None:
            raise errors.Unforeseen("rewrite has no mirrors")
        done = printing.rewritten(inputs, known)
        self.known.rewritten = done
        self.known.hosts = list(dict.fromkeys(each.mirror.host for each in done if each.mirror))
        self.known.answer = printing.answer(inputs, known, done)
        if inputs.settings.output:
            written = printing.write(self._output(inputs.settings.output), inputs, known, self.known.answer)
            self.known.answer = ""
            self.known.written = [str(path) for path in written]
        moved = sum(each.mirror is not None for each in done)
        count = f"{moved} of {len(done)} references lead to a mirror"
        return Verdict(Result.COMPLETE, 0, count if done else "The configuration was written")

    def _output(self, given: str) -> Path:
        """Return where to write; of an action in the workspace or RUNNER_TEMP only."""
        path = Path(self.env.get("GITHUB_WORKSPACE", "")) / given
        if self.of_action:
            try:
                files.folder(str(path.parent), self.env)
            except files.Unfit as error:
                raise errors.BadSettings([errors.InputProblem("output", str(error))]) from None
        return path

    def _placed(self) -> dict[str, str]:
        """Check that the files that the action's inputs name are in the workspace or in RUNNER_TEMP."""
        given = {name: text.strip() for name, text in self.given.items()}
        placed, problems = files.placed(given, _FILES, self.env)
        if problems:
            raise errors.BadSettings(problems)
        return {**given, **placed}

    def _prepare_signing(self, how: Sign) -> None:
        """Check that mirrors.json can be signed before anything is changed. Raises CannotSign or SigstoreMissing."""
        from replicator.index import seal

        self.signer = seal.signer(how, self.env)
        if disclosure := seal.disclosure(how, self.env):
            self.notes.append(Annotation("warning", "Signing", disclosure))

    async def _seal_mirrors(self) -> None:
        """Sign mirrors.json with what was seen, and write both, if signing was asked for. Raises CannotSign."""
        if self.signer and self.known.seen:
            from replicator.index import seal

            data = report.record(self.known).encode()
            paths = await seal.seal_file(self.signer, data, self.folder() / MIRRORS_FILE)
            self.known.bundle_path, self.known.mirrors_path = map(str, paths)

    def conclude(self) -> None:
        """Write mirrors.json with what was seen, whatever the verdict, unless it must be signed."""
        if self.known.seen is None or self.signer:
            return
        path = self.folder() / MIRRORS_FILE
        with self.tolerant(MIRRORS_FILE):
            path.write_bytes(report.record(self.known).encode())
            self.known.mirrors_path = str(path)

    def exit_code(self, verdict: Verdict) -> int:
        """Return the exit code: the verdict's."""
        return verdict.exit_code

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of registry/action.yml."""
        return report.outputs(self.known, verdict)

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return what was found or made, and problems."""
        return report.document(self.known, verdict)

    def answer(self, verdict: Verdict) -> str:
        """Return what goes to stdout: of `rewrite` and `hosts` their own text, or nothing if they failed."""
        if self.given.get("command") in {"rewrite", "hosts"}:
            return self.known.answer if not verdict.exit_code else ""
        return super().answer(verdict)

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return an annotation for each mirror that isn't right."""
        return [*self.notes, *report.remarks(self.known, verdict, commands=self.runner.commands)]

    def show(self, verdict: Verdict) -> None:
        """Print what was found as a table, or nothing beside an answer."""
        report.show(self.runner, self.known, verdict)

    def summary(self, verdict: Verdict) -> str:
        """Render what was found as a table."""
        return report.summary(self.known, verdict)


run = partial(execute, RegistryRun)
