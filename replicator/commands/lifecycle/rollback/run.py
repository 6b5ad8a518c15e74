"""Runs `rollback`: says what it does, withdraws the newer images family by family, and looks whether more came."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.rollback import target, turning
from replicator.commands.lifecycle.rollback.withdraw import Withdrawal
from replicator.commands.lifecycle.turn import changes, report, versions
from replicator.commands.lifecycle.turn.choice import Unclear
from replicator.commands.lifecycle.turn.report import Row
from replicator.commands.lifecycle.turn.run import TurnRun
from replicator.core.errors import BadSettings, InputProblem
from replicator.runtime.lifecycle import execute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.commands.lifecycle.rollback.turning import Goal, Turn, Turning
    from replicator.commands.lifecycle.turn.settings import TurnInputs
    from replicator.commands.lifecycle.world import Reading
    from replicator.compute.retry import Calls
    from replicator.runtime.runner import Runner

_PERMISSION = "compute.images.deprecate"
#: How often it looks again for images of a withdrawn release that came meanwhile.
_ROUNDS = 3


class Rollback(TurnRun):
    """One run of `rollback`."""

    async def turn(self, calls: Calls, inputs: TurnInputs, reading: Reading) -> None:
        """Plan everything, refuse it as a whole or do it, and look again until nothing more came."""
        try:
            goals = self._goals(reading, inputs)
        except target.NothingBefore as error:
            self.rows = {family: _unturned(family, reading) for family in reading.heads}
            for family in self.rows:
                self.fail(family, "no_release", f"There is {error}.")
            return
        plan = self._planned(reading, inputs, goals)
        if plan.refused or self.planned or not plan.changes or not await self._may(calls, plan):
            return
        self.last = self._undo(inputs, goals, plan)
        # Without a name, a rerun would go one further back where every family arrived.
        own = inputs.settings
        named = {"index": own.index} if own.index else {"to": own.to or self.release}
        self.again = report.command(inputs, self.given, "rollback", **named)
        withdrawal = Withdrawal(calls=calls, run=self)
        for _ in range(_ROUNDS):
            if not await withdrawal.carry_out(goals, plan):
                break
            plan = await self._more(calls, inputs, goals, withdrawal.done)
            if not plan.changes:
                break
            self.runner.line("More images of the newer release came meanwhile.")
        await self.confirm(calls, list(self.rows))

    def _goals(self, reading: Reading, inputs: TurnInputs) -> list[Goal]:
        wanted = self.wanted(inputs.settings.to, "to")
        try:
            if wanted.word or wanted.refs is not None:
                goals = target.named(reading.world, wanted, inputs.only)
                target.ensure_back(reading.world, reading.head_ids, goals, wanted)
            else:
                goals = target.before_the_default(reading.world, reading.head_ids, wanted, inputs.only)
        except Unclear as error:
            raise self.unclear(error) from None
        except target.Ahead as error:
            word = {"index": inputs.settings.index} if wanted.refs is not None else {"release": wanted.word}
            forward = report.command(inputs, self.given, "promote", **word, reactivate="true")
            self.last = ["This goes forward to it:", forward]
            raise BadSettings(
                [InputProblem("index" if wanted.refs else "to", f"{error}: rollback only goes back")]
            ) from None
        found = (versions.of(goal.target, wanted.label, wanted.refs) for goal in goals)
        self.release = ", ".join(dict.fromkeys(found))
        return goals

    def _planned(self, reading: Reading, inputs: TurnInputs, goals: Sequence[Goal]) -> Turning:
        """The plan, told to people; the rows hold what is to become of each family."""
        plan = turning.plan(goals, reading.images, reading.heads)
        self.due = plan.changes
        self.rows = {turn.family: _row(turn) for turn in plan.turns}
        _tell(self.runner, self.release, plan)
        for problem in plan.refused:
            self.fail(problem.family, problem.reason, f"Going back to {self.release}: {problem.text}.")
        self.write_plan(reactivate=plan.cleared, withdraw=plan.withdrawn)
        if any(problem.reason == "no_fallback" for problem in plan.refused):
            self.last = self._ways_out(reading, inputs, goals, plan)
        return plan

    def _ways_out(self, reading: Reading, inputs: TurnInputs, goals: Sequence[Goal], plan: Turning) -> list[str]:
        """What people can do instead of what was refused: other locations only, or another release."""
        lines = []
        own = inputs.settings
        if left := target.locations_left(goals, plan):
            same = {name: text for name in ("to", "index") if (text := getattr(own, name))}
            lines += ["The families of these locations alone can go back:"]
            lines += [report.command(inputs, self.given, "rollback", **same, locations=",".join(left))]
        wanted = self.wanted("", "to")
        if version := target.newest_whole(reading, wanted, goals):
            lines += [f"The newest release that all of them can go back to is {version}:"]
            lines += [report.command(inputs, self.given, "rollback", to=version)]
        return lines

    async def _may(self, calls: Calls, plan: Turning) -> bool:
        """Whether no permission is missing; else the rows say which."""
        return self.has_all(await changes.lacking(calls, [*plan.cleared, *plan.withdrawn], _PERMISSION))

    async def _more(self, calls: Calls, inputs: TurnInputs, goals: Sequence[Goal], done: set[str]) -> Turning:
        """What is to be done for images that came while the families were turned."""
        reading = await self.read_again(calls, inputs)
        if reading is None:
            return turning.Turning(turns=())
        plan = turning.plan(target.same(reading.world, goals), reading.images, reading.heads).without(done)
        for turn in plan.turns:
            self.rows.setdefault(turn.family, _row(turn))
        return plan

    def _undo(self, inputs: TurnInputs, goals: Sequence[Goal], plan: Turning) -> list[str]:
        """The command that undoes it, with its caveat; nothing where several releases are withdrawn."""
        gone = {image.id for image in plan.withdrawn}
        sets = [each for goal in goals for each in goal.newer if gone.intersection(image.id for image in each.members)]
        found = {versions.of(each, inputs.settings.release_label) for each in sets}
        if len(found) != 1:
            return []
        caveat = (
            f"If {found.copy().pop()} turns out to be right, this gives it the families again, unless Compute Engine "
            "refuses to make deprecated images ACTIVE:"
        )
        return [caveat, report.command(inputs, self.given, "promote", release=found.pop(), reactivate="true")]


def _row(turn: Turn) -> Row:
    gone, wanted = turn.before, turn.wanted
    return Row(
        project=turn.family[0],
        family=turn.family[1],
        line=turn.line,
        before=gone.ref if gone else None,
        after=gone.ref if gone else None,
        wanted=wanted.ref if wanted else None,
        replacement=wanted.ref.name if turn.moves and wanted else "",
    )


def _unturned(family: tuple[str, str], reading: Reading) -> Row:
    head = reading.heads[family]
    known = turning.Turn(family=family, line="", before=head, wanted=head)
    return _row(known)


def _tell(runner: Runner, release: str, plan: Turning) -> None:
    """Print what will be done, before anything is."""
    rows = [
        [
            turn.family[1],
            turn.before.ref.name if turn.before else "nothing",
            "→" if turn.moves else "=",
            turn.wanted.ref.name if turn.wanted else "nothing",
            f"marks {', '.join(image.ref.name for image in turn.withdrawn)} DEPRECATED" if turn.withdrawn else "",
        ]
        for turn in plan.turns
    ]
    runner.line(f"Plan: back to {release}")
    runner.table(rows)
    for image in plan.cleared:
        runner.line(f"first: {image.ref.uri}, marked {image.deprecated}, is made ACTIVE again", indent=2)
    for image, _ in plan.sources:
        runner.line(f"first: {image.ref.uri} is marked DEPRECATED, so that no rerun promotes its copies", indent=2)
    runner.line(f"Images to mark DEPRECATED: {len(plan.withdrawn)}; to make ACTIVE again: {len(plan.cleared)}")


run = partial(execute, Rollback)
