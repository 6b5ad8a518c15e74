"""The soonest that copies of one image can all be there, where an image may be copied only so often. Pure."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def soonest(durations: Iterable[float], *, per_source: int, window: float) -> float:
    """No schedule ends before so many seconds; where all copies take as long, the best one ends exactly then.

    Every image may be copied `per_source` times in any `window` seconds, finished copies included.

    The m-th copy begins when m chances are there at the soonest: those of the source, those of each copy that can have
    ended by then, and each chance again a window after it was used. That j copies have ended takes j begins and j
    durations: at best the first begins and the shortest durations, the longest with the earliest.
    """
    shortest = sorted(durations)
    chances = [0.0] * per_source
    begins: list[float] = []
    ended = 0.0
    for count in range(1, len(shortest) + 1):
        begins.append(heapq.heappop(chances))
        heapq.heappush(chances, begins[-1] + window)
        longest_first = reversed(shortest[:count])
        ended = max(begin + seconds for begin, seconds in zip(begins, longest_first, strict=True))
        for _ in range(per_source):
            heapq.heappush(chances, ended)
    return ended
