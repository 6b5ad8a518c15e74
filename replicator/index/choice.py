"""Chooses the one entry of an index that is meant by an architecture and a variant. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.index.image_index import Entry


def entry(entries: Iterable[Entry], *, architecture: str, variant: str) -> Entry:
    """Return the one entry with this architecture and variant; either may be empty where there is no choice.

    Raises BadSettings if the index holds none, or several.
    """
    left = list(entries)
    for name, asked in (("architecture", architecture), ("variant", variant)):
        there = sorted({getattr(entry, name) for entry in left})
        if not asked and len(there) > 1 and "" not in there:
            raise wrong(name, f"is needed: the index holds {listed(there)}")
        left = [entry for entry in left if getattr(entry, name) == asked or (not asked and len(there) == 1)]
        if not left:
            raise wrong(
                name, f"{quoted(asked)} is not in this index, which holds {listed(filter(None, there)) or 'none'}"
            )
    if len(left) > 1:
        raise wrong("index", f"holds {named(left[0])} more than once")
    return left[0]


def named(entry: Entry) -> str:
    """Return what tells an entry from others: `X86_64/gpu`."""
    return "/".join(filter(None, (entry.architecture, entry.variant)))


def listed(words: Iterable[str]) -> str:
    """Return words as a list for people."""
    return ", ".join(sorted(words))


def wrong(name: str, text: str) -> errors.BadSettings:
    """Return the failure of one input."""
    return errors.BadSettings([errors.InputProblem(name, text)])
