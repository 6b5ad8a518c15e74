"""A hook that doesn't exist and a wrong signature can't be told apart: neither by the answer nor by the time it takes."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any

from replicator.commands.webhooks import event, secrets, signature
from testkit.webhooks.inside import Inside
from testkit.webhooks.sending import announced

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIMES = 2000


def test_unknown_hooks_take_as_long(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    inside = Inside(tmp_path)
    body = event.to_bytes(announced())
    wrong = secrets.made(b"w" * 32)
    headers = {**signature.headers([wrong], "msg_1", int(inside.now), body), "content-type": "application/json"}
    given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    app = inside.receiver.app()
    answers: dict[str, list[Any]] = {"acme": [], "nobody": []}
    spans: dict[str, list[float]] = {"acme": [], "nobody": []}

    async def once(hook: str) -> None:
        scope = {"type": "http", "method": "POST", "path": f"/hooks/{hook}", "query_string": b"", "headers": given}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            answers[hook].append(message)

        began = time.perf_counter()
        await app(scope, receive, send)
        spans[hook].append(time.perf_counter() - began)

    async def all_of_them() -> None:
        for at in range(TIMES):
            # One after the other, in either order, so that a load on the machine meets both.
            for hook in ("acme", "nobody") if at % 2 else ("nobody", "acme"):
                await once(hook)

    asyncio.run(all_of_them())
    assert {str(message) for message in answers["acme"]} == {str(message) for message in answers["nobody"]}
    assert answers["acme"][0]["status"] == 401
    medians = [statistics.median(found) for found in spans.values()]
    assert max(medians) / min(medians) < 1.1, medians
    record_property("counted", ("unknown hooks timed beside wrong signatures", TIMES))
