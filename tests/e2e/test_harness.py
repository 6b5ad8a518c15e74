"""The harness itself: it must not be kinder than the runner, else it proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.commands.lifecycle.turn.settings import TurnSettings
from replicator.commands.merge.settings import MergeSettings
from replicator.commands.verify.settings import VerifySettings
from replicator.inputs.fields import READ_ELSEWHERE
from replicator.replicas.settings import Settings
from testkit.harness.expressions import BadExpression, Context, evaluate, expand, holds
from testkit.harness.job import Action, Event, HarnessError, Job
from testkit.harness.records import Annotation, BadRecord, read_annotations, read_outputs
from testkit.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

CONTEXT = Context({"name": "web", "empty": ""}, {"a": {"result": "Replicate"}, "b": {}})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.name", "web"),
        ("steps.b.outputs.result || inputs.empty || 'it''s'", "it's"),
        ("steps.a.outputs.result || 'no'", "Replicate"),
        ("inputs.empty || inputs.empty", ""),
        ("steps.a.outputs.result == 'replicate'", True),
        ("steps.b.outputs.result == 'replicate'", False),
    ],
)
def test_expressions(expression: str, value: object) -> None:
    assert evaluate(expression, CONTEXT) == value
    assert holds(f"${{{{ {expression} }}}}", CONTEXT) is bool(value)


@pytest.mark.parametrize(
    "expression",
    ["inputs.nmae", "steps.c.outputs.x", "github.ref", "always()", "!inputs.name", "inputs.name ||", "'a' 'b'", ""],
)
def test_unknown_expressions_are_errors(expression: str) -> None:
    with pytest.raises(BadExpression):
        evaluate(expression, CONTEXT)


def test_templates() -> None:
    assert expand("${{ inputs.name }}-${{ 'x' }}", CONTEXT) == "web-x"
    with pytest.raises(BadExpression):
        expand("${{ inputs.name", CONTEXT)


def test_output_records() -> None:
    text = "a=1=2\nb<<END\nfirst\n\nc=3\nEND\nd<<E\nE\n"
    assert read_outputs(text) == {"a": "1=2", "b": "first\n\nc=3", "d": ""}


@pytest.mark.parametrize("text", ["a\n", "=1\n", "a=1\na=2\n", "a<<END\n1\n", "a<<\n1\n\n"])
def test_forged_or_malformed_records_are_errors(text: str) -> None:
    with pytest.raises(BadRecord):
        read_outputs(text)


def test_annotations() -> None:
    lines = ["said: ::error::no command", "::group::Plan", "::warning title=a%3Ab%2Cc,line=3::50%25%0Atwo::three"]
    assert read_annotations(lines) == [Annotation("warning", "a:b,c", "50%\ntwo::three")]


@pytest.mark.parametrize(
    "line",
    # A blank before the second colons is no command to act's family: the line is printed, and with it a secret.
    [
        "  ::error::x",
        "::error ::x",
        "::set-env name=a::b",
        "::stop-commands::x",
        "::error",
        "::error title=::x",
        "a ##[debug]b",
    ],
)
def test_commands_that_the_runner_would_obey_are_errors(line: str) -> None:
    with pytest.raises(BadRecord):
        read_annotations([line])


ACTION = """
inputs: {name: {default: "x"}}
outputs: {said: {value: "${{ steps.one.outputs.said || 'nothing' }}"}}
runs:
  using: composite
  steps:
    - {id: one, name: One, shell: bash, env: {NAME: "${{ inputs.name }}"}, run: "SCRIPT"}
    - {id: two, name: Two, shell: bash, run: "echo two"}
"""


def use(folder: Path, script: str, **inputs: str) -> tuple[int, list[str], dict[str, str], str]:
    (folder / "action.yml").write_text(ACTION.replace("SCRIPT", script), "utf-8")
    run = Job(folder=folder / "job").run(Action.load(folder), Event(name="push"), inputs)
    return run.exit_code, run.ran, dict(run.outputs), run.log


def test_steps(tmp_path: Path) -> None:
    done = use(tmp_path, "echo said=$NAME${INPUT_NAME-} >> $GITHUB_OUTPUT; pwd")
    assert done == (0, ["one", "two"], {"said": "x"}, f"{tmp_path}/job/work/images/images\ntwo")
    assert use(tmp_path, "echo said=$NAME >> $GITHUB_OUTPUT", name="")[2] == {"said": "nothing"}


@pytest.mark.parametrize(("script", "code"), [("false | true; echo on", 1), ("exit 7", 7), ("kill -TERM $$", 143)])
def test_a_failed_step_is_the_last_and_outputs_are_computed_all_the_same(
    tmp_path: Path, script: str, code: int
) -> None:
    assert use(tmp_path, f"echo said=early >> $GITHUB_OUTPUT; {script}") == (code, ["one"], {"said": "early"}, "")


@pytest.mark.parametrize(
    "script", ["echo unread=1 >> $GITHUB_OUTPUT", "echo A=b >> $GITHUB_ENV", "echo ${{ inputs.name }}"]
)
def test_what_an_action_should_not_do_is_an_error(tmp_path: Path, script: str) -> None:
    with pytest.raises(HarnessError):
        use(tmp_path, script)


@pytest.mark.parametrize(
    ("folder", "model"),
    [("", Settings), ("merge", MergeSettings), ("verify", VerifySettings), ("promote", TurnSettings)],
    ids=str,
)
def test_every_input_reaches_the_step_that_reads_it(folder: str, model: type[BaseModel]) -> None:
    """GitHub gives composite steps no INPUT_* by itself; other runners do, and hide what is missing here."""
    action = Action.load(ROOT / folder)
    mapped = {step.id: {name for name in step.env if name.startswith("INPUT_")} for step in action.steps}
    for step in action.steps:
        for name in mapped[step.id]:
            assert step.env[name] == f"${{{{ inputs.{name.removeprefix('INPUT_').lower()} }}}}"
    elsewhere = {f"INPUT_{name.upper()}" for name in READ_ELSEWHERE}
    assert mapped.get("decide", elsewhere) == elsewhere
    last = mapped[action.steps[-1].id]
    assert {f"INPUT_{name.upper()}" for name in model.model_fields} == last - elsewhere
    assert {f"INPUT_{name.upper()}" for name in action.defaults} == last | mapped["setup"]
