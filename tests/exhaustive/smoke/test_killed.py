"""A run that is interrupted or killed at each of its calls, or of which each call fails once, leaves nothing for long."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from scripts.smoke.api import NoCredentials
from testkit.smoking.trying import PROJECT, Tried, cloud, ours, standing
from testkit.tiers import few

if TYPE_CHECKING:
    from pathlib import Path

ASKED: dict[str, Any] = {"only": ("copy", "registry"), "registry": True}
OTHERS = [
    {"project": PROJECT, "name": "web-1", "family": "web", "public": True, "labels": {"a": "b"}},
    {"project": PROJECT, "name": "girs-0123abcd-unlabelled"},
    {"project": "other-project", "name": "web-2"},
]
#: As many calls as a run makes that nothing disturbs; `test_the_calls_are_all_calls` says so.
CALLS = 100
SIGTERM = 15
POINTS = [(number, when) for number in range(1, CALLS + 1) for when in ("before", "after")]
AT_ONCE = ((3, "after"), (20, "before"), (21, "after"))


class Killed(BaseException):
    """The process is gone."""


def undisturbed(folder: Path) -> list[str]:
    with cloud(images=OTHERS) as emulator:
        tried = Tried(emulator, folder)
        tried.go(**ASKED)
        assert ours(emulator) == ["girs-0123abcd-unlabelled"]
        return tried.requests


def test_the_calls_are_all_calls(tmp_path: Path) -> None:
    assert CALLS - 5 <= len(undisturbed(tmp_path)) <= CALLS


def left(emulator: Any) -> list[str]:
    return [name for name in ours(emulator) if not name.endswith("unlabelled")]


@pytest.mark.parametrize(("at", "when"), few(POINTS, *AT_ONCE))
def test_interrupted(tmp_path: Path, at: int, when: str) -> None:
    """The clean-up of the run itself is enough."""
    with cloud(images=OTHERS) as emulator:
        before = standing(emulator)
        tried = Tried(emulator, tmp_path)
        run = tried.run(**ASKED)

        def tap(moment: str, request: str, number: int) -> None:
            if (number, moment) == (at, when):
                run.signals.heard(SIGTERM)

        run.check()
        tried.tap = tap
        code = run.go()
        assert code == (128 + SIGTERM if at <= len(tried.requests) and at > 2 else 1)
        assert (left(emulator), standing(emulator)) == ([], before)


@pytest.mark.parametrize(("at", "when"), few(POINTS, *AT_ONCE))
def test_killed(tmp_path: Path, at: int, when: str) -> None:
    """Nothing of the run goes on; one `smoke-clean` is enough."""
    with cloud(images=OTHERS) as emulator:
        before = standing(emulator)
        tried = Tried(emulator, tmp_path)

        def tap(moment: str, request: str, number: int) -> None:
            if number > at or (number == at and when in {moment, "before"}):
                raise Killed

        tried.tap = tap
        try:
            tried.go(**ASKED)
        except Killed:
            pass
        else:
            assert at > len(tried.requests)
        assert tried.clean() == []
        assert (left(emulator), standing(emulator)) == ([], before)


FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."},
    "busy": {"kind": "http", "code": 503, "reason": "backendError"},
    "dropped": {"kind": "drop", "when": "after", "how": "close"},
}
CASES = [(number, fault) for number in range(1, CALLS + 1) for fault in FAULTS]


@pytest.mark.parametrize(("at", "fault"), few(CASES, (3, "refused"), (21, "dropped"), (22, "busy")))
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
