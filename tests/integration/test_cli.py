from __future__ import annotations

import argparse
import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from replicator import __version__, cli
from replicator.__main__ import main
from replicator.bootstrap import command as commands
from replicator.replicas.settings import Settings
from testkit.pages import OURS
from testkit.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.bootstrap.command import Command
    from testkit.action import Action

PAGES = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))


def run(action: Action, folder: Path, *argv: str, **env: str) -> tuple[int, str]:
    stdout = io.StringIO()
    variables = {
        "RUNNER_TEMP": str(folder),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        **env,
    }
    return main(list(argv), variables, stdout), stdout.getvalue()


def test_plan_changes_nothing(action: Action, tmp_path: Path) -> None:
    code, text = run(action, tmp_path, "plan", "--source-image", "projects/p1/global/images/web-1")
    assert code == 0
    assert not action.mutations()
    assert "web-1-eu" in text
    assert "::" not in text


def test_replicate_is_not_gated_by_the_event(action: Action, tmp_path: Path) -> None:
    code, text = run(
        action, tmp_path, "replicate", "--source-image", "web-1", "--project-id", "p1", "--locations", "us,eu",
        GITHUB_EVENT_NAME="pull_request",
    )  # fmt: skip
    assert code == 0
    assert "complete: The image is verified in us, eu." in text
    assert (tmp_path / "image-index.json").exists()


def test_merge_is_not_gated_by_the_event(action: Action, tmp_path: Path) -> None:
    """One fragment is a release of one image."""
    (tmp_path / "fragments").mkdir()
    run(action, tmp_path / "fragments", "replicate", "--source-image", "projects/p1/global/images/web-1")
    argv = ("merge", "--fragments", str(tmp_path / "fragments"), "--expect", "X86_64", "--json")
    code, text = run(action, tmp_path, *argv, GITHUB_EVENT_NAME="pull_request")
    assert code == 0
    told = json.loads(text)
    assert (told["result"], set(told["images"]["X86_64"])) == ("complete", {"us", "eu", "asia"})
    assert told["index_path"] == str(tmp_path / "image-index.json")


def test_annotations_are_commands_in_the_runner(action: Action, tmp_path: Path) -> None:
    _, text = run(action, tmp_path, "plan", "--source-image", "x_", GITHUB_ACTIONS="true")
    assert "::error title=Input source_image::" in text


def test_decide(action: Action, tmp_path: Path) -> None:
    code, text = run(action, tmp_path, "decide", "--distribute", "true", GITHUB_EVENT_NAME="push")
    assert (code, text) == (0, "Replicating: distribute is true on push.\n")


def options() -> list[tuple[str, str, str | None]]:
    """Every option: its command, the option, its help."""
    (commands,) = [action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return [
        (name, action.option_strings[-1], action.help)
        for name, parser in {"": cli._parser(), **commands.choices}.items()
        for action in parser._actions
        if action.option_strings
    ]


@pytest.mark.parametrize(("command", "option", "text"), options())
def test_every_option_is_documented(command: str, option: str, text: str | None) -> None:
    """In the help; and as the input of that name, or by itself on a page."""
    assert text
    named = option.removeprefix("--").replace("-", "_")
    assert (
        any(named in action["inputs"] for action in OURS.values())
        or option in {"--help", "--version"}
        or re.search(rf"{option}\b", PAGES)
    )


@pytest.mark.parametrize(("argv", "code"), [(["nonsense"], 2), (["plan", "--nonsense"], 2), (["--help"], 0)])
def test_arguments(action: Action, tmp_path: Path, argv: list[str], code: int) -> None:
    found, text = run(action, tmp_path, *argv)
    assert found == code
    assert "usage: replicator" in text


def test_version(action: Action, tmp_path: Path) -> None:
    assert run(action, tmp_path, "--version") == (0, f"replicator {__version__}\n")


def test_every_input_is_an_option_with_help() -> None:
    stdout = io.StringIO()
    assert cli.main(["replicate", "--help"], {}, stdout) == 0
    for field, info in Settings.model_fields.items():
        assert f"--{field.replace('_', '-')} " in stdout.getvalue()
        assert info.description


@pytest.mark.parametrize("command", ["plan", "replicate", "verify"])
def test_options_of_an_index_are_for_verify(command: str) -> None:
    stdout = io.StringIO()
    assert cli.main([command, "--help"], {}, stdout) == 0
    assert ("an index instead:" in stdout.getvalue()) is (command == "verify")
    assert "--variant" in stdout.getvalue()


@pytest.mark.parametrize(("command", "result"), [("plan", "planned"), ("replicate", "complete")])
def test_json_is_all_that_stdout_holds(
    action: Action, tmp_path: Path, command: str, result: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run(action, tmp_path, command, "--source-image", "projects/p1/global/images/web-1", "--json")
    found = json.loads(text)
    assert (code, found["exit_code"], found["result"]) == (0, 0, result)
    assert [step["action"] for step in found["plan"]] == ["source", "copy", "copy"]
    assert bool(found["index_path"]) is (command == "replicate")
    assert set(found) == {
        "result", "reason", "exit_code", "images", "replicas", "plan", "index_path", "index_digest",
        "bundle_path", "attestation_path", "cost",
    }  # fmt: skip
    told = capsys.readouterr()
    assert "Plan for projects/p1/global/images/web-1" in told.err
    assert told.out == ""


def test_json_after_a_failure(action: Action, tmp_path: Path) -> None:
    code, text = run(action, tmp_path, "replicate", "--source-image", "x_", "--json")
    assert (code, json.loads(text)["exit_code"]) == (2, 2)
    assert "source_image" in json.loads(text)["reason"]


def test_wrong_arguments_are_no_json(action: Action, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(action, tmp_path, "plan", "--json", "--nonsense") == (2, "")
    assert "unrecognized arguments: --nonsense" in capsys.readouterr().err


def test_examples_in_the_help_can_be_typed() -> None:
    for command in ("replicate", "plan", "verify", "decide"):
        stdout = io.StringIO()
        assert cli.main([command, "--help"], {}, stdout) == 0
        examples = stdout.getvalue().partition("examples:\n")[2].splitlines()
        assert examples
        for line in examples:
            typed = line.partition(" | ")[0].split()
            assert typed[: 1 + len(command.split())] == ["replicator", *command.split()]
            cli._parser().parse_args(typed[1:])


@pytest.mark.parametrize("command", commands.every(), ids=lambda command: command.verb)
def test_every_setting_stands_under_a_heading(command: Command) -> None:
    fields = cli.settings_of(command)
    assert [*fields]
    grouped = cli.headed(fields)
    assert sorted(name for names in grouped.values() for name in names) == sorted(fields)
    assert {*grouped} - {"others"}
    assert set(grouped.get("others", ())) <= {"revision", "variant", "compute_endpoint"}
