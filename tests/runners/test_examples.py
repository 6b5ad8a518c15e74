"""The workflows that others copy, byte for byte: only other people's actions and Packer are stood in for."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from tests.e2e.harness import ROOT
from tests.runners import consumer
from tests.runners.test_events import EVENTS
from tests.test_readme import OURS

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


def run(runner: Runner, event: str, example: str = EXAMPLE) -> Ran:
    text = (ROOT / "workflows-examples" / example).read_text("utf-8")
    (runner.folder / "repository" / "packer").mkdir(parents=True)
    (runner.folder / "repository" / "packer" / "web.pkr.hcl").write_text("# for Packer\n", "utf-8")
    served = consumer.stand_ins(runner.folder / "actions", text)
    others = set(re.findall(r"uses: (\S+)@", text)) - {"actions/checkout", *OURS}
    assert {name.partition("@")[0] for name in served} == others
    return runner.run(EVENTS[event], {example: text}, served=served, variables=VARIABLES)


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


RELEASE = "multi-arch.yml"
STEMS = {"web": "X86_64", "web-arm64": "ARM64"}


def released(*, promoted: bool, left_out: str = "") -> dict[str, tuple[str, str, bool]]:
    """Every image of the example's release: where it is, its family, and that everybody may use it."""
    found = {f"{stem}-1-1": ("us", stem, True) for stem in STEMS}
    for stem in STEMS:
        for location in {"us", "eu", "asia"} - {left_out if stem == "web-arm64" else ""}:
            family = f"{stem}-{location}" if promoted and location != left_out else ""
            found[f"{stem}-1-1-{location}"] = (location, family, True)
    return found


class TestRelease:
    """Two architectures and the merge; both builds run beside each other."""

    @pytest.mark.parametrize("event", ["tag", "dispatch, true"])
    def test_all_of_it(self, runner: Runner, event: str) -> None:
        ran = run(runner.prepare(), event, RELEASE)
        assert ran.jobs == {"build": "success", "merge": "success"}, ran
        assert runner.images() == released(promoted=True)
        assert {image["name"]: image["architecture"] for image in runner.emulator.state()["images"]} == {
            name: STEMS[name.partition("-1-1")[0]] for name in released(promoted=True)
        }
        assert any(line.startswith("result: complete, failed: none, index: sha256:") for line in ran.log), ran
        assert "ARM64\teu\tprojects/p1/global/images/web-arm64-1-1-eu" in ran.log

    def test_built_only(self, runner: Runner) -> None:
        ran = run(runner, "dispatch, false", RELEASE)
        assert ran.jobs == {"build": "success", "merge": "success"}, ran
        assert runner.images() == {f"{stem}-1-1": ("us", stem, True) for stem in STEMS}
        assert ran.steps["merge/decide"] == "success"
        assert "merge/setup" not in ran.steps

    def test_pull_request_leaves_nothing_and_merges_nothing(self, runner: Runner) -> None:
        ran = run(runner, "pull request", RELEASE)
        assert ran.jobs == {"build": "success"}, ran
        assert runner.images() == {}

    def test_pull_request_of_a_fork_runs_no_job(self, runner: Runner) -> None:
        ran = run(runner, "pull request of a fork", RELEASE)
        assert ran.jobs == {}, ran
        assert runner.emulator.journal() == []

    def test_a_location_that_one_lacks_is_left_out_for_both(self, runner: Runner) -> None:
        fault = {"method": "compute.images.insert", "match": "arm64-1-1-asia", "times": None, "action": REFUSED}
        runner.emulator.faults([fault])
        ran = run(runner.prepare(), "tag", RELEASE)
        assert ran.jobs == {"build": "success", "merge": "success"}, ran
        assert runner.images() == released(promoted=True, left_out="asia")
        assert any(line.startswith("result: partial, failed: asia, index: sha256:") for line in ran.log), ran

    def test_a_required_location_that_one_lacks_moves_no_family(self, runner: Runner) -> None:
        fault = {"method": "compute.images.insert", "match": "arm64-1-1-us", "times": None, "action": REFUSED}
        runner.emulator.faults([fault])
        ran = run(runner.prepare(), "tag", RELEASE)
        assert ran.jobs == {"build": "success", "merge": "failure"}, ran
        assert {family for _, family, _ in runner.images().values()} == {"", *STEMS}
        assert any("us is required and not served by ARM64" in line for line in ran.log) or any(
            "us is required and not served by ARM64" in note.message for note in ran.annotations
        )
