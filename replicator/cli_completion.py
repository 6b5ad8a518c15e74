"""Makes the script that completes commands, options and their values in a shell, with shtab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator import cli_parser
from replicator.bootstrap import command as commands

if TYPE_CHECKING:
    import argparse

    from replicator.cli_parser import Parser


def script(shell: str) -> str:
    """Return the script for one of the shells. Raises ImportError where shtab isn't installed."""
    import shtab

    text: str = shtab.complete(_whole(), shell)
    return text


def _whole() -> Parser:
    """Return a parser of all commands; a verb of two words is a command in a command."""
    import shtab

    parser = cli_parser.top()
    verbs = parser.add_subparsers()
    groups: dict[str, argparse._SubParsersAction[Parser]] = {}
    for command in commands.every():
        first, _, second = command.verb.partition(" ")
        if second and first not in groups:
            # shtab leaves out what has no help.
            groups[first] = verbs.add_parser(first, help=f"commands of {first}").add_subparsers()
        options = (groups[first] if second else verbs).add_parser(second or first, help=command.help)
        for action in cli_parser.add_options(options, command):
            metavar = str(action.metavar).strip("[]")
            if "|" in metavar:
                action.choices = metavar.split("|")
            elif metavar == "FILE":
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif metavar == "FOLDER":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    return parser
