"""How soon a webhook is acknowledged under 32 senders at once, and what memory it takes without Sigstore."""

from __future__ import annotations

import http.client
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.figures import Figure
from replicator.commands.webhooks import event, signature
from testkit.webhooks.served import SECRET, Served
from testkit.webhooks.signed import PUBLIC, event_about, index

if TYPE_CHECKING:
    from collections.abc import Iterator

_SENDERS, _EACH, _INDEXES = 32, 25, 96
#: They make a body of some 64 KiB.
_LOCATIONS = 43


def measure() -> Iterator[Figure]:
    """Send as many as the queue takes again and again, each body 64 KiB, from 32 connections."""
    with tempfile.TemporaryDirectory() as name:
        key = Path(name, "own.pub")
        key.write_bytes(PUBLIC)
        served = Served(Path(name), key=str(key)).start()
        try:
            # Fewer indexes than the queue holds; each is verified once, and its later deliveries are known by then.
            bodies = [_body(number) for number in range(_INDEXES)]
            spans: list[float] = []
            threads = [
                threading.Thread(target=_send, args=(served.url, bodies, number, spans)) for number in range(_SENDERS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            status = Path(f"/proc/{served.pid}/status").read_text("utf-8")
        finally:
            served.stop()
    if len(spans) != _SENDERS * _EACH:
        raise RuntimeError(f"{len(spans)} of {_SENDERS * _EACH} were acknowledged")
    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    what = f"{_SENDERS} senders at once, bodies of 64 KiB"
    yield Figure(
        name=f"{what}: 99 of 100 are acknowledged within",
        value=1000 * statistics.quantiles(spans, n=100)[98],
        unit="ms",
        at_most=150,
        note=f"median {1000 * statistics.median(spans):.0f} ms",
    )
    yield Figure(name=f"{what}: memory of the receiver", value=peak, unit="MB", at_most=120)


def _body(number: int) -> tuple[str, bytes]:
    ran = {"GITHUB_REF": f"refs/tags/v{number}"}
    document = event_about(index(_LOCATIONS, id=str(1000 + number)), version=f"v{number}", workflow=ran)
    return event.delivery_id(document), event.to_bytes(document)


def _send(url: str, bodies: list[tuple[str, bytes]], number: int, spans: list[float]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    for at in range(_EACH):
        name, body = bodies[(number + at) % len(bodies)]
        headers = {**signature.headers([SECRET], name, int(time.time()), body), "content-type": "application/json"}
        began = time.perf_counter()
        connection.request("POST", "/hooks/acme", body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status in {200, 202}:
            spans.append(time.perf_counter() - began)
    connection.close()
