"""A sweep that is killed at each call, and one that stands still there while another does everything (A6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testkit.crash import threads
from testkit.lifecycle.sweeping import LINES, Swept, moment, names, release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from emulator.testing import Running
    from testkit.crash.theatre import Theatre
    from testkit.crash.threads import MortalLoop

GIVEN = {**LINES, "keep": "1", "apply": "true"}
#: The calls are divided among so many tests, because how many there are is only known once a sweep has run.
SHARES = 8
KEPT = {"web-v3", "web-v3-eu", "web-v3-asia", "arm-v3", "arm-v3-eu"}


def begin(theatre: Theatre) -> None:
    """A release that stays and one to delete of each architecture, which go together; and one to retire."""
    emulator = theatre.emulator
    emulator.reset()
    theatre.stage.set()
    gone: dict[str, Any] = {"marked": "DEPRECATED", "deleted": moment(-2), "labels": {"release": "v1"}}
    release(emulator, "web-v3", age=50)
    release(emulator, "web-v2", age=200, places=("eu",))
    release(emulator, "web-v1", age=300, **gone)
    release(emulator, "arm-v3", age=50, line="web-arm64", places=("eu",), architecture="ARM64")
    release(emulator, "arm-v1", age=300, line="web-arm64", places=("eu",), architecture="ARM64", **gone)


def standing(emulator: Running) -> dict[str, Any]:
    """What is there: each image's deprecation, and whether it has a date, which differs from run to run."""
    return {
        image["name"]: {**image.get("deprecated", {}), "deleted": bool(image.get("deprecated", {}).get("deleted"))}
        for image in emulator.state()["images"]
    }


@pytest.fixture(scope="module")
def undisturbed(theatre: Theatre, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Sequence[str]]:
    """What a sweep leaves, and its calls."""
    begin(theatre)
    done = Swept(theatre.emulator, tmp_path_factory.mktemp("sweep"), GIVEN)
    assert (done.exit_code, done.document["retired"], done.document["purged"]) == (0, 2, 5), done.log
    assert names(theatre.emulator) == KEPT | {"web-v2", "web-v2-eu"}
    return standing(theatre.emulator), sorted(theatre.stage.calls)


@pytest.fixture
def sweep(theatre: Theatre, tmp_path: Path) -> Callable[[MortalLoop], Swept]:
    """A sweep for a thread; its results go to a folder of their own."""
    folder = tmp_path / "first"
    folder.mkdir()
    return lambda loop: Swept(theatre.emulator, folder, GIVEN, make_loop=lambda: loop)


def settled(theatre: Theatre, folder: Path, wanted: dict[str, Any]) -> None:
    """More sweeps end as one that nothing disturbed, and after them nothing is to be done.

    Mostly the first of them does. What the killed one was deleting may be DELETING still, and is left to the next.
    """
    for _ in range(6):
        again = Swept(theatre.emulator, folder, GIVEN)
        assert again.exit_code == 0, again.log
        if not again.changed and standing(theatre.emulator) == wanted:
            return
    assert standing(theatre.emulator) == wanted, again.log
    assert again.changed == []


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed(
    theatre: Theatre,
    tmp_path: Path,
    undisturbed: tuple[dict[str, Any], Sequence[str]],
    sweep: Callable[[MortalLoop], Swept],
    when: str,
    share: int,
    record_property: Callable[[str, object], None],
) -> None:
    """I10: killed, then a rerun."""
    wanted, calls = undisturbed
    for call in calls[share::SHARES]:
        begin(theatre)
        threads.killed(theatre.stage, call, when, sweep)
        assert names(theatre.emulator) >= KEPT, call
        settled(theatre, tmp_path, wanted)
        record_property("counted", "a sweep killed at a call, then a rerun")


@pytest.mark.parametrize("share", range(SHARES))
def test_two_sweeps(
    theatre: Theatre,
    tmp_path: Path,
    undisturbed: tuple[dict[str, Any], Sequence[str]],
    sweep: Callable[[MortalLoop], Swept],
    share: int,
    record_property: Callable[[str, object], None],
) -> None:
    """One stands still at a call while the other does everything, then goes on with what it knew."""
    wanted, calls = undisturbed
    for call in calls[share::SHARES]:
        begin(theatre)
        with threads.held(theatre.stage, call, "after", sweep) as left:
            other = Swept(theatre.emulator, tmp_path, GIVEN)
        (first,) = left
        assert (first.exit_code, other.exit_code) == (0, 0), f"{call}\n{first.log}\n{other.log}"
        assert standing(theatre.emulator) == wanted, call
        settled(theatre, tmp_path, wanted)
        record_property("counted", "two sweeps interleaved at a call")
