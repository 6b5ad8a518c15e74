"""Holds one request of a run still, before the API looks at it or after the API did what it asks for.

Calls are named by what they do to what (`insert web-1-eu`, the second time `insert web-1-eu #2`; a wait by the image
that its operation changes), because their order is another one each time.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from emulator.core.wire import Cut

if TYPE_CHECKING:
    from emulator.core.messages import Incoming, Reply
    from emulator.testing import Running

REACHED_SECONDS = 60.0


class Stage:
    """The calls that reach an emulator, and the hand that stops one of them.

    Held `before`, a request is not in the journal; held `after`, its change is made and its answer stays here.
    """

    def __init__(self, emulator: Running) -> None:
        self.calls: list[str] = []
        self._emulator = emulator
        self._compute = emulator.compute
        self._exchange = emulator.app.exchange
        self._hold: tuple[str, str] | None = None
        self._held = threading.Event()
        self._released = asyncio.Event()
        self._cut = False
        self._counts: Counter[str] = Counter()
        setattr(emulator.app, "exchange", self.exchange)  # noqa: B010 - mypy knows methods only

    def set(self, call: str = "", when: str = "") -> None:
        """Begin to count anew, and hold that call the next time that it comes; none where none is named."""

        def act() -> None:
            self.calls.clear()
            self._counts.clear()
            self._held.clear()
            self._released = asyncio.Event()
            self._cut = False
            self._hold = (call, when) if call else None

        self._emulator.run(act)

    def reached(self, seconds: float = REACHED_SECONDS) -> bool:
        """Wait until the call is held."""
        return self._held.wait(seconds)

    def release(self, *, cut: bool = False) -> None:
        """Let it go on, or end its connection."""

        def act() -> None:
            self._cut = cut
            self._released.set()

        self._emulator.run(act)

    async def exchange(self, request: Incoming) -> Reply:
        """In the place of the emulator's own."""
        call = self._named(request)
        self.calls.append(call)
        await self._held_at(call, "before", request)
        reply = await self._exchange(request)
        await self._held_at(call, "after", request)
        return reply

    async def _held_at(self, call: str, when: str, request: Incoming) -> None:
        """Raises Cut where the client left meanwhile."""
        if self._hold != (call, when):
            return
        self._hold = None
        released = asyncio.ensure_future(self._released.wait())
        gone = asyncio.ensure_future(request.gone())
        self._held.set()
        await asyncio.wait([released, gone], return_when=asyncio.FIRST_COMPLETED)
        left = self._cut or not released.done()
        for task in (released, gone):
            task.cancel()
        await asyncio.gather(released, gone, return_exceptions=True)
        if left:
            raise Cut("close")

    def _named(self, request: Incoming) -> str:
        route = self._compute.api.route(request.verb, request.raw_path)
        if route is None:
            raise LookupError(request.raw_path)
        verb, name = route.method.id.split(".")[-1], route.target.split("/")[-1]
        if verb == "insert":
            name = json.loads(request.body)["name"]
        elif verb == "wait":
            operation = self._compute.state.operation(route.parameters["project"], name)
            name = operation.target.split("/")[-1] if operation else name
        elif name.isdecimal() and (image := self._compute.state.image(route.parameters["project"], name, time.time())):
            name = image.name
        self._counts[f"{verb} {name}"] += 1
        count = self._counts[f"{verb} {name}"]
        return f"{verb} {name}" if count == 1 else f"{verb} {name} #{count}"
