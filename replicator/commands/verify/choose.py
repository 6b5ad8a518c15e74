"""Chooses the one image of an index to output, for an architecture, a variant and a location."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.commands.verify.settings import VerifySettings
    from replicator.index.image_index import Entry, Index, Served


def pick(read: Index, wanted: VerifySettings) -> Served | None:
    """Return the image that is asked for; None if none is. Raises BadSettings if the index doesn't hold exactly one."""
    if not (wanted.architecture or wanted.variant or wanted.location):
        return None
    entry = _entry(read.images, wanted)
    there = _or(entry.locations)
    if not wanted.location:
        raise _wrong("location", f"is needed for an image: {there}")
    if wanted.location not in entry.locations:
        raise _wrong(
            "location", f"'{wanted.location}' is not served by {_named(entry)} of this index, which is in {there}"
        )
    return entry.locations[wanted.location]


def _entry(entries: Iterable[Entry], wanted: VerifySettings) -> Entry:
    """Return the one entry for the architecture and variant asked for."""
    left = list(entries)
    for name in ("architecture", "variant"):
        there = sorted({getattr(entry, name) for entry in left})
        asked = getattr(wanted, name)
        if not asked and len(there) > 1 and "" not in there:
            raise _wrong(name, f"is needed: the index holds {_or(there)}")
        left = [entry for entry in left if getattr(entry, name) == asked or (not asked and len(there) == 1)]
        if not left:
            raise _wrong(name, f"'{asked}' is not in this index, which holds {_or(filter(None, there)) or 'none'}")
    if len(left) > 1:
        raise _wrong("index", f"holds {_named(left[0])} more than once")
    return left[0]


def _named(entry: Entry) -> str:
    return "/".join(filter(None, (entry.architecture, entry.variant)))


def _or(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _wrong(name: str, text: str) -> errors.BadSettings:
    return errors.BadSettings([errors.InputProblem(name, text)])
