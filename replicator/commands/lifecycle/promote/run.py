"""Runs `promote`: checks the whole release first, then gives all its families, and reads back what they resolve to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle import indexed, releases
from replicator.commands.lifecycle.promote import promotion
from replicator.commands.lifecycle.promote.promotion import Wish
from replicator.commands.lifecycle.rollback.run import Rollback
from replicator.commands.lifecycle.turn import changes, choice, report, versions
from replicator.commands.lifecycle.turn.choice import Unclear
from replicator.commands.lifecycle.turn.report import Row
from replicator.commands.lifecycle.turn.run import TurnRun
from replicator.compute.lifecycle import deprecation
from replicator.runtime.lifecycle import execute
from replicator.runtime.runner import Annotation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from replicator.commands.lifecycle.promote.promotion import Move, Promotion
    from replicator.commands.lifecycle.releases import ReplicaSet
    from replicator.commands.lifecycle.turn.leading import Refused
    from replicator.commands.lifecycle.turn.settings import TurnInputs
    from replicator.commands.lifecycle.world import Reading
    from replicator.compute.retry import Calls


_UNKNOWN = (
    "a release whose source has no family, and whose copies carry none yet, is named by index, or, for one family, by "
    "the name of its source"
)


class Promoting(TurnRun):
    """One run of `promote`."""

    async def turn(self, calls: Calls, inputs: TurnInputs, reading: Reading) -> None:
        """Plan everything, refuse it as a whole or do it."""
        scope, word = inputs.listed.scope, inputs.settings.release
        named = promotion.lines_of(scope, reading.images, self.indexed, word)
        reading = self.reading = replace(reading, world=releases.grouped(scope, reading.images, named))
        chosen = self._chosen(reading, inputs)
        plan = self._planned(reading, inputs, chosen)
        if plan.refused or self.planned or not plan.changes or not await self._may(calls, plan):
            return
        self.again = report.command(inputs, self.given, "promote", **_named(inputs))
        if await self._reactivated(calls, plan):
            ended = await asyncio.gather(*(self._moved(calls, move) for move in plan.moves), return_exceptions=True)
            for error in ended:
                if isinstance(error, BaseException):
                    raise error
        await self.confirm(calls, list(self.rows))
        await self.read_again(calls, inputs)

    def _chosen(self, reading: Reading, inputs: TurnInputs) -> list[ReplicaSet]:
        wanted = self.wanted(inputs.settings.release, "release")
        try:
            found = choice.chosen(reading.world, wanted)
        except Unclear as error:
            raise self.unclear(error, _UNKNOWN) from None
        of = (versions.of(each, wanted.label, wanted.refs) for each in found.values())
        self.release = ", ".join(dict.fromkeys(of))
        return list(found.values())

    def _planned(self, reading: Reading, inputs: TurnInputs, chosen: Sequence[ReplicaSet]) -> Promotion:
        """The plan, told to people; the rows hold what is to become of each family."""
        plan = promotion.plan(chosen, reading.world, reading.images, reading.heads, self._wish(reading, inputs, chosen))
        self.due = plan.changes
        self.rows = {move.family: _row(move) for move in plan.moves}
        for problem in plan.refused:
            self.rows.setdefault(problem.family, _refused(problem, reading))
            self.fail(problem.family, problem.reason, f"Promoting {self.release}: {problem.text}.")
        self.notes += [Annotation("warning", "Left out", f"{text}.") for text in plan.left_out]
        sources = {each.root.id: each.root for each in chosen}
        for move in plan.moves:
            if plan.given and move.before and move.before.id in sources:
                said = f"The family {move.family[1]} resolves to {move.before.ref} already: the build moved it."
                self.notes.append(Annotation("notice", "Moved by the build", said))
        self._tell(plan)
        self.write_plan(reactivate=plan.cleared, promote=plan.given)
        if any(problem.reason == "withdrawn" for problem in plan.refused):
            again = report.command(inputs, self.given, "promote", **{**_named(inputs), "reactivate": "true"})
            self.last = ["If it is to be promoted nevertheless:", again]
        return plan

    def _wish(self, reading: Reading, inputs: TurnInputs, chosen: Sequence[ReplicaSet]) -> Wish:
        own, scope = inputs.settings, inputs.listed.scope
        required = None
        if own.required_locations == ("all",):
            required = inputs.only or frozenset(scope.settings.locations)
        elif own.required_locations:
            required = frozenset(own.required_locations)
        differs, expected = None, {}
        if self.indexed:
            differs, expected = indexed.differences(self.indexed, reading.images), self.indexed.locations
            roots = {each.root.id for each in chosen}
            if others := [entry.source.uri for entry in self.indexed.entries if entry.source.id not in roots]:
                said = f"The index holds other images, of none of these families: {', '.join(others)}."
                self.notes.append(Annotation("warning", "Left out", said))
        return Wish(
            scope=scope,
            only=inputs.only,
            required=required,
            reactivate=own.reactivate,
            differs=differs,
            expected=expected,
        )

    def _tell(self, plan: Promotion) -> None:
        """Print what will be done, before anything is."""
        self.runner.line(f"Plan: promote {self.release}")
        self.runner.table([_cells(move) for move in plan.moves])
        for image in plan.cleared:
            self.runner.line(f"first: {image.ref.uri}, marked {image.deprecated}, is made ACTIVE again", indent=2)
        self.runner.line(f"Images that get a family: {len(plan.given)}; to make ACTIVE again: {len(plan.cleared)}")

    async def _may(self, calls: Calls, plan: Promotion) -> bool:
        """Whether no permission is missing; else the rows say which."""
        missing = await changes.lacking(calls, plan.given, "compute.images.update")
        missing += await changes.lacking(calls, plan.cleared, "compute.images.deprecate")
        return self.has_all(missing)

    async def _reactivated(self, calls: Calls, plan: Promotion) -> bool:
        """Clear every deprecation; the first one that stays ends it before any family is given."""
        for image in plan.cleared:
            try:
                await deprecation.clear(calls, image, where=image.ref.name)
            except Exception as error:  # noqa: BLE001 - told() raises what isn't a failure of one image
                failed = changes.told(error, f"Making {image.ref} ACTIVE again")
                for family in self.rows:
                    self.fail(family, failed.reason, failed.message)
                return False
            self.changed += 1
        return True

    async def _moved(self, calls: Calls, move: Move) -> None:
        """Give one family to its images, the one that leads first."""
        doing = f"Promoting the family {move.family[1]}"
        try:
            for image in move.given:
                await changes.give_family(calls, image, move.family[1])
                self.changed += 1
        except Exception as error:  # noqa: BLE001 - told() raises what isn't a failure of one family
            failed = changes.told(error, doing)
            self.fail(move.family, failed.reason, failed.message)
        else:
            self.arrived(move.family)


def _named(inputs: TurnInputs) -> dict[str, str]:
    """The options that name the release and what is asked of it, as they were given."""
    own = inputs.settings
    named = {name: getattr(own, name) for name in ("release", "index", "bundle", "attestation", "key")}
    named |= {name: getattr(own, name) for name in ("certificate_identity_regexp", "certificate_oidc_issuer")}
    named |= {"trusted_root": own.trusted_root, "required_locations": ",".join(own.required_locations)}
    return {**named, "reactivate": "true" if own.reactivate else ""}


def _row(move: Move) -> Row:
    before = move.before.ref if move.before else None
    return Row(
        project=move.family[0],
        family=move.family[1],
        line=move.line,
        before=before,
        after=before,
        wanted=move.wanted.ref,
    )


def _refused(problem: Refused, reading: Reading) -> Row:
    head = reading.heads.get(problem.family)
    before = head.ref if head else None
    project, family = problem.family
    return Row(project=project, family=family, line=problem.line, before=before, after=before, wanted=None)


def _cells(move: Move) -> list[str]:
    moves = move.before is None or move.before.id != move.wanted.id
    return [
        move.family[1],
        move.before.ref.name if move.before else "nothing",
        "→" if moves else "=",
        move.wanted.ref.name,
        f"given to {', '.join(image.ref.name for image in move.given)}" if move.given else "",
    ]


def run(given: Mapping[str, str], env: Mapping[str, str], stdout: TextIO, **more: Any) -> int:
    """Run the verb of the action, or of the command line: `promote` where none is given."""
    kind = Rollback if given.get("verb", "").strip() == "rollback" else Promoting
    return execute(kind, given, env, stdout, **more)
