"""Two runs at once, one of them standing still at every call: of the same release, and of two releases."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from testkit.action import Action, Finished
from testkit.crash import process
from testkit.crash.stories import OWN_FAMILIES, assert_made_once, copying, numbered, release, standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.crash.theatre import Theatre
    from testkit.harness.here import Done

# Whoever looks on sees no difference between a request that is answered and the next one that is not sent yet.
AT = "after"


@pytest.mark.parametrize("call", [*numbered(OWN_FAMILIES.calls)])
def test_the_same_release_twice_at_once(
    theatre: Theatre, tmp_path: Path, call: str, record_property: Callable[[str, object], None]
) -> None:
    """One stands still at a call while the other does everything, then goes on with what it knew."""
    record_property("counted", "interleavings of two runs")
    wanted, index, _ = theatre.undisturbed(OWN_FAMILIES)
    OWN_FAMILIES.begin(theatre.emulator)
    action = Action(theatre.emulator, tmp_path)
    first, second = held(theatre, tmp_path, OWN_FAMILIES.inputs, call, lambda: action(**OWN_FAMILIES.inputs))
    for done in (first, second):
        assert (done.exit_code, done.outputs["result"]) == (0, "complete"), done.log
        assert theatre.nameless(done.index) == index
    assert standing(theatre.emulator) == wanted
    assert_made_once(action, OWN_FAMILIES)
    assert_changes_nothing(action, OWN_FAMILIES.inputs)


KILLED_AT = [
    (call, when)
    for call in ("insert web-1-eu", "wait web-1-eu", "setIamPolicy web-1-eu", "patch web-1-eu", "wait web-1-eu #2")
    for when in ("before", "after")
]


@pytest.mark.parametrize(("call", "when"), KILLED_AT, ids=lambda value: str(value))
def test_one_of_two_runs_is_killed(theatre: Theatre, tmp_path: Path, call: str, when: str) -> None:
    """Two are under way; one stands still at a call and is killed there while the other is at work."""
    wanted, index, _ = theatre.undisturbed(OWN_FAMILIES)
    OWN_FAMILIES.begin(theatre.emulator)
    theatre.stage.set(call, when)
    runs = [process.fork(tmp_path / name, theatre.emulator.url, OWN_FAMILIES.inputs) for name in ("one", "other")]
    assert theatre.stage.reached()
    # Whichever it was that came there first: the other has passed, or waits for what this one makes.
    runs[0].kill(signal.SIGKILL)
    theatre.stage.release()
    done = runs[1].left(runs[1].end())
    assert (done.exit_code, done.outputs["result"]) == (0, "complete"), done.log
    assert theatre.nameless(done.index) == index
    assert standing(theatre.emulator) == wanted
    assert_changes_nothing(Action(theatre.emulator, tmp_path), OWN_FAMILIES.inputs)


WHERE = {"locations": "us, eu, asia", "name_template": "{name}-{location}"}
OLD, NEW = ({**WHERE, "source_image": f"projects/p1/global/images/{name}"} for name in ("web-10", "web-11"))
REPAIR = [
    *numbered(
        (
            "get web-10",
            "getIamPolicy web-10",
            "list images",
            "getIamPolicy web-10-eu",
            *copying("web-10-asia", "web-asia"),
        )
    )
]
"""A rerun of the older release, of which one location had failed."""
RELEASE = [
    *numbered(
        (
            *("get web-11", "getIamPolicy web-11", "list images"),
            *copying("web-11-eu", "web-eu", "get web-10"),
            *copying("web-11-asia", "web-asia"),
        )
    )
]


@pytest.mark.parametrize("call", REPAIR)
def test_a_release_comes_out_while_an_older_one_is_repaired(
    theatre: Theatre, tmp_path: Path, call: str, record_property: Callable[[str, object], None]
) -> None:
    """Wherever the repair of v1.0 stands when v1.1 comes out: every family stays with v1.1."""
    record_property("counted", "interleavings of two runs")
    repaired, new = interleaved(theatre, tmp_path, OLD, NEW, call)
    assert new.column("promoted") == {"us": True, "eu": True, "asia": True}
    assert heads(theatre) == {"web": "web-11", "web-eu": "web-11-eu", "web-asia": "web-11-asia"}
    assert repaired.replicas["asia"]["outcome"] == "created"
    assert repaired.replicas["asia"]["reason"] in {"", "family_is_newer"}


@pytest.mark.parametrize("call", RELEASE)
def test_an_older_release_is_repaired_while_a_new_one_comes_out(
    theatre: Theatre, tmp_path: Path, call: str, record_property: Callable[[str, object], None]
) -> None:
    """Wherever v1.1 stands when v1.0 is repaired: its families are its own, or it says what still leads one.

    That can be when the repair's copy is made after v1.1's, and is promoted before it.
    """
    record_property("counted", "interleavings of two runs")
    new, repaired = interleaved(theatre, tmp_path, NEW, OLD, call)
    assert repaired.column("promoted")["us"] is True
    assert {location: row["promoted"] for location, row in new.replicas.items()} == {
        "us": True,
        "eu": True,
        "asia": True,
    }
    found = heads(theatre)
    assert found["web-eu"] == "web-11-eu"
    if found["web-asia"] != "web-11-asia":
        assert found["web-asia"] == "web-10-asia"
        assert "which still resolves to projects/p1/global/images/web-10-asia" in new.replicas["asia"]["message"]


def interleaved(
    theatre: Theatre, folder: Path, first: dict[str, str], second: dict[str, str], call: str
) -> tuple[Done, Finished]:
    """The second whole run while the first stands still; before both v1.0 came out everywhere but in asia."""
    theatre.emulator.reset()
    theatre.stage.set()
    release(theatre.emulator, "web-10")
    action = Action(theatre.emulator, folder)
    action(**{**OLD, "locations": "us, eu"})
    release(theatre.emulator, "web-11")
    done = held(theatre, folder, first, call, lambda: action(**second))
    for run in done:
        assert (run.exit_code, run.outputs["result"]) == (0, "complete"), run.log
    families = heads(theatre)
    for inputs in (OLD, NEW):
        assert_changes_nothing(action, inputs)
    assert heads(theatre) == families
    return done


def held(
    theatre: Theatre, folder: Path, inputs: Any, call: str, meanwhile: Callable[[], Finished]
) -> tuple[Done, Finished]:
    """A run that stands still at a call until something else is over."""
    theatre.stage.set(call, AT)
    run = process.fork(folder / "held", theatre.emulator.url, inputs)
    try:
        assert theatre.stage.reached(), (folder / "held" / "log").read_text("utf-8")
        other = meanwhile()
    finally:
        theatre.stage.release()
        code = run.end()
    return run.left(code), other


def assert_changes_nothing(action: Action, inputs: Any) -> None:
    before = len(action.mutations())
    assert action(**inputs).result == "complete"
    assert len(action.mutations()) == before


def heads(theatre: Theatre) -> dict[str, str]:
    found: dict[str, str] = standing(theatre.emulator)["heads"]
    return found
