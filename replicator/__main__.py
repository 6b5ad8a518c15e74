"""Starts the program: an action's step (gated by `decide`, inputs in INPUT_ variables), or the command line.

In a runner `python -m replicator` without arguments is the main action. `python -m replicator action VERB` is the
action of that verb. Anything else is the command line.
"""

from __future__ import annotations

import os
import sys
import threading

from replicator.bootstrap import command, decide
from replicator.bootstrap.early import EarlySignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn, TextIO

    from replicator.bootstrap.command import Command

_PREFIX = "INPUT_"


def main(argv: list[str], env: Mapping[str, str], stdout: TextIO) -> int:
    """Run an action's command, or the one that the command line names. Returns the exit code."""
    asked = _of_action(argv, env)
    if asked is None:
        from replicator import cli

        return cli.main(argv, env, stdout)
    if asked.gated:
        try:
            decision = decide.of_command(asked, env)
        except decide.WrongInput as error:
            return decide.report_wrong_input(asked, error, env, stdout)
        if not decision.replicate:
            decide.report(asked, decision, env, stdout)
            return 0
    # A skipped run installs nothing, so only the standard library may be imported before this line.
    names = dict.fromkeys([*command.load(asked.settings).model_fields, *decide.INPUTS])
    run = command.load(asked.run)
    EarlySignals.armed = False
    given = {name: env.get(_PREFIX + name.upper(), "") for name in names}
    code: int = run(given, env, stdout, commands=True, of_action=True)
    return code


def _of_action(argv: list[str], env: Mapping[str, str]) -> Command | None:
    """Return the command whose action is being run; None on the command line."""
    if argv and (argv[0] != "action" or len(argv) != 2):
        return None
    if not argv and not _in_runner(env):
        return None
    found = command.find(argv[1] if argv else command.MAIN)
    return found if found and found.action else None


def _in_runner(env: Mapping[str, str]) -> bool:
    return (
        env.get("GITHUB_ACTIONS") == "true" or "GITHUB_OUTPUT" in env or any(name.startswith(_PREFIX) for name in env)
    )


def _leave_no_core() -> None:
    """Let a crash leave no file of this process's memory, which holds keys and tokens."""
    try:
        import resource
    except ImportError:
        return  # Windows, which has no such files
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def entry() -> NoReturn:
    """Run as a process, and exit at once, even while threads still wait for answers that are no longer needed."""
    env = dict(os.environ)
    # Programs that this one starts (google-auth may run gcloud) must not inherit the key or a token.
    for name in ("SIGNING_KEY", "INPUT_TOKEN", "WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS"):
        os.environ.pop(name, None)
    _leave_no_core()
    asked = _of_action(sys.argv[1:], env)
    if asked:
        EarlySignals(asked, env, sys.stdout)
    code = main(sys.argv[1:], env, sys.stdout)
    sys.stdout.flush()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    entry()
