"""How a use of the action can end other than well: the job's result, and what later steps and jobs still read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from testkit.harness.callers import WHOLE
from testkit.harness.job import pull_request, tag_push
from testkit.runners.runner import Runner, outputs_of

if TYPE_CHECKING:
    from testkit.harness.job import Event

EU_IS_REFUSED = {
    "method": "compute.images.insert",
    "match": "-eu",
    "times": None,
    "action": {"kind": "http", "code": 403, "reason": "forbidden", "message": "no"},
}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A use of the action that does not end as the main job does."""

    inputs: dict[str, str]
    exit_code: int
    result: str
    annotations: list[tuple[str, str]]
    """Level and title of each."""
    stages: list[str]
    event: Event = tag_push("v1.2.3")  # noqa: RUF009 - frozen
    faults: list[dict[str, Any]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    prepared: bool = False
    """Whether it gets as far as to install anything."""
    images: tuple[str, ...] = ()
    """The locations in `images`."""
    failed_locations: str = ""


DECIDED, SET_UP, ALL = ["decide"], ["decide", "setup"], ["decide", "setup", "replicate"]

ENDINGS = {
    "a required location fails": Ending(
        prepared=True,
        inputs={"required_locations": "eu"},
        faults=[EU_IS_REFUSED],
        exit_code=1,
        result="failed",
        annotations=[("error", "eu"), ("notice", "asia"), ("notice", "us")],
        stages=ALL,
        images=("us", "asia"),
        failed_locations="eu",
    ),
    "a best-effort location fails": Ending(
        prepared=True,
        inputs={},
        faults=[EU_IS_REFUSED],
        exit_code=0,
        result="partial",
        annotations=[("notice", "us, asia"), ("warning", "eu")],
        stages=ALL,
        images=("us", "asia"),
        failed_locations="eu",
    ),
    "dry run": Ending(
        prepared=True,
        inputs={"dry_run": "true"},
        exit_code=0,
        result="planned",
        annotations=[("notice", "us, eu, asia")],
        stages=ALL,
        images=("us",),
    ),
    "bad settings": Ending(
        prepared=True,
        inputs={"locations": "us, EU", "access": "everybody"},
        exit_code=2,
        result="failed",
        annotations=[("error", "Input access"), ("error", "Input locations")],
        stages=ALL,
    ),
    "bad distribute, on a pull request": Ending(
        inputs={"distribute": "perhaps"},
        event=pull_request(fork=True),
        exit_code=2,
        result="failed",
        annotations=[("error", "Input distribute")],
        stages=DECIDED,
    ),
    "no package index": Ending(
        inputs={},
        env={"PIP_NO_INDEX": "1"},
        exit_code=3,
        result="failed",
        annotations=[("error", "Set-up")],
        stages=SET_UP,
    ),
    "no such Python": Ending(
        inputs={"python": "python3.99"},
        exit_code=3,
        result="failed",
        annotations=[("error", "Set-up")],
        stages=SET_UP,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_ending(runner: Runner, ending: Ending) -> None:
    runner.prepare(ending.prepared)
    runner.emulator.faults(ending.faults)
    runner.env |= ending.env
    ran = runner(ending.event, ending.inputs)
    outputs = outputs_of(ran)
    failed = bool(ending.exit_code)
    assert ran.jobs["image"] == ("failure" if failed else "success"), ran
    assert ran.exit_code == int(failed)
    assert ran.saw("outcome") == ran.jobs["image"]
    assert ran.exit_codes == (
        {f"replicate/{ran.stages[-1]}": ending.exit_code, "replicate": ending.exit_code} if failed else {}
    )
    if failed:
        assert ran.saw("failure") == outputs["failed_locations"]
    assert (outputs["result"], outputs["failed_locations"]) == (ending.result, ending.failed_locations)
    assert outputs["reason"]
    assert sorted((note.level, note.title) for note in ran.annotations) == ending.annotations
    assert ran.stages == ending.stages
    assert json.loads(outputs["images"]) == {location: WHOLE[location] for location in ending.images}
