"""Tests what refusals for rate cost a run, on a clock that the run shares with the emulator: a dip, and for others nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.refusals import now_and_then
from benchmarks.spread import REGIONS
from emulator.testing import running
from testkit.action import Action, Finished
from testkit.faults import refuse
from testkit.tiers import few
from testkit.virtual import JointLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TWENTY = REGIONS[:20]
COPY = 5.0


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Finished]:
    """A run of twenty locations on an emulator of its own, with these faults."""

    def run(faults: Sequence[dict[str, Any]] = (), *, quotas: dict[str, int] | None = None, **inputs: str) -> Finished:
        with running(copy_seconds=COPY, driven=True, scenario={"quotas": quotas or {}}) as emulator:
            emulator.add_image(project="p1", name="web-1", family="web", public=True)
            emulator.faults(list(faults))
            action = Action(emulator, tmp_path, runs=len(list(tmp_path.iterdir())))
            action.make_loop = lambda: JointLoop(emulator)
            return action(locations=",".join(TWENTY), **inputs)

    return run


@pytest.mark.parametrize("method", few(["insert", "setIamPolicy", "patch", "getIamPolicy", "get"], "insert"))
def test_one_refusal_is_a_dip(run: Callable[..., Finished], method: str) -> None:
    refused = run([refuse(f"web-1-{TWENTY[3]}", method=method, reason="rateLimitExceeded", times=1)])
    assert refused.result == "complete", refused.log
    assert refused.seconds <= 1.3 * run().seconds


@pytest.mark.parametrize("seed", few(range(4)))
def test_a_twentieth_refused_is_no_more(run: Callable[..., Finished], seed: int) -> None:
    refused = run(now_and_then(random.Random(seed), 0.05))
    assert refused.result == "complete", refused.log
    assert refused.seconds <= 2 * run().seconds


@pytest.mark.parametrize("method", ["insert", "setIamPolicy"])
def test_one_location_refused_for_ever_delays_no_other(run: Callable[..., Finished], method: str) -> None:
    alone = TWENTY[3]
    fault = refuse(f"web-1-{alone}", method=method, reason="rateLimitExceeded")
    refused = run([fault], timeout_minutes="10")
    assert refused.replicas[alone]["reason"] == "deadline"
    others = [row for location, row in refused.replicas.items() if location != alone]
    assert all(row["outcome"] == "created" for row in others)
    assert max(row["seconds"] for row in others) < COPY + 2


def test_a_quota_that_is_used_up_is_kept_to(run: Callable[..., Finished]) -> None:
    """Twenty inserts where twelve changes a minute are taken, and three changes are made for each location."""
    done = run(quotas={"mutations_per_minute": 12}, timeout_minutes="30")
    assert done.result == "complete", done.log
    assert 4 * 60 < done.seconds < 13 * 60
