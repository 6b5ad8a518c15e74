"""Which event replicates, and which only says why it doesn't: for each event, caller and engine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from testkit.harness.callers import MANIFEST, SOURCE, WHOLE
from testkit.runners import consumer
from testkit.runners.events import EVENTS
from testkit.runners.runner import Cold, Runner, outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.harness.job import Event
    from testkit.runners.engine import Engine, Ran

#: What callers write after `distribute:`, and whether they write it at all.
EXPRESSIONS: dict[str, str | None] = {
    "nothing": None,
    "inputs": "${{ inputs.distribute }}",
    "event's inputs": "${{ github.event.inputs.distribute }}",
    # A caller's mistake, always true: it is documented, and does what it says.
    "wrong": "${{ inputs.distribute || 'true' }}",
}


@dataclass(frozen=True)
class Verdict:
    """What the action must decide, and the words that must be in its reason."""

    replicate: bool
    reason: str
    tells: str = ""
    """The level of what people are told."""


TAG = Verdict(True, "the tag v1.2.3 matches tag_pattern")
TOLD = Verdict(True, "distribute is true on")
UNTOLD = Verdict(False, "replicates only with distribute: true")
OFF = Verdict(False, "distribute is false")
OTHER_TAG = Verdict(False, "the tag nightly-1 does not match tag_pattern (v*)", tells="notice")
DELETED = Verdict(False, "the push deleted refs/tags/v1.2.3")
PULL = Verdict(False, "a pull request builds the source image only")
DISTRUSTED = Verdict(False, "is not trusted to replicate")
WARNED = Verdict(False, "is not trusted to replicate", tells="warning")

TABLE = {
    # event                    nothing     inputs      event's     wrong
    "tag":                    (TAG,        TAG,        TAG,        TAG),
    "another tag":            (OTHER_TAG,  OTHER_TAG,  OTHER_TAG,  TOLD),
    "deleted tag":            (DELETED,    DELETED,    DELETED,    DELETED),
    "branch":                 (UNTOLD,     UNTOLD,     UNTOLD,     TOLD),
    "pull request":           (PULL,       PULL,       PULL,       PULL),
    "pull request of a fork": (PULL,       PULL,       PULL,       PULL),
    "dispatch, true":         (UNTOLD,     TOLD,       TOLD,       TOLD),
    "dispatch, false":        (UNTOLD,     OFF,        OFF,        TOLD),
    "dispatch, absent":       (UNTOLD,     OFF,        UNTOLD,     TOLD),
    "schedule":               (UNTOLD,     UNTOLD,     UNTOLD,     TOLD),
    "release":                (UNTOLD,     UNTOLD,     UNTOLD,     TOLD),
    "repository_dispatch":    (UNTOLD,     UNTOLD,     UNTOLD,     TOLD),
    "pull_request_target":    (DISTRUSTED, DISTRUSTED, DISTRUSTED, WARNED),
    "workflow_run":           (DISTRUSTED, DISTRUSTED, DISTRUSTED, WARNED),
    "merge_group":            (DISTRUSTED, DISTRUSTED, DISTRUSTED, WARNED),
    "issue_comment":          (DISTRUSTED, DISTRUSTED, DISTRUSTED, WARNED),
}  # fmt: skip

CELLS = [
    pytest.param(EVENTS[event], EXPRESSIONS[expression], verdict, id=f"{event} - {expression}")
    for event, row in TABLE.items()
    for expression, verdict in zip(EXPRESSIONS, row, strict=True)
]

#: A reusable workflow: the event is the caller's, the input is handed through.
CALLED = {"tag": TAG, "branch": UNTOLD, "pull request": PULL, "dispatch, true": TOLD, "dispatch, false": OFF}

REPLICATED = {
    "web-20261122": ("us", "web", True),
    "web-20261122-eu": ("eu", "web-eu", True),
    "web-20261122-asia": ("asia", "web-asia", True),
}
SOURCE_ALONE = {"web-20261122": ("us", "web", True)}


def check(runner: Runner, ran: Ran, verdict: Verdict) -> None:
    """Everything that follows from a decision: stages, outputs, annotations, summary, and what exists then."""
    outputs = outputs_of(ran)
    assert set(ran.jobs.values()) == {"success"}, ran
    said = "Replicating" if verdict.replicate else "Skipped"
    assert any(line.startswith(f"{said}: ") and verdict.reason in line for line in ran.log), ran
    if verdict.replicate:
        check_replicated(runner, ran, outputs)
    else:
        check_skipped(runner, ran, outputs)
        assert verdict.reason in outputs["reason"]
        assert [(note.level, note.title) for note in ran.annotations] == (
            [(verdict.tells, "Skipped")] if verdict.tells else []
        )


def check_replicated(runner: Runner, ran: Ran, outputs: dict[str, str]) -> None:
    assert (outputs["decision"], outputs["result"], outputs["failed_locations"]) == ("replicate", "complete", "")
    assert ran.saw("images") == WHOLE
    assert (outputs["image_us"], outputs["image_eu"], outputs["image_asia"]) == tuple(WHOLE.values())
    assert ran.stages == ["decide", "setup", "replicate"]
    assert [(note.level, note.title) for note in ran.annotations] == [("notice", "us, eu, asia")]
    if runner.engine.understands_commands:
        assert all(uri in ran.summary for uri in WHOLE.values())
    assert runner.images() == REPLICATED
    journal = runner.emulator.journal()
    inserted = [entry["target"] for entry in journal if entry["method"] == "compute.images.insert"]
    assert sorted(inserted) == sorted([WHOLE["eu"], WHOLE["asia"]])
    touched = {entry["method"] for entry in journal if entry["target"] == SOURCE}
    assert touched == {f"compute.images.{verb}" for verb in ("get", "getIamPolicy", "testIamPermissions")}


def check_skipped(runner: Runner, ran: Ran, outputs: dict[str, str]) -> None:
    """Not one request, and nothing set up."""
    assert (outputs["decision"], outputs["result"]) == ("skip", "skipped")
    assert (outputs["images"], outputs["image_names"], outputs["replicas"]) == ("{}", "{}", "[]")
    assert ran.stages == ["decide"]
    assert not (ran.witness / "images.json").exists()
    assert (ran.witness / "temp").read_text("utf-8") == ""
    assert runner.emulator.journal() == []
    assert runner.images() == SOURCE_ALONE


@pytest.mark.parametrize(("event", "expression", "verdict"), CELLS)
def test_event(runner: Runner, event: Event, expression: str | None, verdict: Verdict) -> None:
    ran = runner.prepare(verdict.replicate)(event, {} if expression is None else {"distribute": expression})
    check(runner, ran, verdict)


@pytest.mark.parametrize(("event", "verdict"), CALLED.items())
def test_event_of_a_reusable_workflow(runner: Runner, event: str, verdict: Verdict) -> None:
    workflows = {name: consumer.text(workflow) for name, workflow in consumer.reusable(MANIFEST).items()}
    runner.prepare(verdict.replicate)
    check(runner, runner.run(EVENTS[event], workflows), verdict)


@pytest.mark.parametrize(("event", "verdict"), [("tag", TAG), ("branch", UNTOLD)])
def test_event_of_the_repository_that_holds_the_action(runner: Runner, event: str, verdict: Verdict) -> None:
    """With `uses: ./` the action lies in the workspace, which ends in a slash to it."""
    shutil.copytree(runner.action, runner.folder / "repository")
    workflow = consumer.caller(MANIFEST, uses="./")
    runner.prepare(verdict.replicate)
    check(runner, runner.run(EVENTS[event], {consumer.CALLER: consumer.text(workflow)}, served={}), verdict)


def test_first_set_up(engine: Engine, cold: Callable[[Engine], Cold]) -> None:
    """Nothing is prepared: pip installs every package of the lock, as on users' machines."""
    done = cold(engine)
    assert outputs_of(done.ran)["result"] == "complete"
    assert done.images == REPLICATED
    assert any(line.startswith("Setting up with Python") for line in done.ran.log)
    (environment,) = done.environments
    assert (environment / "complete").exists()
