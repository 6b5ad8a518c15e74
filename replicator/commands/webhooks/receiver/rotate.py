"""Runs `webhook rotate`: puts a new secret beside the old one, and later the new one in its place."""

from __future__ import annotations

import secrets as random
import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted
from replicator.commands.webhooks import errors, secrets
from replicator.commands.webhooks.receiver.run import Told, when, write_secret
from replicator.core.errors import BadSettings, InputProblem, ReplicatorError
from replicator.core.replicas import Result
from replicator.runtime.lifecycle import execute
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from replicator.commands.webhooks.receiver.config import Config, Hook
    from replicator.runtime.signals import Signals


@dataclass(kw_only=True)
class Rotate(Told):
    """One run of `webhook rotate`. The secrets themselves are never shown."""

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002
        """Begin, or finish. Raises BadSettings and ReplicatorError, and has changed nothing then."""
        config, name = self.config(), self.given.get("hook", "")
        hook, finish = config.hooks.get(name), self.given.get("finish", "")
        if hook is None:
            there = ", ".join(sorted(config.hooks))
            raise BadSettings([InputProblem("hook", f"{quoted(name)} isn't in the configuration, which has {there}")])
        if finish not in {"", "true", "false"}:
            raise BadSettings([InputProblem("finish", f"{quoted(finish)} isn't true or false")])
        if len(hook.secrets) != 2:
            text = f"names one file; add a second one, such as {hook.secrets[0]}.new, which need not exist"
            raise BadSettings([InputProblem(f"hooks.{name}.secrets", text)])
        keys = config.keys()[name]
        return self._finish(config, name, keys) if finish == "true" else self._begin(name, hook, keys)

    def _begin(self, name: str, hook: Hook, keys: tuple[str, ...]) -> Verdict:
        made, file = secrets.made(random.token_bytes(32)), hook.secrets[1]
        try:
            write_secret(file, made)
        except FileExistsError:
            text = f"{quoted(file)} exists already: finish that rotation by --finish, or delete the file"
            raise BadSettings([InputProblem(f"hooks.{name}.secrets", text)]) from None
        except (OSError, ValueError) as error:
            text = f"{quoted(file)} can't be written ({getattr(error, 'strerror', '') or 'no such path'})"
            raise BadSettings([InputProblem(f"hooks.{name}.secrets", text)]) from None
        old, new = secrets.fingerprint(keys[0]), secrets.fingerprint(made)
        self.told = {"hook": name, "old": old, "new": new, "file": file}
        finish = f"replicator webhook rotate --config {shlex.quote(self.given['config'])} {name} --finish"
        steps = [
            f"The new secret is in {file}, fingerprint {new}; the old one's is {old}.",
            "1. Send SIGHUP to the receiver, or restart it: it takes both from then on.",
            "2. Store the file's text as the secret WEBHOOK_SECRET of the repository that announces:",
            f"   GitHub: gh secret set WEBHOOK_SECRET --repo {_repository(hook)} < {shlex.quote(file)}",
            "   Forgejo, Gitea: Settings, Actions, Secrets",
            f"3. When the next release has arrived: {finish}",
        ]
        self.rows = [[step] for step in steps]
        return Verdict(Result.COMPLETE, 0, "A new secret was written beside the old one")

    def _finish(self, config: Config, name: str, keys: tuple[str, ...]) -> Verdict:
        old_file, new_file = config.hooks[name].secrets
        if len(keys) != 2:
            text = f"{quoted(new_file)} doesn't exist: no rotation was begun"
            raise BadSettings([InputProblem(f"hooks.{name}.secrets", text)])
        old, new = map(secrets.fingerprint, keys)
        with self.store(config.state) as store:
            received = store.received()
        last_old, last_new = (received.get((name, mark), (0, 0.0))[1] for mark in (old, new))
        if last_new <= last_old:
            arrived = (
                f"the last delivery came by the old one ({old}), {when(last_old)}"
                if last_old
                else "nothing has arrived"
            )
            raise ReplicatorError(errors.STILL_USED, f"The new secret ({new}) isn't in use yet: {arrived}")
        try:
            Path(new_file).replace(old_file)
        except OSError as error:
            text = f"{quoted(new_file)} can't take the place of {quoted(old_file)} ({error.strerror})"
            raise BadSettings([InputProblem(f"hooks.{name}.secrets", text)]) from None
        self.told = {"hook": name, "dropped": old, "fingerprint": new, "file": old_file}
        self.rows = [
            [f"{old_file} holds the new secret, fingerprint {new}; the old one, {old}, is gone."],
            ["Send SIGHUP to the receiver, or restart it: until then it takes the old one, too."],
        ]
        return Verdict(Result.COMPLETE, 0, "The old secret was dropped")


def _repository(hook: Hook) -> str:
    """Return OWNER/REPO of a repository's address."""
    return "/".join(hook.repository.rstrip("/").split("/")[-2:])


rotate = partial(execute, Rotate)
