"""What a step tells the runner: records in its output file, and workflow commands in its log. Read strictly.

GitHub's runner is lenient here: it ignores what it does not understand and lets a later record replace an earlier one.
An action that relies on this can be made to say what others want, so all of it is an error here.
Source of the forms: actions/runner `FileCommandManager.cs` and `ActionCommand.cs`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COMMAND = re.compile(r"::(?P<name>[a-z-]+)(?: (?P<properties>[^:]+(?::(?!:)[^:]*)*))?::(?P<data>.*)")
_PROPERTIES = frozenset({"title", "file", "line", "endLine", "col", "endColumn"})
_LEVELS = frozenset({"notice", "warning", "error"})
_OTHERS = frozenset({"group", "endgroup", "debug"})


class BadRecord(ValueError):
    """A record or a command that the runner would misread, drop, or take from somebody else."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark on the run's page."""

    level: str
    title: str
    message: str


def read_outputs(text: str) -> dict[str, str]:
    """The records of an output file: `name=value` lines, and values between delimiters."""
    outputs: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc > 0 and (equals < 0 or heredoc < equals):
            name, delimiter = line.split("<<", 1)
            value = _until(delimiter, lines, name)
        elif equals > 0:
            name, value = line.split("=", 1)
        else:
            raise BadRecord(f"not an output record: {line!r}")
        if name in outputs:
            raise BadRecord(f"the output {name} is written twice")
        outputs[name] = value
    return outputs


def _until(delimiter: str, lines: Iterator[str], name: str) -> str:
    value: list[str] = []
    for line in lines:
        if line == delimiter and delimiter:
            return "\n".join(value)
        value.append(line)
    raise BadRecord(f"the output {name} does not end")


def read_annotations(lines: Sequence[str]) -> list[Annotation]:
    """The annotations in a log; a line that could start any other effect in the runner is an error."""
    found = []
    for line in lines:
        if "##[" in line:
            raise BadRecord(f"a command of the old form: {line!r}")
        if not line.lstrip().startswith("::"):
            continue
        match = _COMMAND.fullmatch(line)
        if match is None:
            raise BadRecord(f"a command that does not begin at column 0, or is malformed: {line!r}")
        if match["name"] in _LEVELS:
            properties = _properties(match["properties"] or "")
            found.append(Annotation(match["name"], properties.get("title", ""), _plain(match["data"])))
        elif match["name"] not in _OTHERS:
            raise BadRecord(f"a command that this action has no need of: {line!r}")
    return found


def _properties(text: str) -> dict[str, str]:
    properties: dict[str, str] = {}
    for item in filter(None, text.split(",")):
        name, equals, value = item.partition("=")
        if not equals or name not in _PROPERTIES or name in properties or not value:
            raise BadRecord(f"not a property of an annotation: {item!r}")
        properties[name] = _plain(value.replace("%3A", ":").replace("%2C", ","))
    return properties


def _plain(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
