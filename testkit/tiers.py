"""Chooses which of the exhaustive tests run: a stable slice, what the slice leaves out, all of them, or one shard."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

#: One of so many parametrised tests is in the slice.
SLICES = 50


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


def shard(text: str) -> tuple[int, int]:
    """Reads `2/4`: the second of four parts."""
    part, _, parts = text.partition("/")
    found = int(part), int(parts)
    if not 1 <= found[0] <= found[1]:
        raise ValueError(text)
    return found
