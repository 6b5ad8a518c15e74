"""The store on PostgreSQL keeps the rules that it keeps on SQLite, beside another receiver and after one that died."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from replicator.commands.webhooks.receiver.command_queue import CommandQueue
from replicator.commands.webhooks.receiver.tables import LEASE
from testkit.webhooks.inside import Inside
from testkit.webhooks.sending import salted
from testkit.webhooks.signed import PUBLIC, event_about, index

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def two(postgresql: str, tmp_path: Path) -> tuple[Inside, Inside]:
    """Two receivers on a database of the test's own."""
    name = f"test_{tmp_path.name.replace('-', '_').lower()}"
    with psycopg.connect(postgresql, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
    made = []
    for part in ("one", "two"):
        folder = tmp_path / part
        folder.mkdir()
        (folder / "own.pub").write_bytes(PUBLIC)
        hook = {"policy": {"key": str(folder / "own.pub")}, "run": ["/bin/echo", "hello"]}
        made.append(Inside(folder, hook, state=f"{postgresql.rpartition('/')[0]}/{name}"))
    return made[0], made[1]


def test_the_rules(two: tuple[Inside, Inside]) -> None:
    one, other = two
    first = one.settled(event_about(index(2)))
    assert (first["status"], first["command"], first["command_output"]) == ("published", "done", "hello\n")
    later = other.settled(event_about(index(3)))
    assert (later["status"], later["amends"]) == ("published", first["id"])
    assert one.send(event_about(index(2)))[0] == 200
    assert one.send(event_about(index(2, id="9")))[0] == 409
    assert one.send(salted(1), name="msg_same")[0] == 202
    assert other.send(salted(2), name="msg_same")[0] == 409
    other.work()
    rows = one.store.publications()
    assert [row["status"] for row in rows].count("published") == 2
    assert len({row["digest"] for row in rows}) == len(rows) == 4
    one.now += 91 * 86400
    one.worker.look_after()
    assert one.store.received() == {}
    for receiver in two:
        receiver.store.close()


def test_what_another_took_is_taken_again_when_that_one_died(two: tuple[Inside, Inside]) -> None:
    one, other = two
    _, answer = one.send(event_about(index(2)))
    assert one.store.take(one.now)
    other.restart()
    assert not other.worker.one()
    other.now += LEASE + 1
    assert other.worker.one()
    queue = CommandQueue(one.store)
    taken = queue.take(other.now, lambda _hook: 100.0)
    assert taken
    assert CommandQueue(other.store).take(other.now + 99, lambda _hook: 100.0) is None
    other.now += 101
    other.work()
    assert other.row(answer["publication_id"])["command"] == "done"
    for receiver in two:
        receiver.store.close()
