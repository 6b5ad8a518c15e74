"""Waits until an operation is DONE: long polls, and the pauses between them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.compute.retry import Calls
    from replicator.core.images import Operation

#: `globalOperations.wait` is best effort and may answer at once; then we pause this many seconds, doubled each time.
_SHORTEST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0


async def finish(
    calls: Calls, operation: Operation, *, doing: str, where: str, progress: Callable[[int], None] | None = None
) -> Operation:
    """Return the operation once it is DONE. Its `problem` says whether it failed.

    Raises Refusal with status 404 if the operation is gone.
    """
    loop = asyncio.get_running_loop()
    pause = _SHORTEST_PAUSE
    while not operation.done:
        began = loop.time()
        operation = await calls(calls.compute.wait(operation), doing=doing, where=where)
        if progress:
            progress(operation.progress)
        if not operation.done and loop.time() - began < _SHORTEST_PAUSE:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    return operation
