"""Generates the inputs of an action.yml, and the variables that pass them on, from the settings of its command."""

from __future__ import annotations

import re
import textwrap
from enum import Enum
from typing import TYPE_CHECKING, Any

from replicator.bootstrap import command as commands
from replicator.inputs.gate import Gate, SetUp

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from replicator.bootstrap.command import Command

_INPUTS = re.compile(r"(?<=^inputs:\n).*?(?=^outputs:\n)", re.MULTILINE | re.DOTALL)
_VARIABLES = re.compile(
    r"(?<=^        REPLICATOR_PYTHON: \$\{\{ steps\.setup\.outputs\.python \}\}\n).*?(?=^      run: )",
    re.MULTILINE | re.DOTALL,
)


def filled(command: Command, text: str) -> str:
    """Return a command's action.yml with its inputs filled in. Raises ValueError if the file has no place for them."""
    found = inputs(command)
    for pattern, lines in ((_INPUTS, _described(found)), (_VARIABLES, _variables(found))):
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the action of {command.verb} has no place for its inputs")
        text = pattern.sub(lambda _, lines=lines: "".join(lines), text)  # type: ignore[misc]
    return text


def inputs(command: Command) -> dict[str, FieldInfo]:
    """Return the inputs of a command's action: its settings, required ones first, then those for decide and set-up."""
    settings = commands.load(command.settings).model_fields
    ordered = sorted(settings, key=lambda name: not settings[name].is_required())
    return {
        **{name: settings[name] for name in ordered},
        # A command with a gate of its own describes the gate's inputs itself.
        **({name: field for name, field in Gate.model_fields.items() if name not in settings} if command.gated else {}),
        **SetUp.model_fields,
    }


def _described(found: dict[str, FieldInfo]) -> list[str]:
    lines = []
    for name, field in found.items():
        words = " ".join((field.description or "").split())
        lines += [f"  {name}:\n", "    description: >-\n"]
        lines += [
            f"      {line}\n" for line in textwrap.wrap(words, 114, break_long_words=False, break_on_hyphens=False)
        ]
        if field.is_required():
            lines.append("    required: true\n")
        elif usual := default(field):
            lines.append(f'    default: "{usual}"\n')
    return [*lines, "\n"]


def _variables(found: dict[str, FieldInfo]) -> list[str]:
    return [f"        INPUT_{name.upper()}: ${{{{ inputs.{name} }}}}\n" for name in found]


def default(field: FieldInfo) -> str:
    """Return the default of an input as text."""
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value.value if isinstance(value, Enum) else value or "")
