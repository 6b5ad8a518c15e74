"""Carries out a replication in a world of pairs, and says what was wrong with how it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from testkit.action import Action, Finished
from testkit.pairs import events, oracle, worlds
from testkit.pairs.case import Case, Wanted, path_of
from testkit.pairs.history import recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emulator.testing import Running
    from testkit.pairs.case import Deed
    from testkit.pairs.history import History


@dataclass(frozen=True, kw_only=True)
class Done:
    """A run, and the case that an oracle judges."""

    world: worlds.World
    finished: Finished
    case: Case
    calm: bool
    """Whether nobody else did anything, and it was the first run."""

    def wrong(self) -> list[str]:
        """What the results say that isn't so, or what should have come out otherwise."""
        rows = self.finished.replicas
        found = [*oracle.untrue(self.case, rows, self.finished.images)]
        if self.calm:
            ends = {wanted.location: worlds.expected(self.world, wanted) for wanted in self.case.wanted}
            for wanted in self.case.wanted:
                row, ending = rows[wanted.location], ends[wanted.location]
                failed = row["outcome"] in {"failed", "interrupted"}
                if (row["reason"] if failed else "ok") != ending:
                    found.append(f"{wanted.location} ended as {row['outcome']} {row['reason']}, not as {ending}")
                elif ending == "ok" and not failed:
                    found += self._promoted(wanted, set(ends.values()) == {"ok"})
        return found

    def _promoted(self, wanted: Wanted, everything: bool) -> list[str]:
        """Where a family must have moved and didn't, or the other way round."""
        row = self.finished.replicas[wanted.location]
        held = self.world.withdrawn or not self.world.promote or (bool(self.world.required) and not everything)
        gives_way = worlds.HEADS[self.world.heads[wanted.location]][2] if wanted.location in self.world.heads else True
        made_now = row["outcome"] == "created"
        if row["promoted"] and not gives_way and made_now:
            return [f"{wanted.location} was promoted over a newer release"]
        if not row["promoted"] and gives_way and not held and not wanted.lead:
            return [f"{wanted.location} was not promoted: {row['reason']}"]
        return []


def carried_out(
    emulator: Running, folder: Path, world: worlds.World, happens: Sequence[events.Event] = (), *, build: bool = True
) -> Done:
    """One run. Without `build`, in what the run before has left."""
    if build:
        world.build(emulator)
    source = next(
        image for image in emulator.state()["images"] if (image["project"], image["name"]) == ("p1", worlds.SOURCE)
    )
    number = len(emulator.journal())
    with recorded(emulator) as history, pytest.MonkeyPatch.context() as patch:
        events.settle_pending(emulator)
        history.deeds.clear()
        events.happening(patch, history, world, happens)
        act = Action(emulator, folder, runs=len(list(folder.iterdir())))
        finished = act(**world.inputs)
        emulator.state()
        deeds = list(history.deeds)
    journal = _by_name(emulator.journal()[number:], history)
    judged = Case(
        source=source,
        wanted=world.wanted(),
        readers=world.readers(),
        promote=world.promote,
        replace_failed=world.replace_failed,
        begun=history.begun,
        deeds=[_since(deed, number) for deed in deeds],
        calls=journal,
    )
    return Done(world=world, finished=finished, case=judged, calm=build and not happens)


def _by_name(journal: Sequence[dict[str, Any]], history: History) -> list[dict[str, Any]]:
    """The journal with the names of images that were called by their ids."""
    known = (*history.begun, *(image for deed in history.deeds for image in (deed.before, deed.after) if image))
    paths = {f"projects/{image['project']}/global/images/{image['id']}": path_of(image) for image in known}
    return [{**call, "target": paths.get(call["target"], call["target"])} for call in journal]


def _since(deed: Deed, number: int) -> Deed:
    return replace(deed, at=deed.at - number)
