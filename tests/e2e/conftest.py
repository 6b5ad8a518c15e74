"""Jobs that run the real action against an emulator; the action's own set-up is made once for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.testing import Running, running
from testkit.harness.callers import (
    HOSTILE_ENV,
    OFFLINE,
    Caller,
    SetUp,
    add_source,
    locked,
    new_job,
    shared_by_workers,
    with_environment,
)
from testkit.harness.hostile import make_hostile
from testkit.harness.job import Action, Job, export, network, tag_push

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all of pytest's workers share."""
    return shared_by_workers(tmp_path_factory)


@pytest.fixture(scope="session")
def action(common: Path) -> Action:
    """The action, exported as a release would hold it."""
    folder = common / "_actions"
    with locked(common / "export.lock"):
        if not (common / "exported").exists():
            (common / "exported").write_text(str(export(folder)), "utf-8")
    return Action.load(Path((common / "exported").read_text("utf-8")))


@pytest.fixture(scope="session")
def set_up(common: Path, action: Action) -> SetUp:
    """Made once, in a workspace that means harm. Skips where there is no package index to make it from."""
    job = Job(folder=common / "first job", env={**network(), **HOSTILE_ENV})
    report = common / "set-up.json"
    with locked(common / "set-up.lock"):
        if not report.exists():
            witness = common / "witness"
            make_hostile(job.workspace, witness)
            run = job.run(action, tag_push("v1"))
            executed = witness.read_text("utf-8") if witness.exists() else ""
            told = {"log": run.log, "ran": run.ran, "exit_code": run.exit_code, "executed": executed}
            report.write_text(json.dumps(told), "utf-8")
    done = SetUp(job, json.loads(report.read_text("utf-8")))
    if "replicate" not in done.ran and OFFLINE.search(done.log):
        pytest.skip("the action's set-up needs a Python package index, and pip reached none")
    assert done.ran == ["decide", "setup", "replicate"], done.log
    return done


@pytest.fixture
def compute() -> Iterator[Running]:
    """An emulator with the image that the manifest names."""
    with running(copy_seconds=0.05) as emulator:
        add_source(emulator)
        yield emulator


@pytest.fixture
def slow_compute() -> Iterator[Running]:
    """One whose copies take longer than any test."""
    with running(copy_seconds=30) as emulator:
        add_source(emulator)
        yield emulator


@pytest.fixture
def new_caller(action: Action, compute: Running, tmp_path: Path) -> Caller:
    """A job in which nothing is set up yet."""
    return new_job(action, compute, tmp_path)


@pytest.fixture
def caller(action: Action, set_up: SetUp, compute: Running, tmp_path: Path) -> Caller:
    """A job in which an earlier use of the action made its environment."""
    return with_environment(new_job(action, compute, tmp_path), set_up.environments)


@pytest.fixture
def slow_caller(action: Action, set_up: SetUp, slow_compute: Running, tmp_path: Path) -> Caller:
    return with_environment(new_job(action, slow_compute, tmp_path), set_up.environments)
