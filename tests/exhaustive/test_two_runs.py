"""Two runs at once where copies are made of copies: one stands still before a call while the other does everything.

Both run on one clock with the emulator, whose quota they share and can't see.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from testkit.action import Action, Finished
from testkit.virtual import HeldLoop, JointLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCATIONS = ["us", "eu", "asia", "us-west1", "europe-west1", "asia-east1", "me-west1"]
RELEASE = {"locations": " ".join(LOCATIONS), "timeout_minutes": "300"}
OLD, NEW = ({**RELEASE, "source_image": f"projects/p1/global/images/{name}"} for name in ("web-1", "web-2"))
#: What the run is told of the limit, and what it is.
LIMITS = [("1", 1), ("2", 2), ("", 2)]
#: Before which calls the first run stands still; a run makes some seventy.
CALLS = range(1, 57, 7)


@contextmanager
def service(limit: int) -> Iterator[Running]:
    """It holds two releases."""
    quota = {"copies_per_source": {"count": limit, "minutes": 60}}
    with running(copy_seconds=60, driven=True, scenario={"quotas": quota}) as emulator:
        for name in ("web-1", "web-2"):
            emulator.add_image(project="p1", name=name, family="web", location="us", disk_size_gb=20, public=True)
            emulator.advance(100)
        yield emulator


def at_once(
    emulator: Running, folder: Path, first: dict[str, str], second: dict[str, str], call: int
) -> tuple[Finished, Finished]:
    """The second whole run while the first stands still; then runs of both change nothing."""
    found = []

    def meanwhile(held: HeldLoop) -> None:
        found.append(action_in("second", lambda: JointLoop(emulator, beside=held))(**second))

    def action_in(name: str, make_loop: Callable[[], JointLoop]) -> Action:
        (folder / name).mkdir()
        return Action(emulator, folder / name, make_loop=make_loop)

    done = action_in("first", lambda: HeldLoop(emulator, call, meanwhile))(**first), *found
    for run in done:
        assert (run.exit_code, run.result) == (0, "complete"), run.log
    after = action_in("after", lambda: JointLoop(emulator))
    before = len(after.mutations())
    for inputs in (first, second):
        assert after(**inputs).result == "complete"
    assert len(after.mutations()) == before
    return done[0], done[1]


def heads(emulator: Running) -> dict[str, str]:
    """Of each family, by age."""
    found: list[dict[str, Any]] = emulator.state()["images"]
    by_age = sorted(found, key=lambda image: str(image["creationTimestamp"]))
    return {image["family"]: image["name"] for image in by_age if image.get("family")}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("told", "limit"), LIMITS)
def test_the_same_release_twice(
    told: str, limit: int, call: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A copy that one of them began may come to nothing, for the other one's copies count as well."""
    record_property("counted", "two runs that copy copies")
    with service(limit) as emulator:
        inputs = {**OLD, "copies_per_source": told}
        runs = at_once(emulator, tmp_path, inputs, inputs, call)
        assert {name for image in emulator.state()["images"] if (name := image["name"]) != "web-2"} == {
            "web-1",
            *(f"web-1-{at}" for at in LOCATIONS[1:]),
        }
        for done in runs:
            assert set(done.column("promoted").values()) == {True}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("older", ["stands still", "goes on"])
def test_two_releases(older: str, call: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Every family is the newer release's, or that says what still leads it."""
    record_property("counted", "two runs that copy copies")
    with service(2) as emulator:
        first, second = (OLD, NEW) if older == "stands still" else (NEW, OLD)
        runs = at_once(emulator, tmp_path, first, second, call)
        new = runs[0 if first is NEW else 1]
        for family, head in heads(emulator).items():
            location = family.removeprefix("web").removeprefix("-") or "us"
            assert head.startswith("web-2") or f"still resolves to projects/p1/global/images/{head}" in str(
                new.replicas[location]["message"]
            )
