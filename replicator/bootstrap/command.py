"""Describes a command by strings, and finds the commands, without importing what carries them out.

Each folder of `replicator/commands` is one capability; its `command.py` lists its `COMMANDS`. They are found there and
listed nowhere else, so that a new capability is a new folder.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

#: The verb of the action at the repository's root, and the folder of that capability.
MAIN = "replicate"
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "commands")  # noqa: PTH100, PTH118, PTH120


class Command:
    """One verb, as the command line and, where it has one, its action offer it."""

    def __init__(
        self,
        verb: str,
        help: str,  # noqa: A002 - argparse's own word
        *,
        run: str,
        settings: str,
        more_settings: str = "",
        preset: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        examples: Sequence[str] = (),
        action: str | None = None,
        gated: bool = False,
        outputs: Mapping[str, str] | None = None,
    ) -> None:
        self.verb = verb
        self.help = help
        """What it does, as a clause that begins with a verb."""
        self.run = run
        """`module:function` below `replicator` that carries it out; called as `runtime.lifecycle.execute` says."""
        self.settings = settings
        """`module:Class` of the pydantic model whose fields are the action's inputs and the command line's options."""
        self.more_settings = more_settings
        """Another such model, whose fields are options only."""
        self.preset = dict(preset or {})
        """Settings that this verb itself decides: no options."""
        self.without = frozenset(without).union(self.preset)
        """Settings that mean nothing for this verb: no options."""
        self.examples = examples
        """What can be typed after the program's name."""
        self.action = action
        """The folder of its `action.yml`, from the repository's root (`.`); None where it has none."""
        self.gated = gated
        """Whether the event decides whether its action runs."""
        self.outputs = dict(outputs or {})
        """Every output of its action with the value that it has when there is nothing to say: JSON, if it is JSON."""


def find(verb: str) -> Command | None:
    """The command of that name; None where there is none."""
    # Most verbs are called as their folders: a skip imports one module instead of all.
    own = _of_folder(verb) if verb.isidentifier() and _holds_commands(verb) else []
    return next((command for command in own or every() if command.verb == verb), None)


def every() -> list[Command]:
    """All commands, folder by folder; that of the main action first."""
    folders = filter(_holds_commands, sorted(os.listdir(_FOLDER), key=lambda name: (name != MAIN, name)))  # noqa: PTH208
    return [command for folder in folders for command in _of_folder(folder)]


def load(path: str) -> Any:
    """What `module:name` below `replicator` names; the module is imported."""
    module, _, name = path.partition(":")
    return getattr(_imported(f"replicator.{module}"), name)


def _holds_commands(folder: str) -> bool:
    return os.path.isfile(os.path.join(_FOLDER, folder, "command.py"))  # noqa: PTH113, PTH118


def _of_folder(folder: str) -> list[Command]:
    commands: list[Command] = _imported(f"replicator.commands.{folder}.command").COMMANDS
    return commands


def _imported(module: str) -> Any:
    # As `importlib.import_module`, which itself would be one more module on the way to a skip.
    return __import__(module, fromlist=["_"])
