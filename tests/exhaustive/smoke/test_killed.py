"""A run that is interrupted or killed at each of its calls, or of which each call fails once, leaves nothing for long."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from scripts.smoke.api import NoCredentials
from scripts.smoke.run import Interrupted
from testkit.smoking.trying import PROJECT, Tried, cloud, ours, standing
from testkit.tiers import few

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASKED: dict[str, Any] = {"only": ("family", "registry"), "registry": True}
OTHERS = [
    {"project": PROJECT, "name": "web-1", "family": "web", "public": True, "labels": {"a": "b"}},
    {"project": PROJECT, "name": "girs-0123abcd-unlabelled"},
    {"project": "other-project", "name": "web-2"},
]
#: As many calls as a run makes that nothing disturbs, and those of them that change something.
CALLS, CHANGES = 77, 18
SIGTERM = 15


class Killed(BaseException):
    """The process is gone."""


def undisturbed(folder: Path) -> list[str]:
    with cloud(images=OTHERS) as emulator:
        tried = Tried(emulator, folder)
        tried.go(**ASKED)
        assert ours(emulator) == ["girs-0123abcd-unlabelled"]
        return tried.requests


def changing(request: str) -> bool:
    """Whether a request changes something, so that before and after it are two things."""
    verb, _, path = request.partition(" ")
    return verb != "GET" and not path.endswith(("/wait", ":testIamPermissions"))


def test_the_calls_are_all_calls(tmp_path: Path) -> None:
    requests = undisturbed(tmp_path)
    assert (len(requests), len([each for each in requests if changing(each)])) == (CALLS, CHANGES)


def left(emulator: Any) -> list[str]:
    return [name for name in ours(emulator) if not name.endswith("unlabelled")]


@pytest.mark.parametrize("at", few(range(1, CALLS + 1), 20))
def test_interrupted_before_a_call(tmp_path: Path, at: int) -> None:
    interrupted(tmp_path, lambda when, request, number, changes: when == "before" and number == at)


@pytest.mark.parametrize("at", few(range(1, CHANGES + 1), 2))
def test_interrupted_after_a_change(tmp_path: Path, at: int) -> None:
    interrupted(tmp_path, lambda when, request, number, changes: when == "after" and changes == at)


def interrupted(folder: Path, here: Callable[[str, str, int, int], bool]) -> None:
    """The clean-up of the run itself is enough, whenever the signal comes."""
    with cloud(images=OTHERS) as emulator:
        before = standing(emulator)
        tried = Tried(emulator, folder)
        run = tried.run(**ASKED)
        changes: list[str] = []

        def tap(when: str, request: str, number: int) -> None:
            if when == "after" and changing(request):
                changes.append(request)
            if here(when, request, number, len(changes)) and not run.signals.number:
                run.signals.heard(SIGTERM)

        tried.tap = tap
        try:
            run.check()
            code = run.go()
        except Interrupted:
            assert not changes
            code = 128 + SIGTERM
        assert code == 128 + SIGTERM
        assert (left(emulator), standing(emulator)) == ([], before)


@pytest.mark.parametrize("at", few(range(1, CHANGES + 1), 2))
def test_killed_at_a_change(tmp_path: Path, at: int) -> None:
    """Nothing of the run goes on; one `smoke-clean` is enough."""
    with cloud(images=OTHERS) as emulator:
        before = standing(emulator)
        tried = Tried(emulator, tmp_path)
        changes: list[str] = []

        def tap(moment: str, request: str, number: int) -> None:
            if moment == "before" and changing(request):
                changes.append(request)
            # Of every other change the answer was lost, the others were never sent.
            lost = moment == ("before", "after")[at % 2] or changes[-1:] != [request]
            if len(changes) > at or (len(changes) == at and lost):
                raise Killed

        tried.tap = tap
        with pytest.raises(Killed):
            tried.go(**ASKED)
        assert tried.clean() == []
        assert (left(emulator), standing(emulator)) == ([], before)


FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."},
    "busy": {"kind": "http", "code": 503, "reason": "backendError"},
    "dropped": {"kind": "drop", "when": "after", "how": "close"},
}
#: The faults in turn, and each of them at the calls that make something first.
CASES = [(number, list(FAULTS)[number % len(FAULTS)]) for number in range(1, CALLS + 1)]
CASES += [(number, fault) for number in range(3, 9) for fault in FAULTS if (number, fault) not in CASES]


@pytest.mark.parametrize(("at", "fault"), few(CASES, (3, "refused"), (5, "dropped")))
def test_each_call_fails_once(tmp_path: Path, at: int, fault: str) -> None:
    with cloud(images=OTHERS) as emulator:
        before = standing(emulator)
        emulator.faults([{"skip": at - 1, "times": 1, "action": FAULTS[fault]}])
        tried = Tried(emulator, tmp_path)
        run = tried.run(**ASKED)
        with pytest.raises(NoCredentials) if fault == "refused" and at == 1 else nullcontext():
            run.check()
            run.go()
        if left(emulator):
            assert tried.clean() == []
        assert (left(emulator), standing(emulator)) == ([], before)
