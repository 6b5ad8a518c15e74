"""`python -m replicator`: without arguments the action's entry, gated by `decide`; else the command line.

With the arguments of `MERGE` it is the entry of merge/action.yml, gated likewise; with those of `VERIFY` that of
verify/action.yml, which changes nothing and so is not gated.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from replicator.bootstrap import decide, early

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NoReturn, TextIO

_PREFIX = "INPUT_"
MERGE = ["action", "merge"]
VERIFY = ["action", "verify"]


def main(argv: list[str], env: Mapping[str, str], stdout: TextIO) -> int:
    """Run the action, or the command that the arguments name. Returns the exit code."""
    if argv == VERIFY:
        from replicator.commands.verify import run as verifying
        from replicator.commands.verify import settings as verify_settings

        _Early.armed = False
        return verifying.act(_given(verify_settings.VerifySettings.model_fields, env), env, stdout, commands=True)
    if argv not in ([], MERGE):
        from replicator import cli

        return cli.main(argv, env, stdout)
    try:
        decision = decide.from_env(env)
    except decide.WrongInput as error:
        return decide.report_wrong_input(error, env, stdout)
    if not decision.replicate:
        decide.report(decision, env, stdout)
        return 0
    # Nothing but the standard library is imported before there is something to do.
    from replicator.commands.merge import run as merging
    from replicator.commands.merge import settings as merge_settings
    from replicator.commands.replicate import run as run_module
    from replicator.inputs import fields
    from replicator.replicas import settings as settings_module

    _Early.armed = False
    model = merge_settings.MergeSettings if argv else settings_module.Settings
    carry_out = merging.run if argv else run_module.run
    given = _given([*model.model_fields, *fields.READ_ELSEWHERE], env)
    return carry_out(given, env, stdout, commands=True)


def _given(names: Iterable[str], env: Mapping[str, str]) -> dict[str, str]:
    """The inputs of an action, as its `env:` hands them on; empty means not given."""
    return {name: env.get(_PREFIX + name.upper(), "") for name in names}


class _Early:
    """Answers a signal before `run` does: importing what a run needs takes a moment in which results are due, too."""

    armed = True

    def __init__(self, env: Mapping[str, str], stdout: TextIO) -> None:
        self._env = env
        self._stdout = stdout
        for number in early.stop_signals():
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: object) -> None:
        if self.armed:
            reason = f"The run was interrupted by {signal.Signals(number).name} before it began."
            decide.write_failure(self._env, self._stdout, reason, title="Interrupted")
            os._exit(128 + number)


def entry() -> NoReturn:
    """The process: leaves at once even while threads wait for answers that nobody needs any more."""
    env = dict(os.environ)
    # Whoever is started (google-auth may run gcloud) inherits what is left.
    os.environ.pop("SIGNING_KEY", None)
    if sys.argv[1:] in ([], MERGE, VERIFY):
        _Early(env, sys.stdout)
    code = main(sys.argv[1:], env, sys.stdout)
    sys.stdout.flush()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    entry()
