"""Runs `decide`: decides as the first step of the action does, with options instead of inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from replicator.bootstrap import command, decide, exit_codes
from replicator.bootstrap.workflow_commands import write_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO


def run(
    given: Mapping[str, str],
    env: Mapping[str, str],
    stdout: TextIO,
    *,
    commands: bool = True,
    document: TextIO | None = None,
    **_: object,
) -> int:
    """Print the decision: in a runner as the action does, else in plain lines. Returns the exit code."""
    env = {**env, **{f"INPUT_{name.upper()}": value for name, value in given.items() if value}}
    main = command.find(command.MAIN)
    assert main  # noqa: S101 - the main action is always there
    try:
        decision = decide.from_env(env)
    except decide.WrongInput as error:
        if commands:
            return decide.report_wrong_input(main, error, env, stdout)
        for name, message in error.problems:
            write_line(stdout, f"error: Input {name}: {message}")
        return exit_codes.BAD_SETTINGS
    if document:
        document.write(json.dumps({"decision": decision.word, "reason": decision.reason}) + "\n")
    decide.report(main, decision, env, stdout, commands)
    return 0
