"""Runs the command that a command line names; options are named as the action's inputs, and no event gates them."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from replicator import cli_completion, cli_parser
from replicator.bootstrap import command as commands
from replicator.bootstrap import exit_codes
from replicator.bootstrap.quote import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn, TextIO

    from replicator.bootstrap.command import Command

_WRONG = exit_codes.BAD_SETTINGS
_SHTAB = "Install the extra `completion` with this program, or `pip install shtab` beside it."


def main(argv: list[str], env: Mapping[str, str], stdout: TextIO) -> int:
    """Run the command that the arguments name. Returns the exit code: 2 for wrong arguments, and for none."""
    command, rest = find(argv)
    # With --json, and where a command answers on stdout, nothing else is written there.
    answers = "--json" in argv or (command is not None and command.answer_format != "")
    people = sys.stderr if answers else stdout
    try:
        with contextlib.redirect_stdout(stdout):
            if command is None:
                _without_command(rest)
            options = vars(cli_parser.of_command(command).parse_args(rest))
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else _WRONG
    as_json = options.pop("_json")
    return _run(command, options, env, people, document=stdout if answers else None, as_json=as_json)


def find(argv: list[str]) -> tuple[Command | None, list[str]]:
    """Return the command whose verb, of one word or two, begins the arguments, and the other arguments."""
    known = {command.verb: command for command in commands.beginning(argv[0])} if argv and argv[0][:1] != "-" else {}
    for count in (2, 1):
        if command := known.get(" ".join(argv[:count])):
            return command, argv[count:]
    return None, argv


def _without_command(argv: list[str]) -> NoReturn:
    """Carry out the options that need no command, else say which command may have been meant. Exits."""
    parser = cli_parser.top()
    if not argv:
        parser.print_help()
        parser.exit(_WRONG)
    verbs = [command.verb for command in commands.every()]
    if argv[0].startswith("-"):
        shell = parser.parse_args(argv).print_completion
        if not shell:
            parser.error("which command? --help lists them")
        try:
            parser.exit(_print(cli_completion.script(shell)))
        except ImportError:
            parser.exit(exit_codes.SETUP, f"{cli_parser.PROGRAM}: completion needs shtab. {_SHTAB}\n")
    parts = [verb for verb in verbs if verb.startswith(f"{argv[0]} ")]
    if parts:
        parser.error(f"{argv[0]} needs a second word: {', '.join(parts)}")
    meant = cli_parser.did_you_mean(" ".join(argv[:2]), verbs) or cli_parser.did_you_mean(argv[0], verbs)
    parser.error(f"{quoted(argv[0])} isn't a command.{meant}")


def _print(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0


def _run(
    command: Command,
    options: dict[str, Any],
    env: Mapping[str, str],
    people: TextIO,
    *,
    document: TextIO | None,
    as_json: bool,
) -> int:
    if command.answer_format and as_json:
        options[command.answer_format] = "json"
    code: int = commands.load(command.run)(
        {**{name: _as_text(value) for name, value in options.items()}, **command.preset},
        env,
        people,
        commands=env.get("GITHUB_ACTIONS") == "true",
        document=document,
    )
    return code


def _as_text(value: str | list[str] | None) -> str:
    return "\n".join(value) if isinstance(value, list) else value or ""
