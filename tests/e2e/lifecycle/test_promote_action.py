"""A release is promoted and rolled back through the real promote/action.yml."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from testkit.action import MUTATING
from testkit.harness.callers import new_job, with_environment
from testkit.harness.job import Action, on_branch, pull_request
from testkit.lifecycle.releases import heads, marked, release
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emulator.testing import Running
    from testkit.harness.callers import SetUp
    from testkit.harness.job import Run, Under

OUTPUTS = set(yaml.safe_load((ROOT / "promote" / "action.yml").read_text("utf-8"))["outputs"])
DISPATCH = on_branch("workflow_dispatch")
WEB = {"families": "web-x, web-arm64", "project_id": "p1"}
BACK = {**WEB, "verb": "rollback"}


@pytest.fixture
def job(action: Action, set_up: SetUp, compute: Running, tmp_path: Path) -> Callable[..., Run]:
    """A job that uses the action once, for two architectures with two releases each."""
    for number in (1, 2):
        for line in ("web-x", "web-arm64"):
            release(compute, f"{line}-{number}", day=number, line=line, labels={"release": f"v{number}"})
    count = iter(range(9))

    def use(inputs: dict[str, str], event: object = DISPATCH, *, first: bool = False, **watch: object) -> Run:
        caller = new_job(action, compute, tmp_path / f"job{next(count)}")
        if not first:
            with_environment(caller, set_up.environments)
        run = caller.job.run(Action.load(action.path / "promote"), event, inputs, **watch)  # type: ignore[arg-type]
        assert set(run.outputs) == OUTPUTS
        assert run.outputs["result"] in {"complete", "planned", "failed"}
        assert run.outputs["reason"]
        for name in ("families", "releases", "default"):
            run.json(name)
        return run

    return use


def newest(compute: Running, number: int) -> bool:
    """Whether all six families resolve to that release."""
    found = {name for family, name in heads(compute).items() if family != "web"}
    return len(found) == 6 and all(f"-{number}" in name for name in found)


def changed(compute: Running) -> list[str]:
    return [entry["target"] for entry in compute.journal() if entry["method"].rpartition(".")[2] in MUTATING]


def test_back_and_forward(job: Callable[..., Run], compute: Running) -> None:
    shown = job(BACK, pull_request())
    assert (shown.exit_code, shown.outputs["result"], changed(compute)) == (0, "planned", []), shown.log
    back = job(BACK)
    assert (back.exit_code, back.ran, back.outputs["result"]) == (0, ["setup", "promote"], "complete"), back.log
    assert newest(compute, 1)
    assert back.json("default") == {"web-x": "v1", "web-arm64": "v1"}
    assert {row["after"] == row["wanted"] for row in back.json("families")} == {True}
    assert "| web-arm64-eu | web-arm64-2-eu | web-arm64-1-eu |" in back.summary
    assert [note.level for note in back.annotations] == ["notice"]
    refused = job({**WEB, "release": "v2"})
    assert (refused.exit_code, refused.conclusion, refused.outputs["failed"]) == (1, "failure", "2"), refused.log
    assert "error" in {note.level for note in refused.annotations}
    forward = job({**WEB, "release": "v2", "reactivate": "true"})
    assert (forward.exit_code, forward.outputs["result"]) == (0, "complete"), forward.log
    assert newest(compute, 2)
    assert not marked(compute)


def test_an_input_that_is_wrong(job: Callable[..., Run], compute: Running) -> None:
    run = job({**WEB, "verb": "undo"})
    assert (run.exit_code, run.outputs["result"]) == (2, "failed")
    assert "Input verb" in {note.title for note in run.annotations}
    assert not compute.journal()


def test_a_set_up_that_fails(job: Callable[..., Run], compute: Running) -> None:
    run = job({**BACK, "python": "/nowhere/python"}, first=True)
    if run.exit_code == 0:
        pytest.skip("another Python of this machine was found")
    assert (run.outputs["result"], json.loads(run.outputs["families"])) == ("failed", [])
    assert not compute.journal()


def test_a_signal_in_the_middle(job: Callable[..., Run], compute: Running) -> None:
    """A3: an answer that never comes, then SIGTERM; no family is empty, and the rerun that it names does the rest."""
    hang = {"method": "compute.images.deprecate", "skip": 2, "times": 1, "action": {"kind": "hang"}}
    compute.faults([hang])

    def watch(under: Under, line: str) -> None:
        if "Images to mark DEPRECATED" in line:
            while not any(fault["fired"] for fault in compute.faults()):
                time.sleep(0.02)
            under.signal(signal.SIGTERM)

    run = job(BACK, on_line=watch)
    assert run.exit_code == 143, run.log
    assert run.outputs["result"] == "failed"
    assert "rollback --families=web-x,web-arm64 --project-id=p1 --to=v1" in run.log
    assert len(heads(compute)) == 7
    compute.faults([])
    again = job({**BACK, "to": "v1"})
    assert (again.exit_code, newest(compute, 1)) == (0, True), again.log
