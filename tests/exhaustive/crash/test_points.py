"""Every call of a run as the moment in which the process ends: what it leaves is healed by running it again."""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from testkit.action import OUTPUTS, Action
from testkit.crash import process
from testkit.crash.stories import OWN_FAMILIES, STORIES, Story, assert_made_once, numbered
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from testkit.crash.theatre import Theatre
    from testkit.harness.here import Done

SCHEMA = json.loads((ROOT / "schemas" / "image-index.schema.json").read_text("utf-8"))

#: The runner sends SIGINT, 7.5 seconds later SIGTERM, and ends the job 2.5 seconds after that.
GRACE_SECONDS = 7.5
#: One process in so many is started whole; the others are forked from one that has imported everything.
WHOLE_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a run ends, and by what."""

    story: Story
    call: str
    when: str
    number: signal.Signals
    whole: bool = False

    def __str__(self) -> str:
        kind = " (whole process)" if self.whole else ""
        return f"{self.story.name}: {self.number.name} {self.when} {self.call}{kind}"


def endings() -> Iterator[tuple[Story, str, str, signal.Signals]]:
    """SIGKILL everywhere; both signals at every call of one story, in the others by turns: there the calls matter."""
    for story in STORIES:
        calls = [*numbered(story.calls)]
        numbers = (signal.SIGKILL, *((signal.SIGINT, signal.SIGTERM) if story is OWN_FAMILIES else ()))
        for number, when in product(numbers, ("before", "after")):
            yield from ((story, call, when, number) for call in calls)
        if story is not OWN_FAMILIES:
            turns = cycle(((signal.SIGINT, "after"), (signal.SIGTERM, "before")))
            yield from ((story, call, when, number) for call, (number, when) in zip(calls, turns, strict=False))


def points() -> Iterator[Point]:
    everywhere = list(endings())
    for place, (story, call, when, number) in enumerate(everywhere):
        yield Point(story=story, call=call, when=when, number=number, whole=place % WHOLE_EVERY == 0)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_calls_are_all_calls(theatre: Theatre, story: Story) -> None:
    """A call that is not in the table would be a moment in which nobody has seen the process end."""
    assert sorted(theatre.undisturbed(story)[2]) == sorted(numbered(story.calls))


@pytest.mark.parametrize("point", list(points()), ids=str)
def test_running_it_again_heals(
    theatre: Theatre, point: Point, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", "crash points")
    wanted, index, _ = theatre.undisturbed(point.story)
    point.story.begin(theatre.emulator)
    end_at(theatre, point, tmp_path / "ended")
    action = Action(theatre.emulator, tmp_path)
    healed = action(**point.story.inputs)
    assert (healed.exit_code, healed.result) == (0, "complete"), healed.log
    assert theatre.came_to(point.story, healed.index) == (wanted, index)
    changes = len(action.mutations())
    third = action(**point.story.inputs)
    assert (third.exit_code, third.result, third.index) == (0, "complete", healed.index)
    assert len(action.mutations()) == changes
    assert_made_once(action, point.story)


def end_at(theatre: Theatre, point: Point, folder: Path) -> None:
    """Let a run come to the point and end there; what a signal lets it write is checked."""
    theatre.stage.set(point.call, point.when)
    start = process.execute if point.whole else process.fork
    run = start(folder, theatre.emulator.url, point.story.inputs)
    reached = theatre.stage.reached()
    code, seconds = run.kill(point.number)
    assert reached, (folder / "log").read_text("utf-8")
    if point.number is signal.SIGKILL:
        assert code == -signal.SIGKILL
        return
    assert code == 128 + point.number
    assert seconds < GRACE_SECONDS
    check_results(point, run.left(code))


def check_results(point: Point, done: Done) -> None:
    """What a run that was told to end leaves to people and to later steps."""
    outputs = done.outputs
    assert list(outputs) == OUTPUTS
    assert outputs["result"] == "failed"
    assert point.number.name in outputs["reason"]
    planned = point.call not in point.story.look_up
    assert list(done.replicas) == (["us", "eu", "asia", "europe-west4"] if planned else [])
    if planned:
        check_row(point, done.replicas)
    known = bool(outputs["index_path"])
    assert known is (point.call != "get web-1")
    if known:
        assert f"sha256:{hashlib.sha256(done.index).hexdigest()}" == outputs["index_digest"]
        index = json.loads(done.index)
        jsonschema.validate(index, SCHEMA)
        assert set(index["images"][0]["locations"]) == set(done.images)
    folder = Path(outputs["index_path"]).parent
    assert not list(folder.glob(".image-index*"))


def check_row(point: Point, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """What is said of the location that the run had come to."""
    location = location_of(point.call)
    if not location:
        assert "signal" in {row["reason"] for row in rows.values()}
        return
    row = rows[location]
    made = f"insert web-1-{location}" in point.story.calls
    verified = {"created"} if made else {"adopted", "repaired"}
    assert row["outcome"] in (verified if point.call in promoting(point.story) else {"interrupted"})
    assert (row["reason"], row["promoted"]) == ("signal", False)
    if not point.story.existing:
        assert bool(row["operation"]) is not point.call.startswith("insert ")


def location_of(call: str) -> str:
    """The location that a call is made for; nothing where several make it."""
    name = call.split(" ")[1]
    return {"web": "", "web-0": "eu"}.get(name, name.removeprefix("web-1-").removeprefix("web-"))


def promoting(story: Story) -> set[str]:
    """The calls that replicas' promotion takes: from a replica's first look at its family on."""
    found, location = set(), ""
    promoted = False
    for call in numbered(story.calls):
        where = location_of(call) or location
        promoted = (promoted and where == location) or call.startswith("getFromFamily")
        location = where
        if promoted:
            found.add(call)
    return found
