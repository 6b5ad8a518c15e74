"""Runs what `promote` and `rollback` have in common, from options to results; each of them adds its own changes."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle import indexed, pull_request, world
from replicator.commands.lifecycle import report as listing
from replicator.commands.lifecycle.turn import changes, plan_file, report, settings
from replicator.commands.lifecycle.turn.choice import Wanted
from replicator.compute import lookup, waits
from replicator.compute.connect import connected
from replicator.compute.refusals import Refusal
from replicator.compute.retry import Calls
from replicator.core import errors
from replicator.core.errors import BadSettings, ExitCode, InputProblem
from replicator.core.replicas import Result
from replicator.index import image_index
from replicator.replicas import snippets
from replicator.runtime.lifecycle import Run
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from replicator.commands.lifecycle.indexed import Indexed
    from replicator.commands.lifecycle.turn.choice import Unclear
    from replicator.commands.lifecycle.turn.leading import Family
    from replicator.commands.lifecycle.turn.report import Row
    from replicator.commands.lifecycle.turn.settings import TurnInputs
    from replicator.commands.lifecycle.world import Reading
    from replicator.core.images import Image, ImageRef
    from replicator.runtime.signals import Signals

#: The most families that are named in one sentence.
_MOST_NAMED = 6


@dataclass(kw_only=True)
class TurnRun(Run):
    """One run that changes what families resolve to."""

    today: Callable[[], datetime] = waits.now
    inputs: TurnInputs | None = None
    indexed: Indexed | None = None
    reading: Reading | None = None
    rows: dict[Family, Row] = field(default_factory=dict)
    due: int = 0
    """How many images would change."""
    changed: int = 0
    """How many images were changed."""
    release: str = ""
    """The version of the release that the families are to resolve to."""
    planned: bool = False
    """Whether it ends after the plan."""
    last: list[str] = field(default_factory=list)
    """Lines for the end of the log and the summary: what undoes it, what to do instead."""
    plan_path: str = ""
    plan_digest: str = ""
    again: str = ""
    """The command that does the rest where it failed or was interrupted: it names the release."""

    @abstractmethod
    async def turn(self, calls: Calls, inputs: TurnInputs, reading: Reading) -> None:
        """Say what is to be done, and do it; fill in the rows."""

    def carry_out(self, signals: Signals) -> Verdict:
        """Read the options, the index and the world; then do it, and judge by what the families resolve to."""
        inputs = self.inputs = settings.load(self.given, self.env, of_action=self.of_action)
        only_planned = (
            None if inputs.settings.dry_run else pull_request.only_planned(self.env, of_action=self.of_action)
        )
        self.notes += [only_planned] if only_planned else []
        self.planned = inputs.settings.dry_run or only_planned is not None
        self.indexed = self._index(inputs)
        self.in_loop(self._work(inputs, signals))
        return self._judge()

    def _index(self, inputs: TurnInputs) -> Indexed | None:
        """The index, if one is given. Raises SignatureWrong before anything is parsed, then BadSettings."""
        own = inputs.settings
        try:
            return indexed.read(Path(own.index), own.signatures, own, self.env) if own.index else None
        except image_index.BadIndex as error:
            raise BadSettings([InputProblem("index", str(error))]) from None

    async def _work(self, inputs: TurnInputs, signals: Signals) -> None:
        with signals.cancelling():
            wanted = inputs.settings
            compute = await connected(wanted.compute_endpoint, self.env, anonymous=inputs.listed.anonymous)
            deadline = asyncio.get_running_loop().time() + 60 * wanted.timeout_minutes
            calls = Calls(compute, deadline=deadline, tell=self.say)
            reading = self.reading = await world.read(calls, inputs.listed.scope)
            await self.turn(calls, inputs, reading)

    def say(self, where: str, text: str) -> None:
        """Write a line about an image or a family to the log."""
        self.runner.line(f"{where}: {text}")

    def wanted(self, word: str, name: str) -> Wanted:
        """How the release was named: by the option of this name, or by the index."""
        if self.inputs is None:
            raise TypeError("the options were not read")
        own = self.inputs.settings
        refs = self.indexed.refs if self.indexed else None
        return Wanted(lines=own.families, label=own.release_label, word=word, input=name, refs=refs)

    def write_plan(self, **changes: Iterable[Image]) -> None:
        """Write the plan to a file; `changes` are the images to change, by what is to be done with them, in order."""
        if not (self.of_action or self.planned):
            # A rollback in a hurry leaves no files in the folder that somebody is in.
            return
        verb = self.inputs.settings.verb if self.inputs else ""
        data = plan_file.write(verb, self.release, self.rows.values(), changes)
        path = self.folder() / plan_file.NAME
        with self.tolerant(plan_file.NAME):
            path.write_bytes(data)
            self.plan_path, self.plan_digest = str(path), image_index.digest(data)

    def fail(self, family: Family, reason: str, message: str) -> None:
        """Say why a family is not as wanted; the first reason counts."""
        if not self.rows[family].reason:
            self.rows[family] = replace(self.rows[family], reason=reason, message=message)

    def arrived(self, family: Family) -> None:
        """Note that nothing is left to be done for a family."""
        self.rows[family] = replace(self.rows[family], after=self.rows[family].wanted)

    def has_all(self, missing: Sequence[str]) -> bool:
        """Whether no permission is missing; else the rows say which."""
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            error = errors.Forbidden(f"Nothing was changed, for a permission is missing: {missing[0]}{more}")
            for family in self.rows:
                self.fail(family, error.reason, error.message)
        return not missing

    async def read_again(self, calls: Calls, inputs: TurnInputs) -> Reading | None:
        """Read the world once more after changes; a warning and None if that can't be done."""
        try:
            self.reading = await changes.settled(calls, inputs.listed.scope)
        except (errors.ReplicatorError, errors.Deadline) as error:
            self.notes.append(Annotation("warning", "Not read again", error.message))
            return None
        return self.reading

    async def read_heads(self, calls: Calls, families: Iterable[Family]) -> dict[Family, Image | None]:
        """Read what families resolve to, again for a while where that is not what is wanted: reads may lag behind.

        A family that can't be read gets its reason, and is left out.
        """
        left = list(families)
        found: dict[Family, Image | None] = {}
        for seconds in (*changes.LAGS, 0.0):
            heads = await asyncio.gather(*(self._head(calls, family) for family in left))
            found |= {family: head for family, (known, head) in zip(left, heads, strict=True) if known}
            left = [family for family in left if family in found and _ref(found[family]) != self.rows[family].wanted]
            if not left or not seconds:
                break
            await calls.pause(seconds, where="families")
        return found

    async def _head(self, calls: Calls, family: Family) -> tuple[bool, Image | None]:
        doing = f"Reading what the family {family[1]} of {family[0]} resolves to"
        try:
            head = await calls(
                calls.compute.family_head(*family), doing=doing, where=family[1], patience=lookup.PATIENCE
            )
        except Refusal as refusal:
            if refusal.status == 404:
                return True, None
            error = changes.told(refusal, doing)
            self.fail(family, error.reason, error.message)
            return False, None
        return True, head

    async def confirm(self, calls: Calls, families: Iterable[Family]) -> None:
        """Read what each family resolves to, and say who leads it where that is another image."""
        try:
            found = await self.read_heads(calls, families)
        except errors.Deadline as error:
            for family in families:
                self.fail(family, error.reason, error.message)
            return
        for family, head in found.items():
            row = self.rows[family] = replace(self.rows[family], after=_ref(head))
            if row.after != row.wanted:
                self.fail(family, "head_is_other", _leads(row, head))

    def _judge(self) -> Verdict:
        wrong = [row for row in self.rows.values() if row.reason]
        if wrong:
            named = [f"{row.family} ({row.reason})" for row in wrong[:_MOST_NAMED]]
            more = [f"{len(wrong) - _MOST_NAMED} more"] * (len(wrong) > _MOST_NAMED)
            begins = "Some families are not as asked for" if self.changed else "Nothing was changed"
            return Verdict(Result.FAILED, ExitCode.FAILED, f"{begins}: {', '.join([*named, *more])}")
        families = f"{len(self.rows)} famil{'y' if len(self.rows) == 1 else 'ies'}"
        if self.planned:
            return Verdict(Result.PLANNED, 0, f"To resolve to {self.release}: {families}; images to change: {self.due}")
        return Verdict(Result.COMPLETE, 0, f"Resolving to {self.release}: {families}; images changed: {self.changed}")

    def unclear(self, error: Unclear, hint: str = "") -> BadSettings:
        """The failure of options that name no release, or several; with a hint for people."""
        more = f" ({hint})" if hint else ""
        return BadSettings([InputProblem(name, f"{text}{more}") for name, text in error.problems])

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the families, the releases, and the default of each line."""
        told = listing.document(
            verdict,
            due=self.due,
            failed=sum(1 for row in self.rows.values() if row.reason),
            families=[report.as_dict(row) for row in self.rows.values()],
            plan_path=self.plan_path,
            plan_digest=self.plan_digest,
        )
        if self.inputs and self.reading:
            wanted, read = self.inputs.listed.settings, self.reading
            rows = listing.rows(read, wanted, self.today(), self.indexed)
            told["default"] = listing.defaults(rows)
            told["releases"] = [listing.as_dict(row, read, wanted) for row in rows]
        return told

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of promote/action.yml."""
        return report.outputs(self.document(verdict))

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return an error for each family that is not as wanted, or one notice."""
        found = [*self.notes, *report.remarks(list(self.rows.values()))]
        if not verdict.exit_code and self.runner.commands:
            found.append(Annotation("notice", "Families", f"{verdict.reason}."))
        return found

    def show(self, verdict: Verdict) -> None:
        """Print what each family resolves to now, and what to do."""
        self.runner.table(report.table(list(self.rows.values())))
        self.runner.line(verdict.headline)
        for line in self._todo(verdict):
            self.runner.line(line)

    def summary(self, verdict: Verdict) -> str:
        """Render the families as a table, and what to do."""
        rows = list(self.rows.values())
        return report.summary(rows, verdict.headline, right=not verdict.exit_code, more=self._todo(verdict))

    def _todo(self, verdict: Verdict) -> list[str]:
        lines = ["This does what is left:", self.again] if verdict.exit_code and self.again else self.last
        # Where the action ran, nothing is installed on the machine of a reader of its log.
        begins = snippets.FETCHED if self.of_action else snippets.INSTALLED
        return [re.sub(f"^{snippets.INSTALLED} ", f"{begins} ", line) for line in lines]


def _ref(image: Image | None) -> ImageRef | None:
    return image.ref if image else None


def _leads(row: Row, head: Image | None) -> str:
    """Who leads a family, and the command that changes it, for people."""
    if head is None:
        return f"The family {row.family} resolves to nothing."
    return (
        f"The family {row.family} resolves to {head.ref}, made {head.created:%Y-%m-%d %H:%M} UTC. If that is wrong: "
        f"`gcloud compute images deprecate {head.ref.name} --project {head.ref.project} --state DEPRECATED`."
    )
