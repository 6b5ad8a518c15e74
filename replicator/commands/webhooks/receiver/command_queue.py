"""Keeps what the hooks' commands are to do and did, in the tables of the store; each is run at least once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from replicator.commands.webhooks.receiver.store import note
from replicator.commands.webhooks.receiver.tables import COMMANDS, PUBLICATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.commands.webhooks.receiver.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a command."""

    status: str
    """`done`, `failed`, or `waiting` where the receiver stopped before it ended."""
    exit_code: int | None = None
    """Below 0 for a signal; None if it could not be started, or did not end in time."""
    output: str = ""


@dataclass(frozen=True, slots=True)
class CommandQueue:
    """The commands that wait, behind the few things that are done with them. Each method is one transaction."""

    store: Store

    def take(self, now: float, lease: Callable[[str], float]) -> dict[str, Any] | None:
        """Take the next publication whose command waits; None if there is none. Two never take the same.

        `lease` says for how many seconds, by the hook: after those, the receiver that took it has died.
        """
        due = (
            sa.select(PUBLICATIONS, COMMANDS.c.attempts.label("command_attempts"))
            .join(COMMANDS, COMMANDS.c.publication == PUBLICATIONS.c.id)
            .where(COMMANDS.c.status.in_(("waiting", "running")), COMMANDS.c.due <= now)
            .order_by(PUBLICATIONS.c.received_at)
        )
        with self.store.changing() as db:
            row = db.execute(due.limit(1).with_for_update(skip_locked=True, of=COMMANDS)).mappings().first()
            if row is None:
                return None
            claim = uuid.uuid4().hex
            values = {"status": "running", "due": now + lease(row["hook"]), "claim": claim}
            values["attempts"] = row["command_attempts"] + 1
            db.execute(COMMANDS.update().where(COMMANDS.c.publication == row["id"]).values(**values))
            return {**row, "claim": claim, "command_attempts": values["attempts"]}

    def settle(self, taken: dict[str, Any], ended: Ended, now: float) -> None:
        """Record what became of a command that `take` gave, unless another receiver took it meanwhile."""
        mine = (COMMANDS.c.publication == taken["id"]) & (COMMANDS.c.claim == taken["claim"])
        values = {"status": ended.status, "exit_code": ended.exit_code, "output": ended.output, "claim": "", "due": now}
        with self.store.changing() as db:
            if db.execute(COMMANDS.update().where(mine).values(**values)).rowcount == 1:
                note(db, taken["id"], now, "command", ended.status)

    def retry(self, publication: str, now: float) -> bool:
        """Let a failed command of a published publication wait again; return whether there is one."""
        failed = (COMMANDS.c.publication == publication) & (COMMANDS.c.status == "failed")
        with self.store.changing() as db:
            if db.execute(COMMANDS.update().where(failed).values(status="waiting", due=now)).rowcount != 1:
                return False
            note(db, publication, now, "command", "waiting")
            return True
