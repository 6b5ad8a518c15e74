"""The receiver is killed under load again and again: what it acknowledged is there, once, and each command was run."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from replicator.__main__ import main
from testkit.webhooks.sending import ask, send
from testkit.webhooks.served import Served
from testkit.webhooks.signed import PUBLIC, event_about, index

if TYPE_CHECKING:
    from collections.abc import Callable

SENDERS = 4
KILLS = 20
#: What is acknowledged from the start to the kill: nothing, something, much; some more is under way then.
MOMENTS = (0, 1, 2, 8, 20)
#: Starting Python and loading the packages would take most of the time.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["replicator.commands.webhooks.receiver.app", "replicator.commands.webhooks.receiver.listening", __name__]
)


def serve(config: str, ready: str, log: str) -> None:
    """In the process that is killed."""
    with open(log, "a", encoding="utf-8") as stdout:  # noqa: PTH123
        main(["webhook", "serve", "--config", config, "--ready-file", ready], dict(os.environ), stdout)


@dataclass
class Load:
    """Senders that send until the receiver is gone, and what was acknowledged to them."""

    served: Served
    first: int
    acknowledged: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        self.threads = [threading.Thread(target=self._send, args=(self.first + each,)) for each in range(SENDERS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self.threads:
            thread.join()

    def _send(self, at: int) -> None:
        while True:
            ran = {"GITHUB_REF": f"refs/tags/v{at}"}
            document = event_about(index(1, id=str(at)), version=f"v{at}", workflow=ran)
            try:
                status, answer = send(self.served, document)
            except (OSError, http.client.HTTPException, ValueError):
                return
            if status in {200, 202}:
                self.acknowledged.add(answer["publication_id"])
            at += SENDERS


def started(served: Served) -> Any:
    """A receiver that listens."""
    ready = served.folder / "ready"
    ready.unlink(missing_ok=True)
    process = FORKS.Process(target=serve, args=(str(served.config), str(ready), str(served.folder / "log")))
    process.start()
    for _ in range(600):
        if ready.exists() or not process.is_alive():
            break
        time.sleep(0.02)
    served.url = ready.read_text("utf-8")
    return process


def at_rest(served: Served) -> list[dict[str, Any]]:
    """All publications, once nothing is under way."""
    for _ in range(600):
        _, told = ask(served, "publications", "list")
        rows: list[dict[str, Any]] = told["publications"]
        if all(row["status"] == "published" and row["command"] == "done" for row in rows):
            break
        time.sleep(0.1)
    return rows


@pytest.mark.parametrize("number", range(10))
def test_killed_under_load(number: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    (tmp_path / "own.pub").write_bytes(PUBLIC)
    program = tmp_path / "on-image"
    program.write_text(f'#!/bin/sh\necho "$REPLICATOR_PUBLICATION_ID" >>{tmp_path}/ran\n', "utf-8")
    program.chmod(0o700)
    served = Served(tmp_path, key=str(tmp_path / "own.pub"), more=f"    run: ['{program}']\n")
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        process = started(served)
        with Load(served, 1000 * kill, acknowledged):
            until = len(acknowledged) + MOMENTS[(kill + number) % len(MOMENTS)]
            for _ in range(1000):
                if len(acknowledged) >= until:
                    break
                time.sleep(0.005)
            process.kill()
            process.join()
    process = started(served)
    try:
        rows = at_rest(served)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.join()
    found = {row["id"] for row in rows}
    assert acknowledged <= found, "acknowledged, and lost"
    assert {(row["status"], row["reason"], row["command"]) for row in rows} == {("published", "", "done")}
    assert len({row["digest"] for row in rows}) == len(rows)
    assert set((tmp_path / "ran").read_text("utf-8").split()) == found
    assert acknowledged
    record_property("counted", ("kills of the receiver under load", KILLS))
