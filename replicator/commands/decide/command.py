"""Declares the verb `decide`: help, inputs, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command

COMMANDS = [
    Command(
        "decide",
        "say whether the action would replicate in this environment, and why",
        run="commands.decide.run:run",
        settings="inputs.gate:Gate",
        examples=("decide --distribute true",),
    )
]
