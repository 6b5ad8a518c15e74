"""Releases promoted, rolled back, retired and deleted by workflows as our pages and examples show them (A15)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from testkit.lifecycle.releases import heads, marked
from testkit.lifecycle.sweeping import change, names, two_lines
from testkit.pages import page
from testkit.places import ROOT
from testkit.runners import consumer
from testkit.runners.events import EVENTS, dispatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.testing import Running
    from testkit.harness.job import Event
    from testkit.runners.engine import Ran
    from testkit.runners.runner import Runner

VARIABLES = {
    "GCP_PROJECT": "p1",
    "GCP_WORKLOAD_IDENTITY_PROVIDER": "provider",
    "GCP_LISTER": "lister",
    "GCP_RETIRER_PROVIDER": "provider",
    "GCP_RETIRER": "retirer",
    "WIF_PROVIDER": "provider",
    "IMAGE_PUBLISHER": "publisher",
}
RULES = "project_id: p1\nlines:\n  web: {}\n  web-arm64: {}\n"
#: What is due of the two lines: their oldest release is retired, the next one isn't.
PURGED = {"web-v1", "web-v1-eu", "web-v1-asia", "arm-v1", "arm-v1-eu"}
RETIRED = {"web-v2", "web-v2-eu", "web-v2-asia", "arm-v2", "arm-v2-eu"}


@pytest.fixture
def compute() -> Iterator[Running]:
    """Five releases of two architectures, and images of others."""
    with running(copy_seconds=0.05) as emulator:
        two_lines(emulator)
        yield emulator


def run(runner: Runner, event: Event, name: str, text: str) -> Ran:
    repository = runner.folder / "repository"
    repository.mkdir(exist_ok=True)
    (repository / "retention.yaml").write_text(RULES, "utf-8")
    served = consumer.stand_ins(runner.folder / "actions", text)
    return runner.run(event, {name: text}, served=served, variables=VARIABLES)


def retention(runner: Runner, event: str) -> Ran:
    text = (ROOT / "workflows-examples" / "retention.yml").read_text("utf-8")
    return run(runner, EVENTS[event], "retention.yml", text)


class TestRetention:
    """The example: one job plans, another one does what was approved."""

    @pytest.mark.parametrize("event", ["schedule", "dispatch, absent"])
    def test_what_is_due_goes(self, runner: Runner, event: str) -> None:
        before = names(runner.emulator)
        ran = retention(runner.prepare(), event)
        assert ran.jobs == {"plan": "success", "apply": "success"}, ran
        assert names(runner.emulator) == before - PURGED
        assert marked(runner.emulator).keys() - {"db-v1"} == RETIRED
        assert (ran.witness / "artifacts" / "retention-plan" / "retention-plan.json").exists()

    def test_nothing_due_asks_nobody(self, runner: Runner) -> None:
        for name in PURGED | RETIRED:
            change(runner.emulator, name, lambda image: image.labels.update(hold="true"))
        before = runner.emulator.state()
        ran = retention(runner.prepare(), "schedule")
        assert ran.jobs == {"plan": "success"}, ran
        assert runner.emulator.state() == before

    def test_a_read_that_fails_fails_the_job(self, runner: Runner) -> None:
        action = {"kind": "http", "code": 403, "reason": "forbidden", "message": "no"}
        runner.emulator.faults([{"method": "compute.images.list", "times": None, "action": action}])
        before = runner.emulator.state()
        ran = retention(runner.prepare(), "schedule")
        assert ran.jobs == {"plan": "failure"}, ran
        assert ran.exit_codes["retain/retain"] == 3
        assert runner.emulator.state() == before


def test_a_rollback_and_a_promotion(runner: Runner) -> None:
    """The workflow of the page, started by a person: back, forward to what was withdrawn (refused), and further back."""
    (text,) = re.findall(r"^```yaml\n(on:\n.*?)^```$", page("promote-and-rollback.md"), re.MULTILINE | re.DOTALL)
    text = f"name: Turn\n{text}".replace("acme-images", "p1")
    emulator = runner.emulator
    families = ("web", "web-eu", "web-asia", "web-arm64", "web-arm64-eu")
    runner.prepare()

    def turned(verb: str, release: str = "") -> tuple[Ran, set[str]]:
        ran = run(runner, dispatch(verb=verb, release=release), "turn.yml", text)
        return ran, {re.split("-", heads(emulator)[family])[1] for family in families}

    back, led = turned("rollback")
    assert (back.jobs, led) == ({"turn": "success"}, {"v4"}), back
    refused, led = turned("promote", "v5")
    assert (refused.jobs, led) == ({"turn": "failure"}, {"v4"}), refused
    assert 1 in refused.exit_codes.values(), refused
    further, led = turned("rollback", "v2")
    assert (further.jobs, led) == ({"turn": "success"}, {"v2"}), further
