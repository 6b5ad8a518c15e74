"""`release publish`: every fault at every call, every end at every call, and two runs at once, heal by running again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.commands.release.forges.http import Door
from testkit.forges.caller import FILES, Caller
from testkit.forges.front import FAULTS, Request, front
from testkit.forges.github import GitHub

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The calls of a first run; test_the_calls_are_all_calls counts them.
CALLS = 34
WANTED = {*FILES, "SHA256SUMS"}


def world() -> tuple[GitHub, int]:
    """A GitHub with a foreign release, and a foreign asset in a draft of ours that holds an older file."""
    github = GitHub()
    other = github.add("v1.0", draft=False)
    github.add_asset(other, "boot.iso", b"of another release")
    return github, other.id


def check(github: GitHub, other: int) -> None:
    """Exactly the wanted release, nothing twice, nothing foreign touched."""
    assert set(github.assets("boot-v7")) == WANTED
    assert {name: github.assets("boot-v7")[name] for name in FILES} == FILES
    assert list(github.releases[other].content.values()) == [b"of another release"]
    assert len(github.releases) == 2


def test_the_calls_are_all_calls(tmp_path: Path) -> None:
    github, other = world()
    with front(github) as server:
        github.url = server.url
        assert Caller(tmp_path, server.url)().result == "published"
        assert len(server.journal) == CALLS
        check(github, other)


@pytest.mark.parametrize("often", [1, 2])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(CALLS))
def test_a_fault_at_a_call(
    number: int, fault: str, often: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", "faults at calls of release publish")
    github, other = world()
    with front(github) as server:
        github.url = server.url
        server.fault = lambda now, _request: fault if number <= now < number + often else ""
        caller = Caller(tmp_path, server.url)
        first = caller()
        assert first.exit_code in {0, 3}, first.log
        server.fault = lambda _now, _request: ""
        assert caller().exit_code == 0
        check(github, other)
        written = len(server.writes)
        assert caller().result == "unchanged"
        assert len(server.writes) == written


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(CALLS))
def test_killed_at_a_call(
    number: int,
    late: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("counted", "ends at calls of release publish")
    github, other = world()
    with front(github) as server:
        github.url = server.url
        caller = Caller(tmp_path, server.url)
        real, done = Door._once, [0]

        def ending(door: Door, *args: object) -> object:
            done[0] += 1
            if done[0] == number + 1 and not late:
                raise Killed
            answer = real(door, *args)  # type: ignore[arg-type]
            if done[0] == number + 1:
                raise Killed
            return answer

        monkeypatch.setattr(Door, "_once", ending)
        with pytest.raises(Killed):
            caller()
        monkeypatch.undo()
        assert caller().exit_code == 0
        check(github, other)


@pytest.mark.parametrize("number", range(CALLS))
def test_another_run_at_a_call(number: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    record_property("counted", "other runs at calls of release publish")
    github, other = world()
    with front(github) as server, front(github) as beside:
        github.url = server.url
        second = Caller(tmp_path / "second", beside.url)

        def meanwhile(now: int, _request: Request) -> None:
            if now == number:
                github.url = beside.url
                assert second().exit_code == 0
                github.url = server.url

        server.before = meanwhile
        first = Caller(tmp_path / "first", server.url)()
        assert first.exit_code == 0, first.log
        server.before = lambda _now, _request: None
        assert Caller(tmp_path / "third", server.url)().result == "unchanged"
        check(github, other)
