"""Builds the options of one command from its settings, and explains wrong arguments: what was meant, what there is."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from replicator import __version__
from replicator.bootstrap import command as commands
from replicator.bootstrap.quote import quoted
from replicator.bootstrap.workflow_commands import plain
from replicator.core import names
from replicator.inputs.fields import Option

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import NoReturn

    from pydantic.fields import FieldInfo

    from replicator.bootstrap.command import Command

#: The installed script; `replicator` is another name of it.
PROGRAM = "gce-image-replicator"

#: How many commands, the first, have an example in the help of them all.
_SHOWN = 3
_OTHERS = "others"
#: The shells that commands and options can be completed in.
SHELLS = ("bash", "zsh", "tcsh")

_DESCRIPTION = """Makes one Compute Engine image available in every storage location asked for.

commands:
{commands}"""
_EPILOG = """{examples}

`{program} COMMAND --help` explains a command's options; they are named as the inputs of the action.
Run it from the repository, without installing it:
  uvx --from git+https://github.com/gce-image-replicator/gce-image-replicator@v1 {program} --help
Credentials: Application Default Credentials (`gcloud auth application-default login`).
Exit codes: 0 complete, partial, planned or skipped; 1 a required location failed, the fragments make no release, or
verify found something wrong; 2 wrong arguments; 3 credentials, source or set-up; 4 verify could not read something;
5 the signature of an index is wrong; 70 a defect; 130 or 143 a signal.
"""

#: What argparse quotes of the arguments, behind a colon; the choices that it lists after it are ours.
_QUOTED = re.compile(r"(.*?(?:choice|arguments|argument|option|value): )(.*?)( \(choose from .*\))?", re.DOTALL)


class _Collecting(argparse.Action):
    """Collects what a repeated option is given as a JSON list: each text may hold line breaks."""

    def __call__(self, _parser: Any, options: argparse.Namespace, value: Any, _name: str | None = None) -> None:
        earlier = getattr(options, self.dest)
        setattr(options, self.dest, json.dumps([*json.loads(earlier or "[]"), value]))


class Parser(argparse.ArgumentParser):
    """Takes options by their whole name, and reports wrong ones with any text from outside made harmless."""

    def __init__(self, **words: Any) -> None:
        # What an abbreviation means would change with every new option.
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **words)

    def parse_args(self, args: Sequence[str], namespace: Any = None) -> argparse.Namespace:  # type: ignore[override]
        """Return the options. Exits with 2, after a message, if an argument is wrong."""
        found: argparse.Namespace
        found, strays = self.parse_known_args(list(map(_hyphened, args)), namespace)
        if strays:
            self.error("; ".join(self._strays(strays)))
        return found

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message to stderr, and exit with 2."""
        said = _QUOTED.fullmatch(message)
        if said and any(not quoted(word).startswith("'") for word in (said[2], *re.split(r"[\s='\"]+", said[2]))):
            message = f"{said[1]}what may hold a secret, or is long ({len(said[2])} characters){said[3] or ''}"
        super().error(plain(message))

    def _strays(self, strays: Sequence[str]) -> list[str]:
        options = [word.partition("=")[0] for word in strays if word.startswith("-")]
        if not options:
            return [f"{_shown(word)} belongs to no option" for word in strays]
        known = [name for name in self._option_string_actions if name.startswith("--")]
        # The words between them are mostly the values of the wrong options.
        return [f"{_shown(word)} isn't an option of {self.prog}.{did_you_mean(word, known)}" for word in options]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names what comes nearest to a wrong word, after a blank; empty if nothing is near."""
    near = names.nearest(word, known)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _shown(word: str) -> str:
    text = quoted(word)
    return word if text.startswith("'") and re.fullmatch(r"--?[\w-]+", word) else text


def _hyphened(word: str) -> str:
    """Spell an option's name with hyphens, so that the name of an input may be typed as it is."""
    name, equals, value = word.partition("=")
    return f"{name.replace('_', '-')}{equals}{value}" if name.startswith("--") else word


def top() -> Parser:
    """Return what reads a command line that names no command: it knows the help and the version."""
    found = commands.every()
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND [OPTIONS]",
        description=_DESCRIPTION.format(commands=_columns([(command.verb, command.help) for command in found])),
        epilog=_EPILOG.format(
            program=PROGRAM, examples=_examples(*(command.examples[0] for command in found[:_SHOWN]))
        ),
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument(
        "--print-completion",
        metavar="bash|zsh|tcsh",
        choices=SHELLS,
        help="Print a script that completes commands and options in this shell; needs the extra `completion`.",
    )
    return parser


def of_command(command: Command) -> Parser:
    """Return what reads the options of a command."""
    parser = Parser(
        prog=f"{PROGRAM} {command.verb}",
        usage=f"{PROGRAM} {command.verb} [OPTIONS]{f' {command.metavar}…' * bool(command.operands)}",
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        epilog=_examples(*command.examples),
    )
    add_options(parser, command)
    return parser


def add_options(parser: argparse.ArgumentParser, command: Command) -> list[argparse.Action]:
    """Add a command's options, in groups, and what it takes without an option. Returns the options of its settings."""
    added = []
    parser.add_argument(
        "--json", action="store_true", dest="_json", help="Print one JSON document to stdout and nothing else."
    )
    if command.operands:
        parser.add_argument(command.operands, nargs="*", default=[], metavar=command.metavar)
    for heading, fields in headed(settings_of(command)).items():
        group = parser.add_argument_group(heading)
        for name, field in fields.items():
            if name != command.operands:
                added.append(_add(group, name, field))
    return added


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


def _add(group: argparse._ArgumentGroup, name: str, field: FieldInfo) -> argparse.Action:
    usual = None if field.is_required() else field.get_default(call_default_factory=True)
    text = " ".join((field.description or "").split()) + _default(usual)
    metavar = _option(field).metavar or ("true|false" if isinstance(field.default, bool) else "TEXT")
    # So that `--dry-run` without a value means true.
    more: dict[str, Any] = {"nargs": "?", "const": "true"} if field.default is False else {}
    if _option(field).repeated:
        more["action"] = _Collecting
    return group.add_argument(
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


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    indent = " " * (width + 4)
    room = max(width + 24, min(120, shutil.get_terminal_size().columns - 2))
    return "\n".join(
        textwrap.fill(text, room, initial_indent=f"  {name:{width}}  ", subsequent_indent=indent) for name, text in rows
    )


def _examples(*lines: str) -> str:
    return "\n".join(["examples:", *(f"  {PROGRAM} {line}" for line in lines)])
