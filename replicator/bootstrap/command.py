"""Describes each command (verb, help, settings, outputs) by strings, and finds the commands without importing them.

Each folder of `replicator/commands` is one capability; its `command.py` lists its `COMMANDS`. No other file lists them,
so a new capability is a new folder.
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
    """One verb of the command line, and of its action if it has one."""

    operands = metavar = answer_format = ""

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
        gate: str = "bootstrap.decide:from_env",
        doing: str = "Replicating",
        done: str = "replicated",
        outputs: Mapping[str, str] | None = None,
        failed: str = "failed",
    ) -> None:
        self.verb, self.help = verb, help
        """What the command is called, and what it does, as a clause that begins with a verb."""
        self.run = run
        """`module:function` below `replicator` that runs the command; called as `runtime.lifecycle.execute` says."""
        self.settings = settings
        """`module:Class` of the pydantic model whose fields are the action's inputs and the command line's options."""
        self.more_settings = more_settings
        """Another such model, whose fields are options of the command line only."""
        self.preset = dict(preset or {})
        """Values of the settings that this verb fixes; they aren't options."""
        self.without = frozenset(without).union(self.preset)
        """Settings that this verb doesn't use; they aren't options."""
        self.examples = examples  # arguments, as typed after the program's name
        self.action = action
        """The folder of its `action.yml`, relative to the repository's root (`.`); None if it has none."""
        self.gated, self.gate = gated, gate
        """Whether the event decides whether its action runs, and what decides: `module:function`, stdlib only."""
        self.doing, self.done = doing, done
        """What the log says that a run does, and that a skipped one didn't."""
        self.outputs = dict(outputs or {})
        """Every output of its action with its empty value: `[]` or `{}` for an output that holds JSON."""
        self.failed = failed
        """The output `result` of a run that failed before it could begin."""


class Taking(Command):
    """A verb that takes words without options."""

    def __init__(self, *words: str, operands: str, metavar: str, **more: Any) -> None:
        super().__init__(*words, **more)
        self.operands, self.metavar = operands, metavar
        """The setting that the words belong to, and what the help calls each of them."""


class Answering(Taking):
    """A verb that takes words without options, and writes an answer to stdout, which nothing else is written to."""

    def __init__(self, *words: str, answer_format: str, **more: Any) -> None:
        super().__init__(*words, **more)
        self.answer_format = answer_format
        """The setting that names the form of the answer; `--json` sets it to `json`."""


def find(verb: str) -> Command | None:
    """Return the command with this verb, or whose action is in the folder of this name; None if there is none."""
    return next((command for command in beginning(verb) if verb in (command.verb, command.action)), None)


def beginning(word: str) -> list[Command]:
    """Return at least the commands whose verb begins with this word: those of the folder of its name, else all."""
    # Most verbs begin with the name of their folder, so that one module is imported instead of all.
    return _of_folder(word) if word.isidentifier() and _holds_commands(word) else every()


def every() -> list[Command]:
    """Return all commands, folder by folder; the main action's comes first."""
    return [command for folder in _folders() for command in _of_folder(folder)]


def _folders() -> list[str]:
    names = sorted(os.listdir(_FOLDER), key=lambda name: (name != MAIN, name))  # noqa: PTH208
    return list(filter(_holds_commands, names))


def declared(constant: str) -> list[Any]:
    """Return what the capabilities' `command.py` declare by a constant of that name, folder by folder."""
    modules = [_imported(f"replicator.commands.{folder}.command") for folder in _folders()]
    return [getattr(module, constant) for module in modules if hasattr(module, constant)]


def load(path: str) -> Any:
    """Import the module of `module:name` below `replicator`, and return what the name refers to."""
    module, _, name = path.partition(":")
    return getattr(_imported(f"replicator.{module}"), name)


def _holds_commands(folder: str) -> bool:
    return os.path.isfile(os.path.join(_FOLDER, folder, "command.py"))  # noqa: PTH113, PTH118


def _of_folder(folder: str) -> list[Command]:
    commands: list[Command] = _imported(f"replicator.commands.{folder}.command").COMMANDS
    return commands


def _imported(module: str) -> Any:
    # `importlib.import_module` would do the same, but a skip would import one more module.
    return __import__(module, fromlist=["_"])
