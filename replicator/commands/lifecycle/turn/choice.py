"""Finds the sets of one release in all lines: the one that was named, or that an index holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted
from replicator.commands.lifecycle.turn import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.lifecycle.releases import ReplicaSet, World


class Unclear(ValueError):
    """The release can't be told; the message says why and which there are. `input` is what to change."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the release was named."""

    lines: tuple[str, ...]
    label: str
    """The key of the label whose value is the version."""
    word: str = ""
    """The version, or the name of its source."""
    input: str = "release"
    """The input that holds `word`."""
    refs: Mapping[str, str] | None = None
    """The ids of the sources that an index names, each with its git ref; None without an index."""


def chosen(world: World, wanted: Wanted) -> dict[str, ReplicaSet]:
    """Return the set of the release in each line. Raises Unclear with the candidates."""
    found: dict[str, ReplicaSet] = {}
    problems: list[tuple[str, str]] = []
    for line in wanted.lines:
        sets = world.of_line(line)
        if wanted.refs is not None:
            meant = [each for each in sets if each.root.id in wanted.refs]
        else:
            meant = versions.meant(sets, wanted.word, wanted.label)
        if len(meant) == 1:
            found[line] = meant[0]
        else:
            problems.append(_problem(wanted, line, sets, meant))
    if problems:
        raise Unclear(problems)
    return found


def _problem(wanted: Wanted, line: str, sets: Sequence[ReplicaSet], meant: Sequence[ReplicaSet]) -> tuple[str, str]:
    there = f"there are {versions.named(sets, wanted.label)}"
    if wanted.refs is not None:
        if meant:
            names = ", ".join(each.root.ref.name for each in meant)
            return "index", f"holds several images of the family {line}: {names}; one is needed"
        return "index", f"holds no image of the family {line} that exists; {there}"
    if meant:
        names = ", ".join(each.root.ref.name for each in meant)
        return wanted.input, f"{quoted(wanted.word)} may mean {names}, all of the family {line}: name one of these"
    return wanted.input, f"{quoted(wanted.word)} isn't a release of the family {line}: {there}"
