"""What others do while a run goes on: every event just before every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from testkit.action import Action, Finished
from testkit.conformance.calls import RIGHT
from testkit.conformance.events import EVENTS, MOMENTS, cells
from testkit.conformance.wire import Wire, happening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.0, wait_seconds=0.002) as emulator:
        yield emulator


def ending(done: Finished) -> str:
    if done.exit_code == 3:
        assert (done.result, done.replicas) == ("failed", {})
        return "exit3"
    row = done.replicas["eu"]
    assert (row["outcome"] == "failed") == ("eu" not in done.images) == ("eu" in done.outputs["failed_locations"])
    return "ok" if row["outcome"] != "failed" and row["promoted"] else str(row["reason"])


@pytest.mark.parametrize(("event", "moment", "first", "second"), cells())
def test_event(
    event: str,
    moment: str,
    first: str,
    second: str,
    emulator: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Any,
) -> None:
    emulator.reset()
    emulator.add_image(project="p1", name="web-1", family="web", public=True, **RIGHT)
    action = Action(emulator, tmp_path)
    method, target = MOMENTS[moment]
    wire = Wire(lambda m, t, _: m.endswith(f".{method}") and t.endswith(target), skip=int(moment == "check"))
    with happening(monkeypatch, wire, event=lambda: EVENTS[event](emulator)):
        assert ending(action(locations="us, eu")) == first
    assert wire.met == 1
    assert ending(action(locations="us, eu")) == second
    before = len(action.mutations())
    assert ending(action(locations="us, eu")) == second
    assert len(action.mutations()) == before
    assert not action.calls("delete")
    assert not [call for call in action.mutations() if call["target"].endswith("/web-1")]
    record_property("counted", "events between calls")
