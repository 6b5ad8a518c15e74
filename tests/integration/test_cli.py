from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from replicator import __version__, cli, cli_parser
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


def test_plan_is_one_table_and_the_line_that_does_it(action: Action, tmp_path: Path) -> None:
    """Of the very image, also where a family named it; after that line nothing is left to do."""
    given = ("--source-image", "projects/p1/global/images/family/web", "--locations", "us,eu", "--labels", "a=b")
    code, text = run(action, tmp_path, "plan", *given)
    lines = text.splitlines()
    assert code == 0
    assert text.count("projects/p1/global/images/web-1-eu") == 1
    start = lines.index("This does it:") + 1
    typed = shlex.split(" ".join(line.removesuffix("\\") for line in lines[start:]))
    assert typed == [
        "gce-image-replicator", "replicate", "--source-image=projects/p1/global/images/web-1", "--locations=us,eu",
        "--labels=a=b",
    ]  # fmt: skip
    assert run(action, tmp_path, *typed[1:])[0] == 0
    code, text = run(action, tmp_path, "plan", *typed[2:])
    assert text.splitlines()[-1] == "Everything is as wanted already: nothing would be changed."


def test_what_is_the_same_for_several_is_told_once(action: Action, tmp_path: Path) -> None:
    refusal = {"kind": "http", "code": 403, "reason": "forbidden", "message": "Required 'x' permission"}
    action.emulator.faults([{"method": "compute.images.insert", "times": None, "action": refusal}])
    action.emulator.add_image(project="p1", name="web-1-me-west1", family="other", location="me-west1")
    where = "us,eu,asia,me-west1,europe-west1"
    code, text = run(
        action, tmp_path, "replicate", "--source-image", "projects/p1/global/images/web-1", "--locations", where
    )
    assert code == 0
    told = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("warning: ")]
    assert [line.partition(": ")[0] for line in told] == [
        "Nothing was replicated", "eu, asia, europe-west1", "me-west1",
    ]  # fmt: skip
    assert told[1].endswith(" The same for 2 more.")
    assert text.count("Grant this step's identity") == 1


def test_the_index_goes_where_output_says(action: Action, tmp_path: Path) -> None:
    given = ("--source-image", "projects/p1/global/images/web-1", "--json")
    wanted = tmp_path / "release.json"
    code, text = run(action, tmp_path, "replicate", *given, "--output", str(wanted))
    assert (code, json.loads(text)["index_path"]) == (0, str(wanted))
    (tmp_path / "fragments").mkdir()
    wanted.rename(tmp_path / "fragments" / "x86.json")
    merge = ("merge", "--fragments", str(tmp_path / "fragments"), "--expect", "X86_64", "--output", str(wanted))
    assert run(action, tmp_path, *merge)[0] == 0
    assert json.loads(wanted.read_text("utf-8"))["schema"] == 1
    assert not (tmp_path / "image-index.json").exists()


@pytest.mark.parametrize(("output", "said"), [("none/x.json", "/none' isn't a folder"), ("", "is a folder; name a fi")])
def test_a_wrong_output_is_told_first(action: Action, tmp_path: Path, output: str, said: str) -> None:
    """With all other problems, and before anything is made."""
    given = ("--source-image", "projects/p1/global/images/web-1", "--output", f"{tmp_path}/{output}")
    code, text = run(action, tmp_path, "replicate", *given, "--access", "everybody")
    assert code == 2
    assert said in text
    assert "'everybody'" in text
    assert run(action, tmp_path, "replicate", *given)[0] == 2
    assert not action.mutations()


def variables(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text("utf-8").splitlines())


def test_dotenv_tells_a_later_job_what_there_is(action: Action, tmp_path: Path) -> None:
    """From `replicate` over `merge` to `resolve`; a value is one word, and no JSON is told."""
    file, parts = tmp_path / "image.env", tmp_path / "fragments"
    parts.mkdir()
    given = ("--source-image", "projects/p1/global/images/web-1", "--locations", "us,eu", "--dotenv", str(file))
    assert run(action, tmp_path, "replicate", *given, "--output", str(parts / "x86.json"))[0] == 0
    told = variables(file)
    digest = told["INDEX_DIGEST"]
    assert told == {
        "DECISION": "replicate", "RESULT": "complete", "FAILED_LOCATIONS": "",
        "IMAGE_US": "projects/p1/global/images/web-1", "IMAGE_EU": "projects/p1/global/images/web-1-eu",
        "IMAGE_ASIA": "", "INDEX_PATH": str(parts / "x86.json"), "INDEX_DIGEST": digest, "BUNDLE_PATH": "",
        "ATTESTATION_PATH": "",
    }  # fmt: skip
    merge = ("merge", "--fragments", str(parts), "--expect", "X86_64", "--dotenv", str(file))
    assert run(action, tmp_path, *merge)[0] == 0
    told = variables(file)
    assert (told["RESULT"], told["INDEX_PATH"]) == ("complete", str(tmp_path / "image-index.json"))
    assert "IMAGES" not in told
    code, text = run(
        action, tmp_path, "resolve", "--index", told["INDEX_PATH"], "--region", "europe-west1", "--format", "uri",
        "--dotenv", str(file),
    )  # fmt: skip
    told = variables(file)
    assert (code, told["IMAGE"], told["LOCATION"], told["RESULT"]) == (0, text.strip(), "eu", "resolved")


def test_dotenv_of_a_run_that_failed(action: Action, tmp_path: Path) -> None:
    """It says so, instead of leaving the results of a run before; a wrong path is told with all other problems."""
    file = tmp_path / "image.env"
    file.write_text("IMAGE_US=old\n")
    given = ("replicate", "--source-image", "projects/p1/global/images/gone-1", "--dotenv")
    assert run(action, tmp_path, *given, str(file))[0] == 3
    told = variables(file)
    assert (told["RESULT"], told["IMAGE_US"]) == ("failed", "")
    code, text = run(action, tmp_path, *given, f"{tmp_path}/none/x.env", "--access", "everybody")
    assert code == 2
    assert "Input dotenv: " in text
    assert "'everybody'" in text
    assert "could not be written" not in text
    resolve = ("resolve", "--index", "none.json", "--region", "us-central1", "--dotenv", f"{tmp_path}/none/x.env")
    assert run(action, tmp_path, *resolve)[0] == 2


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


@pytest.mark.parametrize(
    ("given", "event", "told"),
    [
        (("--distribute", "true"), "workflow_run", "warning: Nothing was replicated although distribute is true: the"),
        ((), "push", "notice: Nothing was replicated: the tag x1 does not match tag_pattern (v*)."),
        (("--distribute", "maybe"), "push", "error: Input distribute: 'maybe' is not one of true, false, auto or empt"),
    ],
)
def test_decide_tells_people(action: Action, tmp_path: Path, given: tuple[str, ...], event: str, told: str) -> None:
    """As a line, unless a runner reads it."""
    env = {"GITHUB_EVENT_NAME": event, "GITHUB_REF": "refs/tags/x1"}
    _, text = run(action, tmp_path, "decide", *given, **env)
    assert told in text
    assert "::" not in text
    _, text = run(action, tmp_path, "decide", *given, GITHUB_ACTIONS="true", **env)
    assert text.splitlines()[-1].startswith(f"::{told.partition(':')[0]} title=")


def options() -> list[tuple[str, str, str | None]]:
    """Every option: its command, the option, its help."""
    parsers = {command.verb: cli_parser.of_command(command) for command in commands.every()}
    return [
        (name, action.option_strings[-1], action.help)
        for name, parser in {"": cli_parser.top(), **parsers}.items()
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
        or option in {"--help", "--version", "--print-completion"}
        or re.search(rf"{option}\b", PAGES)
    )


def test_no_option_takes_a_secret() -> None:
    """Other users of a machine can read command lines: secrets come by the environment, or in a file that is named."""
    about = {option for _, option, _ in options() if re.search("secret|token|password|credential|private", option)}
    assert about == {"--secret-file", "--token-file"}


@pytest.mark.parametrize(("argv", "code"), [(["nonsense"], 2), (["plan", "--nonsense"], 2), (["--help"], 0)])
def test_arguments(
    action: Action, tmp_path: Path, argv: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, text = run(action, tmp_path, *argv)
    assert found == code
    assert "usage: gce-image-replicator" in (capsys.readouterr().err if code else text)


@pytest.mark.parametrize("argv", [[], ["--json"]])
def test_a_bare_call_is_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    stdout = io.StringIO()
    assert main(argv, {}, stdout) == 2
    assert ("usage: gce-image-replicator COMMAND" in stdout.getvalue()) is (argv == [])
    assert bool(capsys.readouterr().err) is (argv != [])


@pytest.mark.parametrize("env", [{"GITHUB_ACTIONS": "true"}, {"INPUT_SOURCE_IMAGE": "x"}])
def test_a_bare_call_in_a_runner_is_the_action(env: dict[str, str]) -> None:
    stdout = io.StringIO()
    assert main([], env, stdout) == 0
    assert stdout.getvalue().startswith("Skipped: no event")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["paln"], "'paln' isn't a command. Did you mean plan?"),
        (["regitsry", "check"], "'regitsry' isn't a command. Did you mean registry check"),
        (["registry"], "registry needs a second word: registry ensure, "),
        (["--verson"], "--verson isn't an option of gce-image-replicator. Did you mean --version?"),
        (["plan", "--locatons", "us"], "--locatons isn't an option of gce-image-replicator plan. Did you mean --loc"),
        (["plan", "--source_imag=x"], "--source-imag isn't an option of gce-image-replicator plan. Did you mean --sou"),
        (["plan", "--source-im", "x"], "--source-im isn't an option of gce-image-replicator plan. Did you mean --so"),
        (["plan", "--xyzzy", "--locatoins", "us"], "plan.; --locatoins isn't an option"),
        (["plan", "web-v1"], "'web-v1' belongs to no option"),
        (["--print-completion", "fish"], "invalid choice: 'fish' (choose from"),
    ],
)
def test_what_was_meant(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No abbreviation is taken: `--source-im` alone would be one."""
    stdout = io.StringIO()
    assert cli.main(argv, {}, stdout) == 2
    assert said in capsys.readouterr().err
    assert stdout.getvalue() == ""


def test_underscores_are_hyphens(action: Action, tmp_path: Path) -> None:
    typed = ("plan", "--source_image=web-1", "--project_id", "p1", "--required_locations", "eu")
    code, text = run(action, tmp_path, *typed)
    assert code == 0
    assert re.search(r"web-1-eu .* required", text)


def test_only_the_options_of_the_command_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = commands.load

    def watched(path: str) -> object:
        loaded.append(path)
        return load(path)

    monkeypatch.setattr(commands, "load", watched)
    assert cli.main(["decide", "--help"], {}, io.StringIO()) == 0
    assert loaded == ["inputs.gate:Gate"]
    assert cli.main(["--help"], {}, io.StringIO()) == 0
    assert loaded == ["inputs.gate:Gate"]


def test_completion(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As bash asks for it: of commands, of a command's second word, of options, of their values."""
    stdout = io.StringIO()
    assert cli.main(["--print-completion", "bash"], {}, stdout) == 0
    (tmp_path / "completion").write_text(stdout.getvalue(), "utf-8")
    asked = """source "$0"; for line in "pla" "registry che" "plan --access pu" "plan --locat" "verify --trusted"; do
        COMP_WORDS=(gce-image-replicator $line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        COMP_LINE="${COMP_WORDS[*]}"; _shtab_gce_image_replicator 2>/dev/null; echo "${COMPREPLY[@]}"; done"""
    command = ["bash", "--norc", "-c", asked, str(tmp_path / "completion")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines() == ["plan", "check", "public", "--locations", "--trusted-root"]
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["--print-completion", "zsh"], {}, stdout) == 3
    assert "extra `completion`" in capsys.readouterr().err


def test_version(action: Action, tmp_path: Path) -> None:
    assert run(action, tmp_path, "--version") == (0, f"gce-image-replicator {__version__}\n")


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
    assert "--nonsense isn't an option of gce-image-replicator plan." in capsys.readouterr().err


def test_every_verb_is_found_whichever_folder_it_is_in() -> None:
    for command in commands.every():
        found, rest = cli.find([*command.verb.split(), "--json"])
        assert (found and found.verb, rest) == (command.verb, ["--json"])


def test_examples_in_the_help_can_be_typed() -> None:
    for command in ("replicate", "plan", "verify", "decide"):
        stdout = io.StringIO()
        assert cli.main([command, "--help"], {}, stdout) == 0
        examples = stdout.getvalue().partition("examples:\n")[2].splitlines()
        assert examples
        for line in examples:
            typed = line.partition(" | ")[0].split()
            assert typed[: 1 + len(command.split())] == ["gce-image-replicator", *command.split()]
            found, options = cli.find(typed[1:])
            assert found
            cli_parser.of_command(found).parse_args(options)


@pytest.mark.parametrize("command", commands.every(), ids=lambda command: command.verb)
def test_every_setting_stands_under_a_heading(command: Command) -> None:
    fields = cli_parser.settings_of(command)
    assert [*fields]
    grouped = cli_parser.headed(fields)
    assert sorted(name for names in grouped.values() for name in names) == sorted(fields)
    assert {*grouped} - {"others"}
    assert set(grouped.get("others", ())) <= {"revision", "variant", "compute_endpoint"}
