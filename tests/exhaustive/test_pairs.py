"""A swarm of worlds that differ in pairs, judged by an oracle that knows the rules and not the code.

Others change, grant, replace and delete between any two calls. `make soak` runs it at length.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from emulator.testing import Running, running
from testkit.pairs import oracle
from testkit.pairs import worlds as pairs
from testkit.pairs.case import is_change
from testkit.pairs.events import EVENTS, Event
from testkit.pairs.run import carried_out
from testkit.pairs.worlds import World
from testkit.swarm import Swarm

if TYPE_CHECKING:
    from collections.abc import Iterator

SWARM = Swarm(15)
AT_LENGTH = Swarm(60)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    locations = draw(st.lists(st.sampled_from(pairs.LOCATIONS), min_size=1, unique=True))
    project = draw(st.sampled_from(["", "", pairs.OTHER, pairs.EACH]))
    template = draw(st.sampled_from(["{family}-{location}"] * 3 + ["{family}", "stable"]))
    own = template == "{family}-{location}"
    somewhere = st.sampled_from(locations)
    return World(
        locations=tuple(locations),
        required=tuple(draw(st.one_of(st.just(locations), st.lists(somewhere, unique=True)))),
        architecture=draw(st.sampled_from(["X86_64", "ARM64"])),
        existing=draw(st.dictionaries(somewhere, st.sampled_from(sorted(pairs.EXISTING)), max_size=4)),
        heads=draw(st.dictionaries(somewhere, st.sampled_from(sorted(pairs.HEADS)), max_size=3)) if own else {},
        policy=draw(st.sampled_from(sorted(pairs.POLICIES))),
        access=draw(st.sampled_from(["source", "source", "public", "private"])),
        project=project,
        template=template,
        labels=draw(st.sampled_from(["", "tier=middle", "release=1"])),
        promote=draw(st.sampled_from([True, True, True, False])),
        replace_failed=draw(st.booleans()),
        home_copy=draw(st.sampled_from(["auto", "true"])),
        copies_per_source=draw(st.sampled_from(["", "", "1", "2"])),
        withdrawn=draw(st.sampled_from([False, False, False, True])),
    )


@st.composite
def events(draw: st.DrawFn) -> Event:
    return Event(
        what=draw(st.sampled_from(sorted(EVENTS))),
        location=draw(st.sampled_from(pairs.LOCATIONS)),
        before=draw(
            st.sampled_from(["get", "getIamPolicy", "setIamPolicy", "setLabels", "getFromFamily", "list", "patch"])
        ),
        skip=draw(st.sampled_from([0, 0, 1])),
        times=draw(st.sampled_from([1, 1, 2, 3])),
    )


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.005, wait_seconds=0.05) as emulator:
        yield emulator


@SWARM
@given(world=worlds(), happens=st.lists(events(), max_size=3))
def test_no_rule_is_broken(emulator: Running, world: World, happens: list[Event]) -> None:
    SWARM.note()
    no_rule_is_broken(emulator, world, happens)


@pytest.mark.exhaustive
@AT_LENGTH
@given(world=worlds(), happens=st.lists(events(), max_size=3))
def test_no_rule_is_broken_at_length(emulator: Running, world: World, happens: list[Event]) -> None:
    AT_LENGTH.note()
    no_rule_is_broken(emulator, world, happens)


def no_rule_is_broken(emulator: Running, world: World, happens: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = carried_out(emulator, Path(folder), world, happens)
        note(done.finished.log)
        assert not oracle.broken(done.case)
        assert not done.wrong()
        again = carried_out(emulator, Path(folder), world, (), build=False)
        note(again.finished.log)
        assert not oracle.broken(again.case)
        assert not again.wrong()
        third = carried_out(emulator, Path(folder), world, (), build=False)
        assert not [call for call in third.case.calls if is_change(call)]
