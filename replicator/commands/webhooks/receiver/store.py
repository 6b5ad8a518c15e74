"""Keeps deliveries and publications, in SQLite or PostgreSQL. What it returned from is on disk.

SQLAlchemy Core; `tables` says what is kept, `command_queue` does the same for the commands of hooks.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event as hooks

from replicator.commands.webhooks.receiver.tables import (
    COMMANDS,
    DELIVERIES,
    EVENTS,
    KEPT,
    LARGEST_QUEUE,
    LEASE,
    META,
    PUBLICATIONS,
    SCHEMA,
    VERSION,
    WAITING,
    Conflict,
    NewerStore,
    Settled,
    Unavailable,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.commands.webhooks.receiver.tables import Arrival


class Store:
    """The tables, behind the few things that are done with them. Each method is one transaction."""

    def __init__(self, state: str) -> None:
        """Open the store, and make it where it is missing. Raises NewerStore, sqlalchemy.exc.SQLAlchemyError."""
        self._sqlite = "://" not in state
        self._turn = threading.Lock()
        self._arrived: deque[tuple[Arrival, Future[tuple[str, str]]]] = deque()
        url = f"sqlite:///{state}" if self._sqlite else state.replace("postgresql://", "postgresql+psycopg://", 1)
        arguments = {"timeout": 5} if self._sqlite else {"connect_timeout": 5}
        self._engine = sa.create_engine(url, connect_args=arguments, pool_pre_ping=not self._sqlite)
        if self._sqlite:
            hooks.listen(self._engine, "connect", _durable)
            hooks.listen(self._engine, "begin", _immediate)
        with self.changing() as db:
            self._lock(db, "schema")
            META.create_all(db)
            found = db.scalar(sa.select(SCHEMA.c.version))
            if found is None:
                db.execute(SCHEMA.insert().values(version=VERSION))
            elif found > VERSION:
                raise NewerStore(f"version {found}; this program knows {VERSION}")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def accept(self, new: Arrival) -> tuple[str, str]:
        """Store a delivery; return `queued`, `idempotent_hit` or `conflict`, and its publication.

        What this returned from is on disk. Raises Conflict for an id that is known with another index, Unavailable.
        """
        if not self._sqlite:
            return self._alone(new)
        mine: Future[tuple[str, str]] = Future()
        self._arrived.append((new, mine))
        with self._turn:
            if not mine.done():
                self._together()
        return mine.result()

    def _alone(self, new: Arrival) -> tuple[str, str]:
        for _ in range(3):
            try:
                with self._engine.begin() as db:
                    return self._accepted(db, new)
            except sa.exc.IntegrityError:
                continue  # another receiver stored the same at the same moment: now it is known
            except sa.exc.SQLAlchemyError as error:
                raise Unavailable(words(error)) from error
        raise Unavailable("the same was stored by others again and again")

    def _together(self) -> None:
        """Store all that arrived by now in one transaction: each waits for the disk once, and not for all before it."""
        batch = [self._arrived.popleft() for _ in range(len(self._arrived))]
        stored: list[tuple[str, str] | Exception] = []
        try:
            with self._engine.begin() as db:
                for new, _ in batch:
                    try:
                        stored.append(self._accepted(db, new))
                    except (Conflict, Unavailable) as error:
                        # Both come before anything is written.
                        stored.append(error)
        except Exception as error:  # noqa: BLE001 - nobody may wait for ever, whatever it was
            away = Unavailable(words(error)) if isinstance(error, sa.exc.SQLAlchemyError) else error
            stored = [away] * len(batch)
        for (_, waiting), found in zip(batch, stored, strict=True):
            if isinstance(found, tuple):
                waiting.set_result(found)
            else:
                waiting.set_exception(found)

    def _accepted(self, db: sa.Connection, new: Arrival) -> tuple[str, str]:
        same_delivery = (DELIVERIES.c.hook == new.hook) & (DELIVERIES.c.webhook_id == new.webhook_id)
        known = db.execute(sa.select(DELIVERIES.c.digest).where(same_delivery)).first()
        if known and known.digest != new.digest:
            raise Conflict
        table = PUBLICATIONS
        same = (table.c.hook == new.hook) & (table.c.digest == new.digest)
        held = db.execute(sa.select(table.c.id, table.c.status).where(same).with_for_update()).first()
        settled = held is not None and held.status != "failed"
        earlier = None if settled else published(db, new.hook, new.repository, new.version)
        contradicts = earlier is not None and not new.amends(earlier.body)
        if not settled and not contradicts:
            waiting = db.scalar(sa.select(sa.func.count()).where(table.c.status.in_(WAITING))) or 0
            if waiting >= LARGEST_QUEUE:
                raise Unavailable("the queue is full")
        self._count(db, new, same_delivery, known=known is not None)
        if held is not None and settled:
            return "idempotent_hit", held.id
        publication = held.id if held else self._recorded(db, new)
        if earlier is not None and contradicts:
            db.execute(table.update().where(table.c.id == publication).values(**_conflict(earlier.id)))
            note(db, publication, new.now, "failed", "conflict")
            return "conflict", publication
        if held:
            self._queue_again(db, held.id, new.now, body=new.body)
        return ("idempotent_hit" if held else "queued"), publication

    def _recorded(self, db: sa.Connection, new: Arrival) -> str:
        publication = f"pub_{uuid.uuid4().hex}"
        values = {name: getattr(new, name) for name in ("hook", "digest", "repository", "version", "body")}
        about = {"id": publication, "status": "queued", "received_at": new.now, "due": new.now}
        db.execute(PUBLICATIONS.insert().values(**about, **values))
        note(db, publication, new.now, "queued")
        return publication

    def _count(self, db: sa.Connection, new: Arrival, same: Any, *, known: bool) -> None:
        if known:
            # Which secret the sender uses now.
            values = {"times": DELIVERIES.c.times + 1, "received_at": new.now, "fingerprint": new.fingerprint}
            db.execute(DELIVERIES.update().where(same).values(**values))
        else:
            about = {name: getattr(new, name) for name in ("hook", "webhook_id", "digest", "fingerprint")}
            db.execute(DELIVERIES.insert().values(**about, received_at=new.now))

    def retry(self, publication: str, now: float) -> bool:
        """Queue a failed publication again; return whether there is one."""
        with self.changing() as db:
            found = db.execute(
                sa.select(PUBLICATIONS.c.status).where(PUBLICATIONS.c.id == publication).with_for_update()
            ).first()
            if found is None or found.status != "failed":
                return False
            self._queue_again(db, publication, now)
            return True

    def _queue_again(self, db: sa.Connection, publication: str, now: float, **more: Any) -> None:
        values = {"status": "queued", "reason": "", "message": "", "tries": 0, "due": now, "claim": "", **more}
        table = PUBLICATIONS
        db.execute(table.update().where(table.c.id == publication).values(attempts=table.c.attempts + 1, **values))
        note(db, publication, now, "queued", "redelivered")

    def take(self, now: float) -> dict[str, Any] | None:
        """Take the next publication to verify, for LEASE seconds; None if there is none. Two never take the same."""
        table = PUBLICATIONS
        due = sa.select(table).where(table.c.status.in_(WAITING), table.c.due <= now).order_by(table.c.received_at)
        with self.changing() as db:
            row = db.execute(due.limit(1).with_for_update(skip_locked=True)).mappings().first()
            if row is None:
                return None
            values = {"status": "verifying", "due": now + LEASE, "claim": uuid.uuid4().hex, "tries": row["tries"] + 1}
            db.execute(table.update().where(table.c.id == row["id"]).values(**values))
            return {**row, **values}

    def release(self) -> None:
        """Give back all that was taken. Only at the start of a single receiver: what took it has ended."""
        if self._sqlite:
            with self.changing() as db:
                for table, taken in ((PUBLICATIONS, "verifying"), (COMMANDS, "running")):
                    held = (table.c.status == taken) & (table.c.claim != "")
                    db.execute(table.update().where(held).values(due=0.0, claim=""))

    def settle(
        self,
        taken: dict[str, Any],
        settled: Settled,
        now: float,
        amends: Callable[[bytes], bool] | None = None,
        *,
        command: bool = False,
    ) -> str:
        """Record what became of a publication that `take` gave; return its status, empty if another took it meanwhile.

        `amends` says whether this one only adds to an earlier one of the same version; if not, it is a conflict. With
        `command`, what is published waits for the hook's command from the same moment on.
        """
        table = PUBLICATIONS
        with self.changing() as db:
            self._lock(db, taken["hook"])
            values: dict[str, Any] = {name: getattr(settled, name) for name in Settled.__dataclass_fields__}
            if settled.status == "published" and amends:
                earlier = published(db, taken["hook"], taken["repository"], taken["version"])
                if earlier and not amends(earlier.body):
                    values |= _conflict(earlier.id)
                elif earlier:
                    values["amends"] = earlier.id
            mine = (table.c.id == taken["id"]) & (table.c.claim == taken["claim"])
            if db.execute(table.update().where(mine).values(claim="", **values)).rowcount != 1:
                return ""
            note(db, taken["id"], now, values["status"], values["reason"])
            if command and values["status"] == "published":
                db.execute(COMMANDS.insert().values(publication=taken["id"], status="waiting", due=now))
            return str(values["status"])

    def prune(self, now: float) -> None:
        """Forget that deliveries arrived, after KEPT seconds; publications and events stay."""
        with self.changing() as db:
            db.execute(DELIVERIES.delete().where(DELIVERIES.c.received_at < now - KEPT))

    def latest_signature(self) -> str:
        """Return the newest time that a signature's log told, in ISO 8601; empty if there is none."""
        with self._engine.connect() as db:
            return str(db.scalar(sa.select(sa.func.max(PUBLICATIONS.c.signed_at))) or "")

    def publications(self) -> list[dict[str, Any]]:
        """Return all publications, oldest first, without their bodies, with what became of their commands."""
        hidden = {"body", "claim", "due", "tries"}
        columns = [column for column in PUBLICATIONS.c if column.name not in hidden]
        command = [
            sa.func.coalesce(COMMANDS.c.status, "").label("command"),
            COMMANDS.c.exit_code.label("command_exit_code"),
            sa.func.coalesce(COMMANDS.c.output, "").label("command_output"),
        ]
        joined = PUBLICATIONS.outerjoin(COMMANDS, COMMANDS.c.publication == PUBLICATIONS.c.id)
        wanted = sa.select(*columns, *command).select_from(joined).order_by(PUBLICATIONS.c.received_at)
        with self._engine.connect() as db:
            return [dict(row) for row in db.execute(wanted).mappings()]

    def events(self, publication: str) -> list[dict[str, Any]]:
        """Return what happened to a publication, in order."""
        columns = [EVENTS.c.at, EVENTS.c.status, EVENTS.c.reason]
        wanted = sa.select(*columns).where(EVENTS.c.publication == publication).order_by(EVENTS.c.number)
        with self._engine.connect() as db:
            return [dict(row) for row in db.execute(wanted).mappings()]

    def received(self) -> dict[tuple[str, str], tuple[int, float]]:
        """Return how often and when last something arrived, by hook and fingerprint; all of it was well signed."""
        table = DELIVERIES
        counted = sa.select(
            table.c.hook, table.c.fingerprint, sa.func.sum(table.c.times), sa.func.max(table.c.received_at)
        )
        with self._engine.connect() as db:
            rows = db.execute(counted.group_by(table.c.hook, table.c.fingerprint))
            return {(row[0], row[1]): (int(row[2]), float(row[3])) for row in rows}

    def writable(self) -> bool:
        """Return whether something can be stored."""
        try:
            with self.changing() as db:
                db.execute(SCHEMA.update().values(version=VERSION))
        except sa.exc.SQLAlchemyError:
            return False
        return True

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """Give a connection for one transaction."""
        # SQLite lets one write at a time, and has the others look again after ever longer pauses, some of them in vain.
        with self._turn if self._sqlite else nullcontext(), self._engine.begin() as db:
            yield db

    def _lock(self, db: sa.Connection, name: str) -> None:
        """Let one transaction at a time pass here; SQLite lets only one write anyway."""
        if not self._sqlite:
            db.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"image-receiver {name}"})


def _conflict(earlier: str) -> dict[str, str]:
    message = f"the version was published as {earlier}, and this index isn't the same with more locations"
    return {"status": "failed", "reason": "conflict", "message": message, "signed_by": "", "signed_at": ""}


def published(db: sa.Connection, hook: str, repository: str, version: str) -> Any:
    """Return id and body of what is published last of a version; None if nothing is, or there is no version."""
    table = PUBLICATIONS
    about = (table.c.hook == hook) & (table.c.repository == repository) & (table.c.version == version)
    newest = sa.select(table.c.id, table.c.body).where(about, table.c.status == "published")
    return db.execute(newest.order_by(table.c.received_at.desc()).limit(1)).first() if version else None


def note(db: sa.Connection, publication: str, now: float, status: str, reason: str = "") -> None:
    """Append an event to what happened to a publication."""
    db.execute(EVENTS.insert().values(publication=publication, at=now, status=status, reason=reason))


def _durable(connection: Any, _record: object) -> None:
    # The driver's own transactions begin too late to be immediate.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
