"""Runs `merge`: reads the fragments, compares them with the live images, writes the index, moves the families.

Nothing is written before everything is verified. No family moves before the index is written, and signed if asked.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.workflow_commands import plain
from replicator.commands.merge import fragments
from replicator.commands.merge.confirm import confirm, problems
from replicator.commands.merge.errors import INDEX_UNWRITTEN, BadFragments
from replicator.commands.merge.settings import load
from replicator.compute.connect import connected
from replicator.compute.retry import Calls
from replicator.core import errors, held_back
from replicator.core.replicas import Outcome, Result
from replicator.index import image_index, seal
from replicator.index.image_index import BadIndex
from replicator.inputs import files
from replicator.replicas import families, report, results, survey, work
from replicator.replicas.recorded_run import RecordedRun
from replicator.replicas.session import Session
from replicator.replicas.summary import page
from replicator.runtime.lifecycle import execute
from replicator.runtime.runner import Annotation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from replicator.commands.merge.fragments import Merged, Part
    from replicator.commands.merge.settings import MergeInputs
    from replicator.core.replicas import Plan, ReplicaResult
    from replicator.index.image_index import Index
    from replicator.replicas.work import Work
    from replicator.runtime.signals import Signals
    from replicator.runtime.verdict import Verdict

#: Most files to read; a release has fewer combinations of architecture and variant.
_MOST_FRAGMENTS = 200


@dataclass(kw_only=True)
class Merging(RecordedRun):
    """One run of `merge`."""

    merged: Merged | None = None
    rows: list[tuple[Part, ReplicaResult]] = field(default_factory=list)

    @property
    def results(self) -> Sequence[ReplicaResult]:
        """The results of the replicas so far."""
        return [row for _, row in self.rows]

    def carry_out(self, signals: Signals) -> Verdict:
        """Check the inputs, merge and verify, write the index, move families."""
        inputs = self.loaded(load)
        self.prepare_signing(inputs.settings.sign)
        self.in_loop(self._merge(inputs, signals))
        return self._judge()

    async def _merge(self, inputs: MergeInputs, signals: Signals) -> None:
        wanted, self.began = inputs.settings, asyncio.get_running_loop().time()
        with signals.cancelling():
            try:
                read = self._read(wanted.fragments)
                merged = self.merged = fragments.merge(read, wanted.expected, wanted.required_locations)
            except fragments.NotOne as error:
                raise BadFragments(problems(error.problems)) from None
            self.notes += [Annotation("warning", "Merge", str(item)) for item in merged.left_out]
            compute = await connected(wanted.compute_endpoint, self.env, anonymous=inputs.anonymous)
            calls = Calls(compute, deadline=self.began + 60 * wanted.timeout_minutes, tell=self.say)
            found = await confirm(calls, merged)
            required = merged.required(wanted.required_locations)
            plans = [
                (part, fragments.promotion(part.entry, source, images, required=required, promote=wanted.promote))
                for part, source, images in found
            ]
            plans = [(part, await self._with_heads(calls, plan)) for part, plan in plans]
            if wanted.dry_run:
                self.rows = [_row(part, row) for part, plan in plans for row in work.planned(plan)]
                return
            if self.signer is None:
                self._write(merged)
            await self._promote(merged, calls, plans, signals)

    async def _with_heads(self, calls: Calls, plan: Plan) -> Plan:
        """The plan with what its families resolve to, and a warning, where its source is held back."""
        heads = await survey.heads_of(calls, plan.source, [step.replica for step in plan.steps])
        if plan.source.deprecated:
            self.notes.append(Annotation("warning", "Merge", held_back.warning(plan.source, heads)))
        return replace(plan, heads=heads)

    def _read(self, folder: str) -> dict[str, Index | BadIndex]:
        """Read the fragments, by their paths in the folder. Raises BadSettings if the folder can't be read."""

        def one(path: Path) -> Index | BadIndex:
            try:
                return image_index.read(path, within=[place])
            except BadIndex as error:
                return error

        try:
            place = files.folder(folder, self.env)
            found = files.below(place, suffix=".json", most=_MOST_FRAGMENTS)
        except files.Unfit as error:
            advice = "name the folder that they were downloaded to, and check that the builds uploaded their fragments"
            raise errors.BadSettings(problems([f"{error}; {advice}"])) from None
        return {name: one(path) for name, path in found.items()}

    def _write(self, merged: Merged) -> None:
        try:
            self.written = seal.write(merged.document(), self.index_file())
        except OSError as error:
            raise errors.ReplicatorError(INDEX_UNWRITTEN, f"The index could not be written: {error}") from error

    async def _promote(
        self, merged: Merged, calls: Calls, plans: Sequence[tuple[Part, Plan]], signals: Signals
    ) -> None:
        """Sign the index if asked, then move the families of all images, which are all verified by now."""
        now = asyncio.get_running_loop().time
        works = [(part, plan, _verified(plan, now())) for part, plan in plans]

        def session(part: Part, plan: Plan, items: Sequence[Work]) -> Session:
            def changed(item: Work, text: str) -> None:
                self.say(f"{part.key} {item.replica.location}", text)

            return Session(plan=plan, calls=calls, works=items, changed=changed)

        try:
            if self.signer:
                await self.seal(merged.document())
            # A release is one set: where the source of one image is held back, no family of it moves.
            hold = next((plan.hold for _, plan in plans if plan.source.deprecated), None)
            await asyncio.gather(*(families.families(session(*each), hold) for each in works))
        finally:
            self.rows = [
                _row(part, row)
                for part, plan, items in works
                for row in work.rows(plan, items, now(), stopped=signals.caught, unsigned=self.unsigned)
            ]

    def _judge(self) -> Verdict:
        verdict = results.judge(self.results)
        left_out = self.merged.left_out if self.merged else ()
        if not left_out or verdict.result is not Result.COMPLETE:
            return verdict
        locations = ", ".join(dict.fromkeys(item.location for item in left_out))
        return replace(verdict, result=Result.PARTIAL, reason=f"{verdict.reason}; left out: {locations}")

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of merge/action.yml."""
        told = self.document(verdict)
        failed = [row.replica.location for row in self.results if row.outcome in {Outcome.FAILED, Outcome.INTERRUPTED}]
        left_out = [item.location for item in self.merged.left_out] if self.merged else []
        names = {
            key: {at: uri.rpartition("/")[2] for at, uri in found.items()} for key, found in told["images"].items()
        }
        return {
            "decision": "replicate",
            "reason": plain(verdict.reason[: report.LONGEST_REASON]),
            "result": told["result"],
            "images": report.to_json(told["images"]),
            "image_names": report.to_json(names),
            "failed_locations": ",".join(dict.fromkeys([*left_out, *failed])),
            "replicas": report.to_json(told["replicas"]),
            **asdict(self.written),
        }

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return images and replicas by architecture, and the index."""
        images: dict[str, dict[str, str]] = {}
        for part, row in self.rows:
            if row.outcome.verified and not self.unsigned:
                images.setdefault(str(part.key), {})[row.replica.location] = row.replica.ref.uri
        return {
            "result": str(verdict.result),
            "reason": verdict.reason,
            "exit_code": verdict.exit_code,
            "images": images,
            "replicas": [
                {"architecture": part.key.architecture, "variant": part.key.variant, **report.as_dict(row)}
                for part, row in self.rows
            ],
            **asdict(self.written),
        }

    def summary(self, verdict: Verdict) -> str:
        """Render what exists where, and what went wrong."""
        # The fragments of one release have one revision, or none.
        facts = self.facts(self.rows[0][0].entry.revision if self.rows else None)
        return page.render(verdict, None, self.results, self.told_to_people(), facts=facts)


def _row(part: Part, row: ReplicaResult) -> tuple[Part, ReplicaResult]:
    return part, replace(row, key=str(part.key))


def _verified(plan: Plan, now: float) -> list[Work]:
    works = work.start(plan, now)
    for item in works:
        item.verified = True
        item.end(now)
    return works


run = partial(execute, Merging)
