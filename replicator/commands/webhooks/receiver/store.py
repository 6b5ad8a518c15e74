"""Keeps deliveries, publications and events, in SQLite or PostgreSQL. What it returned from is on disk.

SQLAlchemy Core; the tables are made where they are missing, and a store of a newer program is refused. There is one
version of the tables so far, so there are no migrations.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event as hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = 1
#: How many publications may wait.
LARGEST_QUEUE = 100
#: Seconds after which a publication that another receiver took is taken again: that receiver died.
LEASE = 900.0
_WAITING = ("queued", "verifying")

_META = sa.MetaData()
SCHEMA = sa.Table("receiver_schema", _META, sa.Column("version", sa.Integer, primary_key=True))
PUBLICATIONS = sa.Table(
    "publications",
    _META,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("hook", sa.String(63), nullable=False),
    sa.Column("digest", sa.String(71), nullable=False),
    sa.Column("repository", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("status", sa.String(20), nullable=False, index=True),
    sa.Column("reason", sa.String(40), nullable=False, default=""),
    sa.Column("message", sa.Text, nullable=False, default=""),
    sa.Column("signed_by", sa.Text, nullable=False, default=""),
    sa.Column("signed_at", sa.Text, nullable=False, default=""),
    sa.Column("amends", sa.String(40), nullable=False, default=""),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=1),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("due", sa.Float, nullable=False),
    sa.Column("claim", sa.String(40), nullable=False, default=""),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("hook", "digest"),
)
DELIVERIES = sa.Table(
    "deliveries",
    _META,
    sa.Column("hook", sa.String(63), primary_key=True),
    sa.Column("webhook_id", sa.String(100), primary_key=True),
    sa.Column("digest", sa.String(71), nullable=False),
    sa.Column("fingerprint", sa.String(8), nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("times", sa.Integer, nullable=False, default=1),
)
EVENTS = sa.Table(
    "publication_events",
    _META,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("publication", sa.String(40), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("reason", sa.String(40), nullable=False),
)


class Unavailable(Exception):
    """Nothing could be stored; the sender should try again."""


class Conflict(Exception):
    """The id of a delivery is known with another index."""


class NewerStore(Exception):
    """The store was made by a newer version of this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One authenticated delivery."""

    hook: str
    webhook_id: str
    fingerprint: str
    digest: str
    repository: str
    version: str
    body: bytes
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a publication."""

    status: str
    reason: str = ""
    message: str = ""
    signed_by: str = ""
    signed_at: str = ""
    due: float = 0.0


class Store:
    """The tables, behind the few things that are done with them. Each method is one transaction."""

    def __init__(self, state: str) -> None:
        """Open the store, and make it where it is missing. Raises NewerStore, sqlalchemy.exc.SQLAlchemyError."""
        self._sqlite = "://" not in state
        url = f"sqlite:///{state}" if self._sqlite else state.replace("postgresql://", "postgresql+psycopg://", 1)
        arguments = {"timeout": 5} if self._sqlite else {"connect_timeout": 5}
        self._engine = sa.create_engine(url, connect_args=arguments, pool_pre_ping=not self._sqlite)
        if self._sqlite:
            hooks.listen(self._engine, "connect", _durable)
            hooks.listen(self._engine, "begin", _immediate)
        with self._changing() as db:
            self._lock(db, "schema")
            _META.create_all(db)
            found = db.scalar(sa.select(SCHEMA.c.version))
            if found is None:
                db.execute(SCHEMA.insert().values(version=VERSION))
            elif found > VERSION:
                raise NewerStore(f"version {found}; this program knows {VERSION}")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def accept(self, new: Arrival) -> tuple[str, str]:
        """Store a delivery; return `queued` or `idempotent_hit`, and its publication. Raises Conflict, Unavailable.

        What this returned from is on disk.
        """
        for _ in range(3):
            try:
                with self._changing() as db:
                    return self._accepted(db, new)
            except sa.exc.IntegrityError:
                continue  # another receiver stored the same at the same moment: now it is known
            except sa.exc.SQLAlchemyError as error:
                raise Unavailable(type(error).__name__) from error
        raise Unavailable("the same was stored by others again and again")

    def _accepted(self, db: sa.Connection, new: Arrival) -> tuple[str, str]:
        same_delivery = (DELIVERIES.c.hook == new.hook) & (DELIVERIES.c.webhook_id == new.webhook_id)
        known = db.execute(sa.select(DELIVERIES.c.digest).where(same_delivery)).first()
        if known and known.digest != new.digest:
            raise Conflict
        table = PUBLICATIONS
        same = (table.c.hook == new.hook) & (table.c.digest == new.digest)
        held = db.execute(sa.select(table.c.id, table.c.status).where(same).with_for_update()).first()
        waiting = db.scalar(sa.select(sa.func.count()).where(table.c.status.in_(_WAITING))) or 0
        if waiting >= LARGEST_QUEUE and (held is None or held.status == "failed"):
            raise Unavailable("the queue is full")
        if known:
            db.execute(
                DELIVERIES.update()
                .where(same_delivery)
                # Which secret the sender uses now.
                .values(times=DELIVERIES.c.times + 1, received_at=new.now, fingerprint=new.fingerprint)
            )
        else:
            about = {name: getattr(new, name) for name in ("hook", "webhook_id", "digest", "fingerprint")}
            db.execute(DELIVERIES.insert().values(**about, received_at=new.now))
        if held is None:
            publication = f"pub_{uuid.uuid4().hex}"
            columns = ("hook", "digest", "repository", "version", "body")
            values = {name: getattr(new, name) for name in columns}
            db.execute(
                table.insert().values(id=publication, status="queued", received_at=new.now, due=new.now, **values)
            )
            _note(db, publication, new.now, "queued")
            return "queued", publication
        if held.status == "failed":
            self._queue_again(db, held.id, new.now, body=new.body)
        return "idempotent_hit", held.id

    def retry(self, publication: str, now: float) -> bool:
        """Queue a failed publication again; return whether there is one."""
        with self._changing() as db:
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
        _note(db, publication, now, "queued", "redelivered")

    def take(self, now: float) -> dict[str, Any] | None:
        """Take the next publication to verify, for LEASE seconds; None if there is none. Two never take the same."""
        table = PUBLICATIONS
        due = sa.select(table).where(table.c.status.in_(_WAITING), table.c.due <= now).order_by(table.c.received_at)
        with self._changing() as db:
            row = db.execute(due.limit(1).with_for_update(skip_locked=True)).mappings().first()
            if row is None:
                return None
            values = {"status": "verifying", "due": now + LEASE, "claim": uuid.uuid4().hex, "tries": row["tries"] + 1}
            db.execute(table.update().where(table.c.id == row["id"]).values(**values))
            return {**row, **values}

    def release(self) -> None:
        """Give back all that was taken. Only at the start of a single receiver: what took it has ended."""
        if self._sqlite:
            with self._changing() as db:
                table = PUBLICATIONS
                db.execute(
                    table.update().where(table.c.status == "verifying", table.c.claim != "").values(due=0.0, claim="")
                )

    def settle(
        self, taken: dict[str, Any], settled: Settled, now: float, amends: Callable[[bytes], bool] | None = None
    ) -> str:
        """Record what became of a publication that `take` gave; return its status, empty if another took it meanwhile.

        `amends` says whether this one only adds to an earlier one of the same version; if not, it is a conflict.
        """
        table = PUBLICATIONS
        with self._changing() as db:
            self._lock(db, taken["hook"])
            values: dict[str, Any] = {name: getattr(settled, name) for name in Settled.__dataclass_fields__}
            if settled.status == "published" and amends and taken["version"]:
                earlier = self._published(db, taken)
                if earlier and not amends(earlier.body):
                    text = (
                        f"the version was published as {earlier.id}, and this index isn't the same with more locations"
                    )
                    values |= {"status": "failed", "reason": "conflict", "message": text}
                elif earlier:
                    values["amends"] = earlier.id
            mine = (table.c.id == taken["id"]) & (table.c.claim == taken["claim"])
            if db.execute(table.update().where(mine).values(claim="", **values)).rowcount != 1:
                return ""
            _note(db, taken["id"], now, values["status"], values["reason"])
            return str(values["status"])

    def _published(self, db: sa.Connection, taken: dict[str, Any]) -> Any:
        table = PUBLICATIONS
        same = [table.c[name] == taken[name] for name in ("hook", "repository", "version")]
        newest = sa.select(table.c.id, table.c.body).where(*same, table.c.status == "published")
        return db.execute(newest.order_by(table.c.received_at.desc()).limit(1)).first()

    def publications(self) -> list[dict[str, Any]]:
        """Return all publications, oldest first, without their bodies."""
        columns = [column for column in PUBLICATIONS.c if column.name not in {"body", "claim", "due", "tries"}]
        with self._engine.connect() as db:
            return [
                dict(row) for row in db.execute(sa.select(*columns).order_by(PUBLICATIONS.c.received_at)).mappings()
            ]

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
            with self._changing() as db:
                db.execute(SCHEMA.update().values(version=VERSION))
        except sa.exc.SQLAlchemyError:
            return False
        return True

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as db:
            yield db

    def _lock(self, db: sa.Connection, name: str) -> None:
        """Let one transaction at a time pass here; SQLite lets only one write anyway."""
        if not self._sqlite:
            db.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"image-receiver {name}"})


def _note(db: sa.Connection, publication: str, now: float, status: str, reason: str = "") -> None:
    db.execute(EVENTS.insert().values(publication=publication, at=now, status=status, reason=reason))


def _durable(connection: Any, _record: object) -> None:
    # The driver's own transactions begin too late to be immediate.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
