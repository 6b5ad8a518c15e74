"""Verifies queued publications, and runs hooks' commands for those that are published, each one after the other.

In order of arrival; what a killed receiver left is resumed.
"""

from __future__ import annotations

import threading
import time
import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from replicator.commands.webhooks import event
from replicator.commands.webhooks.receiver import hook_command, verification
from replicator.commands.webhooks.receiver.command_queue import CommandQueue, Ended
from replicator.commands.webhooks.receiver.tables import Settled, words
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.commands.webhooks.receiver.config import Config
    from replicator.commands.webhooks.receiver.store import Store

#: Seconds between looks at the queue, where nobody calls; another receiver may have filled it.
_PAUSE = 2.0
_DAY = 86400.0
#: Seconds that this machine's clock may be behind that of signatures' logs.
_CLOCK = 60.0
#: Seconds beyond a command's time limit after which the receiver that ran it must have died.
_MARGIN = 60.0
#: What a command is told of its publication.
_RECORD = (
    "id", "hook", "version", "digest", "repository", "status", "signed_by", "signed_at", "amends", "received_at",
    "attempts", "command_attempts",
)  # fmt: skip


@dataclass(kw_only=True)
class Loop(ABC):
    """Does one thing after the other in a thread, until it is stopped."""

    config: Config
    store: Store
    log: Callable[..., None]
    now: Callable[[], float] = time.time
    called: threading.Event = field(default_factory=threading.Event)
    stopped: bool = False
    alive: bool = False
    """Whether `run` runs: a thread that ended by a defect must not go unnoticed."""

    def run(self) -> None:
        """Work until `stop`; nothing that a publication holds, and no store that is away for a while, ends it."""
        self.alive = True
        try:
            while not self.stopped:
                try:
                    self.look_after()
                    while not self.stopped and self.one():
                        pass
                except sa.exc.SQLAlchemyError as error:
                    self.log(event="store", reason=words(error))
                self.called.wait(_PAUSE)
                self.called.clear()
        finally:
            self.alive = False

    def stop(self) -> None:
        """End after what is under way."""
        self.stopped = True
        self.called.set()

    def look_after(self) -> None:  # noqa: B027 - most loops have nothing to look after
        """Do what is to be done now and then."""

    @abstractmethod
    def one(self) -> bool:
        """Do the next thing; return whether there was one."""


@dataclass(kw_only=True)
class Worker(Loop):
    """Takes publications and settles each."""

    env: Mapping[str, str]
    commands: Commander
    pruned: float = 0.0

    def look_after(self) -> None:
        """Forget old deliveries, once a day."""
        if self.now() - self.pruned > _DAY:
            self.store.prune(self.now())
            self.pruned = self.now()

    def one(self) -> bool:
        """Verify the next publication; return whether there was one."""
        taken = self.store.take(self.now())
        if taken is None:
            return False
        began = self.now()
        settled, amends = self._settled(taken)
        hook = self.config.hooks.get(taken["hook"])
        has_command = hook is not None and bool(hook.run)
        status = self.store.settle(taken, settled, self.now(), amends, command=has_command)
        if status == "published" and has_command:
            self.commands.called.set()
        check_clock(settled.signed_at, self.now(), self.log)
        self.log(
            event="settled",
            publication=taken["id"],
            hook=taken["hook"],
            status=status or "taken by another receiver",
            reason=settled.reason,
            message=settled.message,
            ms=round(1000 * (self.now() - began)),
        )
        return True

    def _settled(self, taken: dict[str, Any]) -> tuple[Settled, Callable[[bytes], bool] | None]:
        hook = self.config.hooks.get(taken["hook"])
        if hook is None:
            return Settled(status="failed", reason="internal", message="the hook is no longer configured"), None
        try:
            index, settled = verification.verified(event.parse(taken["body"]), hook, self.env)
            if hook.images == "verify":
                wrong = verification.compare(index, self.config.compute_endpoint, self.env, taken["tries"], self.now())
                settled = wrong or settled
        except verification.Failed as failed:
            return Settled(status="failed", reason=failed.reason, message=failed.message), None
        except ReplicatorError as error:
            # No trusted root, no key: the receiver's own set-up, so the publication waits for it to be mended.
            return verification.unreachable(error.what, taken["tries"], self.now()), None
        except Exception as error:  # noqa: BLE001 - a publication must not end the receiver
            self.log(event="defect", reason="internal", message=traceback.format_exc()[-2000:])
            return Settled(status="failed", reason="internal", message=type(error).__name__), None
        return settled, lambda earlier: verification.amends(earlier, index)


@dataclass(kw_only=True)
class Commander(Loop):
    """Runs the commands of hooks, in a thread of its own: a slow one keeps nothing from being verified."""

    def one(self) -> bool:
        """Run the next command; return whether there was one."""
        queue = CommandQueue(self.store)
        taken = queue.take(self.now(), self._lease)
        if taken is None:
            return False
        ended = self._ended(taken)
        queue.settle(taken, ended, self.now())
        self.log(
            event="command",
            publication=taken["id"],
            hook=taken["hook"],
            status=ended.status,
            exit_code=ended.exit_code,
            attempts=taken["command_attempts"],
        )
        return True

    def _lease(self, name: str) -> float:
        hook = self.config.hooks.get(name)
        return (hook.run_timeout_seconds if hook else 0) + hook_command.GRACE + _MARGIN

    def _ended(self, taken: dict[str, Any]) -> Ended:
        hook = self.config.hooks.get(taken["hook"])
        if hook is None or not hook.run:
            return Ended(status="failed", output="the hook has no command any more")
        content = event.parse(taken["body"]).data.index.content or ""
        record = {name: taken[name] for name in _RECORD}
        return hook_command.run(
            hook.run,
            record,
            content.encode(),
            seconds=hook.run_timeout_seconds,
            stopped=lambda: self.stopped,
        )


def check_clock(signed_at: str, now: float, log: Callable[..., None]) -> None:
    """Log that this machine's clock is behind, where a signature's log told a later time. Ahead, it can't be told."""
    behind = datetime.fromisoformat(signed_at).timestamp() - now if signed_at else 0.0
    if behind > _CLOCK:
        log(event="clock", reason=f"this machine's clock is {behind:.0f} s behind the time that a signature's log told")
