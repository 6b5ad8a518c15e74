"""The workflows that others copy, byte for byte: only other people's actions and Packer are stood in for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from tests.e2e.harness import ROOT
from tests.runners import consumer
from tests.runners.test_events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.testing import Running
    from tests.runners.conftest import Runner
    from tests.runners.engine import Ran

pytestmark = [
    pytest.mark.skipif(shutil.which(name) is None, reason=f"{name}, which the example calls, is not installed")
    for name in ("gcloud", "jq")
]

EXAMPLE = "gce-image-build.yml"
VARIABLES = {"GCP_PROJECT": "p1", "GCP_WORKLOAD_IDENTITY_PROVIDER": "provider", "GCP_SERVICE_ACCOUNT": "account"}
BUILT = {"web-1-1": ("us", "web", True)}
WHOLE = {**BUILT, "web-1-1-eu": ("eu", "web-eu", True), "web-1-1-asia": ("asia", "web-asia", True)}
REFUSED = {"kind": "http", "code": 403, "reason": "forbidden", "message": "no"}


@pytest.fixture
def compute() -> Iterator[Running]:
    """An empty project: the workflow builds the image."""
    with running(copy_seconds=0.05) as emulator:
        yield emulator
        emulator.assert_faults_used()


def run(runner: Runner, event: str) -> Ran:
    text = (ROOT / "workflows-examples" / EXAMPLE).read_text("utf-8")
    (runner.folder / "repository" / "packer").mkdir(parents=True)
    (runner.folder / "repository" / "packer" / "web.pkr.hcl").write_text("# for Packer\n", "utf-8")
    served = consumer.stand_ins(runner.folder / "actions", text)
    assert len(served) == 2
    return runner.run(EVENTS[event], {EXAMPLE: text}, served=served, variables=VARIABLES)


@pytest.mark.parametrize("event", ["tag", "dispatch, true"])
def test_image_is_built_and_replicated(runner: Runner, event: str) -> None:
    ran = run(runner.prepare(), event)
    assert ran.jobs == {"image": "success"}, ran
    assert runner.images() == WHOLE
    assert ran.stages == ["decide", "setup", "replicate"]
    assert any(line.startswith("result: complete, failed: none, index: sha256:") for line in ran.log)
    assert "eu\tprojects/p1/global/images/web-1-1-eu" in ran.log


@pytest.mark.parametrize("event", ["dispatch, false", "dispatch, absent"])
def test_image_is_built_only(runner: Runner, event: str) -> None:
    ran = run(runner, event)
    assert ran.jobs == {"image": "success"}, ran
    assert runner.images() == BUILT
    assert ran.stages == ["decide"]


def test_pull_request_leaves_nothing(runner: Runner) -> None:
    ran = run(runner, "pull request")
    assert ran.jobs == {"image": "success"}, ran
    made = [entry["target"] for entry in runner.emulator.journal() if entry["method"] == "compute.images.insert"]
    assert made == ["projects/p1/global/images/web-pr-1-1"]
    assert runner.images() == {}
    assert "The image web-pr-1-1 is deleted." in ran.log


def test_pull_request_of_a_fork_runs_no_job(runner: Runner) -> None:
    ran = run(runner, "pull request of a fork")
    assert ran.jobs == {}, ran
    assert runner.emulator.journal() == []


def test_location_that_fails_is_a_warning(runner: Runner) -> None:
    runner.emulator.faults([{"method": "compute.images.insert", "match": "-eu", "times": None, "action": REFUSED}])
    ran = run(runner.prepare(), "tag")
    assert ran.jobs == {"image": "success"}, ran
    assert runner.images() == {name: image for name, image in WHOLE.items() if name != "web-1-1-eu"}
    assert any(line.startswith("result: partial, failed: eu, index: sha256:") for line in ran.log)
    assert [note.title for note in ran.annotations if note.level == "warning"] == ["eu"]
