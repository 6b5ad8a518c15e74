"""Time: the machine's, or driven."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
from testkit.client import Client

if TYPE_CHECKING:
    from emulator.testing import Running

CLOCK = "/_emulator/clock"


def test_a_real_clock_is_not_moved(emulator: Running, client: Client) -> None:
    shown = client.send("GET", CLOCK).json
    assert (shown["clock"], shown["next"]) == ("real", None)
    assert shown["now"] == pytest.approx(time.time(), abs=5)
    answer = client.send("POST", CLOCK, {"advance": 1})
    assert (answer.status, "--clock driven" in answer.message) == (400, True)
    with pytest.raises(ValueError, match="real"):
        emulator.advance(1)


def test_a_driven_clock_goes_where_something_happens() -> None:
    with running(driven=True, copy_seconds=10, wait_seconds=4) as emulator:
        client = Client(emulator)
        emulator.add_image(project="p1", name="web")
        emulator.add_image(project="p1", name="late", status="PENDING")
        start = client.send("GET", CLOCK).json
        assert start["next"] is None
        operation = client.insert("copy").json["name"]
        answers: list[Any] = []
        waiting = threading.Thread(target=lambda: answers.append(client.post(f"/operations/{operation}/wait").json))
        waiting.start()
        while client.send("GET", CLOCK).json["next"] != start["now"] + 4:
            time.sleep(0.001)
        assert client.send("GET", CLOCK).json["waiting"] == 1
        # First the poll, then the operation's end, then nothing.
        assert client.send("POST", CLOCK, {"to": "next"}).json["now"] == start["now"] + 4
        waiting.join()
        assert answers[0]["status"] == "RUNNING"
        assert client.send("POST", CLOCK, {"to": "next"}).json == {
            "clock": "driven",
            "now": start["now"] + 10,
            "next": None,
            "waiting": 0,
        }
        assert client.get(f"/operations/{operation}").json["status"] == "DONE"
        assert emulator.next() is None
        assert client.send("POST", CLOCK, {"advance": 0.5}).json["now"] == start["now"] + 10.5
        assert emulator.journal()[0]["received"] == 0


@pytest.mark.parametrize(
    "body", [{}, [], {"advance": -1}, {"advance": 1e300}, {"advance": True}, {"advance": "1"}, {"to": "end"}, {"to": "next", "x": 1}, b"{", b'{"advance": NaN}'],
)  # fmt: skip
def test_what_does_not_move_it(body: Any) -> None:
    with running(driven=True) as emulator:
        client = Client(emulator)
        before = client.send("GET", CLOCK).json
        assert client.send("POST", CLOCK, body).status == 400
        assert client.send("GET", CLOCK).json == before
