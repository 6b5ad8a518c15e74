from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from replicator.commands.replicate import live_table
from replicator.core import errors
from replicator.core.replicas import Action as Doing
from replicator.core.replicas import Step
from replicator.replicas import work
from testkit.make import replica

if TYPE_CHECKING:
    from collections.abc import Sequence


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def works(*locations: str) -> list[work.Work]:
    return [work.Work(step=Step(replica=replica(location), action=Doing.COPY), began=100.0) for location in locations]


def shown(items: Sequence[work.Work], *said: tuple[str, str], height: int = 24, width: int = 100) -> list[str]:
    stdout = io.StringIO()
    console = Console(file=stdout, force_terminal=True, width=width, height=height, color_system=None)
    screen = live_table.Screen(console, items, lambda: 175.0)
    for where, text in said:
        screen.say(where, text)
    console.print(screen.table())
    return [line.rstrip() for line in stdout.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("stdout", "env", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"GITHUB_ACTIONS": "true"}, False),
        (io.StringIO(), {}, False),
    ],
    ids=["terminal", "empty NO_COLOR", "NO_COLOR", "dumb", "runner", "pipe"],
)
def test_where(stdout: io.StringIO, env: dict[str, str], wanted: bool) -> None:
    assert live_table.is_wanted(stdout, env) is wanted
    with live_table.live(stdout, env, works("eu"), lambda: 0.0) as screen:
        assert (screen is not None) is wanted


def test_not_where_rich_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with live_table.live(Terminal(), {}, works("eu"), lambda: 0.0) as screen:
        assert screen is None


def test_a_closed_stream_is_no_terminal() -> None:
    closed = io.StringIO()
    closed.close()
    assert not live_table.is_wanted(closed, {})


def test_what_stands_in_the_table() -> None:
    copying, waiting, good, bad = items = works("eu", "asia", "us", "me-west1")
    copying.state, copying.percent = "copying", 40
    good.verified = True
    good.end(161.0)
    bad.end(103.0, errors.Quota("Used up [red]and\x1b[31m"))
    waiting.state = "waiting"
    lines = shown(items, ("asia", "Too many.\nTrying again in 620 s."), ("source", "is PENDING"))
    assert lines[0] == "source: is PENDING"
    assert lines[1] == "2 of 4 replicas done"
    assert [" ".join(line.split()) for line in lines[2:]] == [
        "Location Percent Elapsed State",
        "eu 40 % 1:15 copying",
        "asia 1:15 Too many. Trying again in 620 s.",
        "me-west1 0:03 failed: Used up [red]and\\x1b[31m",
        "us 100 % 1:01 the source is stored here",
    ]


@pytest.mark.parametrize(
    ("percent", "width", "head"),
    [
        (None, 100, "Location Elapsed State"),
        (0, 100, "Location Percent Elapsed State"),
        (0, 59, "Location Elapsed State"),
        (0, 44, "Location State"),
    ],
)
def test_no_column_that_says_nothing_or_has_no_room(percent: int | None, width: int, head: str) -> None:
    items = works("eu", "us")
    items[0].state, items[0].percent = "copying", percent
    lines = shown(items, width=width)
    assert " ".join(lines[1].split()) == head
    assert "copying" in lines[2]


def test_more_replicas_than_lines() -> None:
    items = works(*(f"us-west{number}" for number in range(43)))
    for item in items[:30]:
        item.verified = True
        item.end(101.0)
    lines = shown(items, height=24)
    assert len(lines) < 24
    assert "us-west42" in "\n".join(lines)
    assert "… 24 more" in lines[-1]


def test_a_terminal_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Terminal):
        def write(self, text: str, /) -> Any:
            raise OSError("gone")

    with live_table.live(Gone(), {}, works("eu"), lambda: 0.0) as screen:
        assert screen
        screen.say("source", "is PENDING")
