"""Chooses which of the exhaustive tests run: a stable slice, what the slice leaves out, all of them, or one shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

#: One of so many parametrised tests is in the slice.
SLICES = 100
#: Turns in which the exhaustive tests go where time may run out: each kind of them loses the same share.
TURNS = 8


@dataclass(frozen=True)
class Choice:
    """What the options of a run ask for."""

    everything: bool = False
    rest: bool = False
    """What the slice leaves out."""
    shard: tuple[int, int] = (1, 1)
    """Which of how many parts."""

    def takes(self, name: str, *, parametrised: bool) -> bool:
        """Whether a test runs. Its name is without the path, so a test that moves stays where it was chosen."""
        number = crc32(name.encode())
        in_slice = not parametrised or number % SLICES == 0
        part, parts = self.shard
        return (self.everything or in_slice != self.rest) and number % parts == part - 1


def turn(name: str) -> int:
    """In which of the turns an exhaustive test goes. Its name is without the path."""
    return crc32(name.encode()) // SLICES % TURNS


def few(cases: Iterable[Any], *always: Any) -> list[Any]:
    """Return parameters, of which `make test` tries only these always, and one in 100 of the others."""
    values = list(cases)
    missing = [case for case in always if case not in values]
    assert not missing, f"{missing} are no cases"
    return [case if case in always else _exhaustive(case) for case in values]


def _exhaustive(case: Any) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.exhaustive)


def shard(text: str) -> tuple[int, int]:
    """Reads `2/4`: the second of four parts."""
    part, _, parts = text.partition("/")
    found = int(part), int(parts)
    if not 1 <= found[0] <= found[1]:
        raise ValueError(text)
    return found
