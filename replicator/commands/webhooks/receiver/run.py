"""Runs `webhook serve`, `webhook secret` and `webhook list`, and `publications …`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets as random
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.quote import quoted
from replicator.bootstrap.workflow_commands import plain
from replicator.commands.webhooks import errors, secrets
from replicator.core.errors import BadSettings, InputProblem, Interrupted, ReplicatorError
from replicator.core.replicas import Result
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from replicator.commands.webhooks.receiver.app import Receiver
    from replicator.commands.webhooks.receiver.config import Config
    from replicator.commands.webhooks.receiver.store import Store
    from replicator.commands.webhooks.receiver.worker import Worker
    from replicator.runtime.runner import Annotation
    from replicator.runtime.signals import Signals


@dataclass(kw_only=True)
class Told(Run):
    """A command that prints lines, and one document with `--json`."""

    told: dict[str, Any] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:  # noqa: ARG002
        """Return none: these commands aren't actions."""
        return {}

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return what was found, or the problem."""
        return {**self.told, **({"problem": verdict.reason} if verdict.exit_code else {})}

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:  # noqa: ARG002
        """Return what went wrong."""
        return self.notes

    def show(self, verdict: Verdict) -> None:  # noqa: ARG002
        """Print the rows."""
        self.runner.table(self.rows)

    def summary(self, verdict: Verdict) -> str:  # noqa: ARG002
        """Return none."""
        return ""

    def config(self) -> Config:
        """Return the configuration. Raises BadSettings, and ReplicatorError where the packages are missing."""
        from replicator.commands.webhooks.receiver import config

        return config.load(self.given.get("config", ""))

    @contextlib.contextmanager
    def store(self, state: str, *, failure: Any = errors.STORE_UNREADABLE) -> Iterator[Store]:
        """Open the store for this context. Raises ReplicatorError."""
        try:
            import sqlalchemy as sa

            from replicator.commands.webhooks.receiver.store import Store
            from replicator.commands.webhooks.receiver.tables import NewerStore
        except ImportError as error:
            raise ReplicatorError(errors.SERVE_MISSING, f"The package {error.name} is missing") from None
        try:
            opened = Store(state)
        except (sa.exc.SQLAlchemyError, NewerStore, ImportError) as error:
            # The text of a database's error holds its URL, and so its password.
            told = str(error) if isinstance(error, NewerStore) else type(error).__name__
            raise ReplicatorError(failure, f"The store could not be opened ({told})") from None
        try:
            yield opened
        except sa.exc.SQLAlchemyError as error:
            raise ReplicatorError(failure, f"The store could not be used ({type(error).__name__})") from None
        finally:
            opened.close()


class Serve(Told):
    """One run of `webhook serve`."""

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002
        """Serve until a signal."""
        config = self.config()
        keys = config.keys()
        from replicator.commands.webhooks.receiver.listening import only_one

        with only_one(config), self.store(config.state, failure=errors.RECEIVER_UNUSABLE) as store:
            store.release()
            with contextlib.suppress(Interrupted):
                self._serve(config, keys, store)
        return Verdict(Result.COMPLETE, 0, "The receiver was stopped")

    def _serve(self, config: Config, keys: dict[str, tuple[str, ...]], store: Store) -> None:
        from replicator.commands.webhooks.receiver.app import Receiver
        from replicator.commands.webhooks.receiver.listening import listen
        from replicator.commands.webhooks.receiver.worker import Commander, Worker, check_clock

        commands = Commander(config=config, store=store, log=self._log)
        worker = Worker(config=config, store=store, log=self._log, env=self.env, commands=commands)
        receiver = Receiver(keys=keys, store=store, worker=worker, log=self._log)
        check_clock(store.latest_signature(), time.time(), self._log)
        loops = (worker, commands)
        threads = [threading.Thread(target=loop.run, name=type(loop).__name__) for loop in loops]
        for thread in threads:
            thread.start()
        try:
            with _at_sighup(lambda: self._read_again(receiver, worker)):
                address = self.given.get("listen") or "127.0.0.1:0"
                listen(receiver.app(), address, self.given.get("ready_file", ""), self._log)
        finally:
            for loop in loops:
                loop.stop()
            for thread in threads:
                thread.join()

    def _read_again(self, receiver: Receiver, worker: Worker) -> None:
        """Take the configuration as it is now; a wrong one changes nothing."""
        try:
            config = self.config()
            keys = config.keys()
        except BadSettings as error:
            self._log(event="configuration", reason="wrong, so the former one stays", message=error.what)
            return
        if config.state != worker.config.state:
            self._log(event="configuration", reason="another state needs a restart, so the former one stays")
            return
        worker.config = worker.commands.config = config
        receiver.keys = keys
        self._log(event="configuration", reason="read again")

    def _log(self, **values: object) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        shown = {name: plain(value) if isinstance(value, str) else value for name, value in values.items()}
        self.runner.line(json.dumps({"at": at, **shown}))


@contextlib.contextmanager
def _at_sighup(call: Callable[[], None]) -> Iterator[None]:
    """In this context SIGHUP calls this, in a thread of its own; systems without that signal never do."""
    number = getattr(signal, "SIGHUP", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    # Not in the handler itself, which may interrupt this thread while it writes to the log.
    before = signal.signal(number, lambda *_: threading.Thread(target=call, name="configuration").start())
    try:
        yield
    finally:
        signal.signal(number, before)


def write_secret(path: str, secret: str) -> None:
    """Write a secret to a new file, for its owner only. Raises OSError, ValueError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(f"{secret}\n".encode())


class MakeSecret(Told):
    """One run of `webhook secret`."""

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002
        """Make a secret. Raises BadSettings if the file can't be written."""
        secret, file = secrets.made(random.token_bytes(32)), self.given.get("file", "")
        self.told = {"fingerprint": secrets.fingerprint(secret)}
        if not file:
            self.told["secret"] = secret
            self.rows = [[secret]]
            return Verdict(Result.COMPLETE, 0, "A secret was made")
        try:
            write_secret(file, secret)
        except (OSError, ValueError) as error:
            text = f"can't be written ({getattr(error, 'strerror', '') or 'no such path'})"
            raise BadSettings([InputProblem("file", text)]) from None
        self.rows = [["written, fingerprint", self.told["fingerprint"]]]
        return Verdict(Result.COMPLETE, 0, "A secret was written")


class ListHooks(Told):
    """One run of `webhook list`."""

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002
        """List hooks, their secrets' fingerprints, and what arrived by each."""
        config = self.config()
        with self.store(config.state) as store:
            received = store.received()
        hooks = []
        for name, keys in config.keys().items():
            for key in keys:
                mark = secrets.fingerprint(key)
                count, last = received.get((name, mark), (0, 0.0))
                row = {"name": name, "repository": config.hooks[name].repository, "fingerprint": mark}
                hooks.append({**row, "received": count, "last": when(last)})
        self.told = {"hooks": hooks}
        self.rows = [[str(value) for value in row.values()] for row in hooks]
        return Verdict(Result.COMPLETE, 0, f"{len(hooks)} secrets")


class Publications(Told):
    """One run of `publications list`, `show`, `retry` or `export`, as `what` says."""

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002
        """Read, or queue one again. Raises ReplicatorError where there is none."""
        what, wanted = self.given["what"], self.given.get("id", "")
        if what in {"show", "retry"} and not re.fullmatch(r"pub_[0-9a-z_]{1,64}", wanted):
            problem = f"{quoted(wanted)} isn't the id of one publication; `publications list` shows them"
            raise BadSettings([InputProblem("id", problem if wanted else "is needed: `publications list` shows them")])
        config = self.config()
        with self.store(config.state) as store:
            if what == "retry" and not _retried(store, wanted):
                text = "No publication that failed, or whose command failed, has this id"
                raise ReplicatorError(errors.NO_PUBLICATION, text)
            found = store.publications()
            if what in {"show", "retry"}:
                found = [row for row in found if row["id"] == wanted]
                if not found:
                    raise ReplicatorError(errors.NO_PUBLICATION, "No publication has this id")
                found = [{**row, "events": [_dated(each) for each in store.events(row["id"])]} for row in found]
        rows = [_dated(row) for row in found]
        self.told = {"publications": rows}
        if what == "export":
            self.rows = [[json.dumps(row, sort_keys=True)] for row in rows]
        elif what == "list":
            names = ("id", "hook", "version", "status", "reason", "command", "digest", "signed_by")
            self.rows = [[str(row[name]) for name in names] for row in rows]
        else:
            self.rows = [[name, str(value)] for name, value in rows[0].items()]
        return Verdict(Result.COMPLETE, 0, f"{len(rows)} publications")

    def show(self, verdict: Verdict) -> None:
        """Print the rows; exported ones as they are, one a line."""
        if self.given["what"] != "export":
            super().show(verdict)
            return
        for row in self.rows:
            self.stdout.write(f"{row[0]}\n")


def _retried(store: Store, publication: str) -> bool:
    """Let a failed publication be verified again, or a failed command be run again; return whether there was one."""
    from replicator.commands.webhooks.receiver.command_queue import CommandQueue

    return store.retry(publication, time.time()) or CommandQueue(store).retry(publication, time.time())


def _dated(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: when(value) if name in {"at", "received_at"} else value for name, value in row.items()}


def when(seconds: float) -> str:
    """Return a time for people and machines; empty for none."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""


serve = partial(execute, Serve)
secret = partial(execute, MakeSecret)
hooks = partial(execute, ListHooks)
publications = partial(execute, Publications)
