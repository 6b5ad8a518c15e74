"""Releases are retired, and deleted, through the real retain/action.yml."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from testkit.harness.callers import new_job, with_environment
from testkit.harness.job import Action, on_branch, pull_request
from testkit.lifecycle.sweeping import LINES, change, changes, names, two_lines
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.testing import Running
    from testkit.harness.callers import SetUp
    from testkit.harness.job import Run

OUTPUTS = set(yaml.safe_load((ROOT / "retain" / "action.yml").read_text("utf-8"))["outputs"])
SCHEDULE = on_branch("schedule")
#: What goes of the world of `two_lines`.
RETIRED = {"web-v2", "web-v2-eu", "web-v2-asia", "arm-v2", "arm-v2-eu"}
PURGED = {"web-v1", "web-v1-eu", "web-v1-asia", "arm-v1", "arm-v1-eu"}


@pytest.fixture
def job(action: Action, set_up: SetUp, compute: Running, tmp_path: Path) -> Callable[..., Run]:
    """A job that uses the action once; files are put into its workspace first. Checks what holds for every use."""
    two_lines(compute)
    count = iter(range(9))

    def use(inputs: dict[str, str], event: object = SCHEDULE, *, first: bool = False, **files: Path) -> Run:
        caller = new_job(action, compute, tmp_path / f"job{next(count)}")
        if not first:
            with_environment(caller, set_up.environments)
        for name, path in files.items():
            shutil.copy(path, caller.job.workspace / f"{name}{path.suffix}")
        run = caller.job.run(Action.load(action.path / "retain"), event, inputs)  # type: ignore[arg-type]
        assert set(run.outputs) == OUTPUTS
        assert run.outputs["result"] in {"complete", "planned", "failed"}
        assert run.outputs["reason"]
        assert isinstance(run.json("releases"), list)
        assert isinstance(run.json("default"), dict)
        assert all(run.outputs[name].isdecimal() for name in ("due", "retired", "purged", "failed"))
        assert bool(run.outputs["plan_path"]) == bool(run.outputs["plan_digest"])
        return run

    return use


def counts(run: Run) -> dict[str, int]:
    return {name: int(run.outputs[name]) for name in ("due", "retired", "purged", "failed")}


def test_a_plan_is_approved_and_applied(job: Callable[..., Run], compute: Running) -> None:
    """Two jobs, as in workflows-examples/retention.yml; meanwhile one release is held."""
    plan = job(LINES)
    assert (plan.exit_code, plan.ran, plan.outputs["result"]) == (0, ["setup", "retain"], "planned"), plan.log
    assert counts(plan) == {"due": 10, "retired": 0, "purged": 0, "failed": 0}
    assert plan.json("default") == {"web": "v5", "web-arm64": "v5"}
    assert not changes(compute)
    path = Path(plan.outputs["plan_path"])
    assert plan.outputs["plan_digest"] == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    approved = json.loads(path.read_bytes())
    assert {image["name"] for image in approved["purge"]} == PURGED
    assert {image["name"] for image in approved["retire"]} == RETIRED
    assert "add-labels web-v2-asia --project=p1 --labels=hold=true" in plan.summary
    # Its other architecture waits for it.
    change(compute, "arm-v2-eu", lambda image: image.labels.update(hold="legal"))
    wanted = {**LINES, "apply": "true", "approved_plan": "approved.json"}
    done = job(wanted, approved=path)
    assert (done.exit_code, done.outputs["result"]) == (0, "complete"), done.log
    assert counts(done) == {"due": 5, "retired": 0, "purged": 5, "failed": 0}
    assert not names(compute) & PURGED
    assert names(compute) >= RETIRED | {"my-test", "db-v1"}
    assert {method for method, _ in changes(compute)} == {"delete"}
    held = {row["source"]["name"]: row["reason"] for row in done.json("releases")}
    assert (held["arm-v2"], held["web-v2"]) == ("hold", "group")
    before = len(changes(compute))
    again = job(wanted, approved=path)
    assert (again.exit_code, counts(again)["due"], len(changes(compute))) == (0, 0, before), again.log


def test_a_pull_request_only_shows_the_plan(job: Callable[..., Run], compute: Running) -> None:
    run = job({**LINES, "apply": "true"}, pull_request())
    assert (run.exit_code, run.outputs["result"], run.outputs["due"]) == (0, "planned", "10"), run.log
    assert "warning" in {note.level for note in run.annotations}
    assert not changes(compute)


def test_a_call_that_fails(job: Callable[..., Run], compute: Running) -> None:
    """The job is red, and the outputs say what was done all the same."""
    action = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
    compute.faults([{"method": "compute.images.delete", "times": 1, "action": action}])
    run = job({**LINES, "apply": "true"})
    assert (run.exit_code, run.conclusion, run.outputs["result"]) == (1, "failure", "failed"), run.log
    told = counts(run)
    assert told["purged"] == sum(method == "delete" for method, _ in changes(compute)) < 5
    assert told["failed"] > 0
    assert run.annotations


def test_an_input_that_is_wrong(job: Callable[..., Run], compute: Running) -> None:
    run = job({**LINES, "apply": "true", "keep": "0", "grace_days": "soon"})
    assert (run.exit_code, run.outputs["result"], run.outputs["plan_path"]) == (2, "failed", ""), run.log
    assert {note.title for note in run.annotations} >= {"Input keep", "Input grace_days"}
    assert not compute.journal()


def test_a_set_up_that_fails(job: Callable[..., Run], compute: Running) -> None:
    run = job({**LINES, "apply": "true", "python": "/nowhere/python"}, first=True)
    if run.exit_code == 0:
        pytest.skip("another Python of this machine was found")
    assert (run.outputs["result"], run.json("releases"), run.json("default")) == ("failed", [], {})
    assert counts(run) == {"due": 0, "retired": 0, "purged": 0, "failed": 0}
    assert not compute.journal()
