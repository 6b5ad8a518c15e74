"""The receiver under any order of deliveries, kills, clock steps and outages: what must hold always, held after each step."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from replicator.commands.webhooks.receiver import hook_command, store, verification
from replicator.commands.webhooks.receiver.command_queue import CommandQueue, Ended
from testkit.webhooks.inside import Inside
from testkit.webhooks.sending import announced, salted
from testkit.webhooks.signed import PUBLIC, event_about, index

#: What may be announced, by a name: two that amend one another, one that contradicts them, another version, and forgeries.
RIGHT = {
    "first": event_about(index(2)),
    "larger": event_about(index(3)),
    "contradicting": event_about(index(2, id="77")),
    "next": event_about(index(3, id="88"), version="v2", workflow={"GITHUB_REF": "refs/tags/v2"}),
}
_STRANGERS = announced()["data"]["bundle"]
FORGED = {
    "unsigned": salted(1),
    "stranger": {**RIGHT["first"], "data": {**event_about(index(4))["data"], "bundle": _STRANGERS}},
}
EVENTS = {**RIGHT, **FORGED}
DIGESTS = {document["data"]["index"]["digest"]: name for name, document in EVENTS.items()}
assert len(DIGESTS) == len(EVENTS)


class Receiving(RuleBasedStateMachine):
    """One receiver and its state on disk."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        place = Path(self.folder.name)
        (place / "own.pub").write_bytes(PUBLIC)
        self.inside = Inside(
            place, {"policy": {"key": str(place / "own.pub")}, "images": "verify", "run": ["/bin/true"]}
        )
        self.acknowledged: set[str] = set()
        self.ran: list[str] = []
        self.reachable, self.succeeds = True, True
        self.patches: list[Any] = [
            mock.patch.object(verification, "compare", self._compare),
            mock.patch.object(hook_command, "run", self._run),
        ]
        for patch in self.patches:
            patch.start()

    def teardown(self) -> None:
        for patch in self.patches:
            patch.stop()
        self.inside.store.close()
        self.folder.cleanup()

    def _compare(self, _index: Any, _endpoint: str, _env: Any, tries: int, now: float) -> Any:
        return None if self.reachable else verification.unreachable("away", tries, now)

    def _run(self, _argv: Any, record: dict[str, Any], _content: bytes, **_more: Any) -> Ended:
        self.ran.append(record["id"])
        return Ended(status="done" if self.succeeds else "failed", exit_code=0 if self.succeeds else 1)

    @rule(name=st.sampled_from(sorted(EVENTS)), again=st.sampled_from(["", "msg_other"]), steps=st.integers(0, 2))
    def deliver(self, name: str, again: str, steps: int) -> None:
        status, answer = self.inside.send(EVENTS[name], name=f"{again}{name}" if again else "")
        assert status in {200, 202, 409}, (status, answer)
        assert answer["publication_id"]
        self.acknowledged.add(answer["publication_id"])
        self.work(steps=steps)

    @rule()
    def replay_too_late(self) -> None:
        later, self.inside.now = self.inside.now, self.inside.now - 301
        body = EVENTS["first"]
        real = self.inside.receiver.now
        self.inside.receiver.now = lambda: later
        assert self.inside.send(body)[0] == 401
        self.inside.receiver.now = real
        self.inside.now = later

    @rule(steps=st.integers(1, 3))
    def work(self, steps: int) -> None:
        for _ in range(steps):
            if not self.inside.worker.one():
                self.inside.commands.one()

    @rule(what=st.sampled_from(["publication", "command"]))
    def killed_at_work(self, what: str) -> None:
        """What was taken is never settled."""
        if what == "publication":
            self.inside.store.take(self.inside.now)
        else:
            taken = CommandQueue(self.inside.store).take(self.inside.now, lambda _hook: 100.0)
            if taken:
                self.ran.append(taken["id"])
        self.inside.restart()

    @rule(seconds=st.sampled_from([1, 100, 1000, 5000, -50]))
    def time_passes(self, seconds: int) -> None:
        self.inside.now += seconds

    @rule(reachable=st.booleans(), succeeds=st.booleans())
    def outage(self, reachable: bool, succeeds: bool) -> None:
        self.reachable, self.succeeds = reachable, succeeds

    @rule(data=st.data())
    def by_hand(self, data: st.DataObject) -> None:
        if self.acknowledged:
            publication = data.draw(st.sampled_from(sorted(self.acknowledged)))
            assert isinstance(self.inside.store.retry(publication, self.inside.now), bool)

    @invariant()
    def holds(self) -> None:
        rows = {row["id"]: row for row in self.inside.store.publications()}
        assert self.acknowledged <= set(rows), "acknowledged, and not stored"
        assert len({row["digest"] for row in rows.values()}) == len(rows), "two publications of one digest"
        for row in rows.values():
            name = DIGESTS[row["digest"]]
            if row["status"] == "published":
                assert name in RIGHT, f"{name} was published"
                assert row["signed_by"]
                assert row["command"]
            else:
                assert (row["signed_by"], row["command"]) == ("", ""), row
            ran = self.ran.count(row["id"])
            assert ran >= (row["command"] in {"done", "failed"}), "a command that isn't run is settled"
            assert row["command"] or not ran, "a command is run for what isn't published"
        published = {DIGESTS[row["digest"]] for row in rows.values() if row["status"] == "published"}
        assert "contradicting" not in published or not published & {"first", "larger"}


class TestStates(Receiving.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(max_examples=8, stateful_step_count=20)


def test_it_comes_to_an_end(tmp_path: Path) -> None:
    """Whatever came before: when all is reachable and nobody sends, everything settles."""
    (tmp_path / "own.pub").write_bytes(PUBLIC)
    inside = Inside(tmp_path, {"policy": {"key": str(tmp_path / "own.pub")}})
    for document in EVENTS.values():
        inside.send(document)
        # They are verified in order of arrival.
        inside.now += 1
    inside.store.take(inside.now)
    inside.restart()
    inside.work()
    found = {DIGESTS[row["digest"]]: row["status"] for row in inside.store.publications()}
    assert found == {name: "published" if name in RIGHT and name != "contradicting" else "failed" for name in EVENTS}
    inside.store.close()


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("PRAGMA max_page_count=1", "database or disk is full"),
        ("PRAGMA query_only=ON", "attempt to write a readonly database"),
    ],
    ids=["full", "read-only"],
)
def test_nothing_is_acknowledged_that_is_not_stored(trouble: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "own.pub").write_bytes(PUBLIC)
    inside = Inside(tmp_path, {"policy": {"key": str(tmp_path / "own.pub")}})
    healed = False

    def connected(connection: Any, _record: object) -> None:
        if not healed:
            connection.execute(trouble).close()

    engine = inside.store._engine
    engine.dispose()
    sa.event.listen(engine, "connect", connected)
    status, answer = inside.send(RIGHT["first"])
    assert (status, answer) == (503, {"status": "error", "reason": "unavailable", "publication_id": ""})
    # The log says what to look at, which the sender isn't told.
    assert inside.logged[-1]["reason"] == f"unavailable: {told}"
    healed = True
    engine.dispose()
    row = inside.settled(RIGHT["first"])
    assert (row["status"], row["events"]) == ("published", [("queued", ""), ("published", "")])
    inside.store.close()


def test_a_full_queue_is_told_and_later_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LARGEST_QUEUE", 3)
    (tmp_path / "own.pub").write_bytes(PUBLIC)
    inside = Inside(tmp_path, {"policy": {"key": str(tmp_path / "own.pub")}})
    for number in range(3):
        assert inside.send(salted(number))[0] == 202
    assert inside.send(RIGHT["first"])[0] == 503
    # What is known already needs no place.
    assert inside.send(salted(0))[0] == 200
    inside.worker.one()
    assert inside.send(RIGHT["first"])[0] == 202
    inside.store.close()
