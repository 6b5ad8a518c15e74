"""Tells which release somebody means: by a label, by an index, or by the name of its source. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from replicator.commands.lifecycle.releases import ReplicaSet

#: The most releases of a line that are named in one sentence.
_MOST_NAMED = 8
_TAG = "refs/tags/"


def of(each: ReplicaSet, label: str, refs: Mapping[str, str] | None = None) -> str:
    """The version of a set: the value of its label if there is one; else what an index says; else its source's name.

    `refs` is the git ref of sources that an index names, by their ids.
    """
    values = sorted(each.label(label) - {""})
    said = (refs or {}).get(each.root.id, "").removeprefix(_TAG)
    return values[0] if len(values) == 1 else said or each.root.ref.name


def meant(sets: Iterable[ReplicaSet], word: str, label: str) -> list[ReplicaSet]:
    """The sets that a version, or the name of a source, may mean."""
    return [each for each in sets if word in {each.root.ref.name, *each.label(label)}]


def named(sets: Sequence[ReplicaSet], label: str) -> str:
    """The versions of a line's sets, newest first, as far as one sentence takes them."""
    listed = [of(each, label) for each in sets[:_MOST_NAMED]]
    more = [f"{len(sets) - _MOST_NAMED} more"] * (len(sets) > _MOST_NAMED)
    return ", ".join([*listed, *more]) or "none"
