"""Builds the command line from what the commands declare; options are named as inputs, and no event gates it."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from replicator import __version__
from replicator.bootstrap import command as commands
from replicator.bootstrap.quote import quoted
from replicator.bootstrap.workflow_commands import plain
from replicator.inputs.fields import Option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn, TextIO

    from pydantic.fields import FieldInfo

    from replicator.bootstrap.command import Command

_OTHERS = "others"
_EPILOG = """{examples}

`replicator COMMAND --help` explains a command's options; they are named as the inputs of the action.
Credentials: Application Default Credentials (`gcloud auth application-default login`).
Exit codes: 0 complete, partial, planned or skipped; 1 a required location failed, the fragments make no release, or
verify found something wrong; 2 wrong arguments; 3 credentials, source or set-up; 4 verify could not read something;
5 the signature of an index is wrong; 70 a defect; 130 or 143 a signal.
"""


def main(argv: list[str], env: Mapping[str, str], stdout: TextIO) -> int:
    """Run the command that the arguments name. Returns the exit code: 2 for wrong arguments."""
    argv = _with_whole_verb(argv)
    asked = commands.find(argv[0]) if argv else None
    # With --json, and where a command answers on stdout, nothing else is written there.
    answers = "--json" in argv or (asked is not None and asked.answer_format != "")
    people = sys.stderr if answers else stdout
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(people):
            options = vars(_parser().parse_args(argv))
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 2
    command, as_json = options.pop("_command"), options.pop("_json")
    if command.answer_format and as_json:
        options[command.answer_format] = "json"
    code: int = commands.load(command.run)(
        {**{name: _as_text(value) for name, value in options.items()}, **command.preset},
        env,
        people,
        commands=env.get("GITHUB_ACTIONS") == "true",
        document=stdout if answers else None,
    )
    return code


def _with_whole_verb(argv: list[str]) -> list[str]:
    """Join the first two arguments where they are one verb, as `release publish` is."""
    whole = " ".join(argv[:2])
    return [whole, *argv[2:]] if whole in {command.verb for command in commands.every()} else argv


def _as_text(value: str | list[str] | None) -> str:
    return "\n".join(value) if isinstance(value, list) else value or ""


#: What argparse quotes of the arguments, behind a colon; the choices that it lists after it are ours.
_QUOTED = re.compile(r"(.*?(?:choice|arguments|argument|option|value): )(.*?)( \(choose from .*\))?", re.DOTALL)


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments with any text from outside made harmless."""

    def error(self, message: str) -> NoReturn:
        said = _QUOTED.fullmatch(message)
        if said and any(not quoted(word).startswith("'") for word in (said[2], *re.split(r"[\s='\"]+", said[2]))):
            message = f"{said[1]}what may hold a secret, or is long ({len(said[2])} characters){said[3] or ''}"
        super().error(plain(message))


class _Collecting(argparse.Action):
    """Collects what a repeated option is given as a JSON list: each text may hold line breaks."""

    def __call__(self, _parser: Any, options: argparse.Namespace, value: Any, _name: str | None = None) -> None:
        earlier = getattr(options, self.dest)
        setattr(options, self.dest, json.dumps([*json.loads(earlier or "[]"), value]))


def _parser() -> argparse.ArgumentParser:
    found = commands.every()
    parser = _Parser(
        prog="replicator",
        description="Makes one Compute Engine image available in every storage location asked for.",
        epilog=_EPILOG.format(examples=_examples(*(command.examples[0] for command in found))),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"replicator {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in found:
        options = verbs.add_parser(
            command.verb,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            usage=f"replicator {command.verb} [OPTIONS]{f' {command.metavar}…' * bool(command.operands)}",
            epilog=_examples(*command.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        options.set_defaults(_command=command)
        options.add_argument(
            "--json", action="store_true", dest="_json", help="Print one JSON document to stdout and nothing else."
        )
        if command.operands:
            options.add_argument(command.operands, nargs="*", default=[], metavar=command.metavar)
        for heading, fields in headed(settings_of(command)).items():
            group = options.add_argument_group(heading)
            for name, field in fields.items():
                if name != command.operands:
                    _add(group, name, field)
    return parser


def settings_of(command: Command) -> dict[str, FieldInfo]:
    """Return the settings that are options of a command."""
    models = [commands.load(path).model_fields for path in (command.more_settings, command.settings) if path]
    fields = {name: field for model in reversed(models) for name, field in model.items()}
    fields.update(models[-1])
    return {name: field for name, field in fields.items() if name not in command.without}


def headed(fields: Mapping[str, FieldInfo]) -> dict[str, dict[str, FieldInfo]]:
    """Group the settings by heading, in the order of the settings; the heading `others` comes last."""
    groups: dict[str, dict[str, FieldInfo]] = {}
    for name, field in fields.items():
        groups.setdefault(_option(field).heading, {})[name] = field
    return {heading: groups[heading] for heading in sorted(groups, key=lambda heading: heading == _OTHERS)}


def _option(field: FieldInfo) -> Option:
    """Return how a setting is shown: the last `Option` in its annotation counts."""
    return next((item for item in reversed(field.metadata) if isinstance(item, Option)), Option(_OTHERS))


def _add(group: argparse._ArgumentGroup, name: str, field: FieldInfo) -> None:
    usual = None if field.is_required() else field.get_default(call_default_factory=True)
    text = " ".join((field.description or "").split()) + _default(usual)
    metavar = _option(field).metavar or ("true|false" if isinstance(field.default, bool) else "TEXT")
    # So that `--dry-run` without a value means true.
    more: dict[str, Any] = {"nargs": "?", "const": "true"} if field.default is False else {}
    if _option(field).repeated:
        more["action"] = _Collecting
    group.add_argument(
        f"--{name.replace('_', '-')}",
        dest=name,
        default="",
        metavar=metavar,
        help=text.replace("%", "%%"),
        **more,
    )


def _default(value: Any) -> str:
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, tuple):
        text = ",".join(value)
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value or "")
    return f" Default: {text}." if text else ""


def _examples(*lines: str) -> str:
    return "\n".join(["examples:", *(f"  replicator {line}" for line in lines)])
