"""The command line: the same run as the action's, not gated by the event; options are named as the inputs."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from replicator import __version__, decide
from replicator.settings import READ_ELSEWHERE, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_COMMANDS = {
    "replicate": "make what is asked for, and say what exists where",
    "plan": "say what `replicate` would do, and change nothing",
    "verify": "hold what exists against an index, or against a source and settings, and change nothing",
    "decide": "say whether the action would replicate in this environment, and why",
}

#: Settings that say how something is made, where nothing is.
_MEANINGLESS = {"plan": {"dry_run"}, "verify": {"dry_run", "promote", "replace_failed", "timeout_minutes", "revision"}}


def main(argv: list[str], env: Mapping[str, str], stdout: TextIO) -> int:
    """Run the command that the arguments name. Returns the exit code; 2 for arguments that make no sense."""
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stdout):
            options = vars(_parser().parse_args(argv))
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 2
    command = options.pop("command")
    if command == "decide":
        given = {f"INPUT_{name.upper()}": value for name, value in options.items() if value}
        return decide.main([], {**env, **given}, stdout)
    from replicator import audit, run

    if command == "verify":
        file, as_json = options.pop("index"), options.pop("json")
        return audit.run(options, env, stdout, index_file=file, as_json=as_json)
    if command == "plan":
        options["dry_run"] = "true"
    return run.run(
        {name: value or "" for name, value in options.items()},
        env,
        stdout,
        commands=env.get("GITHUB_ACTIONS") == "true",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="replicator",
        description="Makes one Compute Engine image available in every storage location asked for.",
        epilog="Credentials: Application Default Credentials (`gcloud auth application-default login`).",
    )
    parser.add_argument("--version", action="version", version=f"replicator {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == "decide":
            for option in sorted(READ_ELSEWHERE - {"python"}):
                command.add_argument(_option(option), default="", metavar="TEXT")
            continue
        if name == "verify":
            command.add_argument("--index", default="", metavar="FILE", help="An image-index.json to verify.")
            command.add_argument("--json", action="store_true", help="Print one JSON document and nothing else.")
        for field, info in Settings.model_fields.items():
            if field in _MEANINGLESS.get(name, ()):
                continue
            command.add_argument(
                _option(field), dest=field, default="", metavar="TEXT", help=(info.description or "").replace("%", "%%")
            )
    return parser


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")
