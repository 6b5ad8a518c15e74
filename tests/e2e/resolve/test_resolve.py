"""A deployment's job, through the real resolve/action.yml: set up as the main action is, then the nearest image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.harness.callers import new_job, with_environment
from testkit.harness.job import Action, branch_push, pull_request
from testkit.resolve import resolving

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running
    from testkit.harness.callers import SetUp
    from testkit.harness.job import Event


@pytest.mark.parametrize("event", [branch_push(), pull_request()], ids=["push", "pull request"])
def test_each_zone_gets_its_image(
    action: Action, set_up: SetUp, compute: Running, tmp_path: Path, event: Event
) -> None:
    """On any event, because nothing is changed."""
    resolve = Action.load(action.path / "resolve")
    job = with_environment(new_job(action, compute, tmp_path / "job"), set_up.environments)
    resolving.write(resolving.published(compute), job.job.workspace)
    before = len(compute.journal())
    for zone, location in (("europe-west4-a", "eu"), ("asia-south1-b", "asia"), ("me-west1-a", "eu")):
        run = job.job.run(resolve, event, {"index": "image-index.json", "zone": zone})
        assert (run.exit_code, run.ran) == (0, ["setup", "resolve"]), run.log
        assert "Setting up" not in run.log
        assert run.outputs["image"] == f"projects/p1/global/images/web-1-{location}"
        assert (run.outputs["result"], run.outputs["location"]) == ("resolved", location)
    assert [entry["method"] for entry in compute.journal()[before:]] == ["compute.images.get"] * 3
    compute.delete_image("p1", "web-1-eu")
    run = job.job.run(resolve, event, {"index": "image-index.json", "zone": "europe-west4-a", "fallback": "none"})
    assert (run.exit_code, run.outputs["result"], run.outputs["image"]) == (1, "passed_over_all", "")
