"""Declares the tables of deliveries, publications, commands and events, and the values that go in and out of them.

The tables are made where they are missing, and a store of a newer program is refused. There is one version of them so
far, so there are no migrations.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1
#: How many publications may wait.
LARGEST_QUEUE = 100
#: Seconds after which a publication that another receiver took is taken again: that receiver died.
LEASE = 900.0
#: Seconds for which it is remembered that a delivery arrived; a replay is refused after minutes, by its time.
KEPT = 90 * 86400.0
WAITING = ("queued", "verifying")

META = sa.MetaData()
SCHEMA = sa.Table("receiver_schema", META, sa.Column("version", sa.Integer, primary_key=True))
PUBLICATIONS = sa.Table(
    "publications",
    META,
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
    META,
    sa.Column("hook", sa.String(63), primary_key=True),
    sa.Column("webhook_id", sa.String(100), primary_key=True),
    sa.Column("digest", sa.String(71), nullable=False),
    sa.Column("fingerprint", sa.String(8), nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("times", sa.Integer, nullable=False, default=1),
)
#: What the hook runs once something is published. In a table of its own, because most hooks run nothing.
COMMANDS = sa.Table(
    "commands",
    META,
    sa.Column("publication", sa.String(40), sa.ForeignKey("publications.id"), primary_key=True),
    sa.Column("status", sa.String(20), nullable=False, index=True),
    sa.Column("due", sa.Float, nullable=False),
    sa.Column("claim", sa.String(40), nullable=False, default=""),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("exit_code", sa.Integer),
    sa.Column("output", sa.Text, nullable=False, default=""),
)
EVENTS = sa.Table(
    "publication_events",
    META,
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


def words(error: sa.exc.SQLAlchemyError) -> str:
    """Return what is wrong with the store: SQLite's words, and of PostgreSQL the name of the error.

    The whole text holds statements, and the URL with its password.
    """
    cause = getattr(error, "orig", None) or error
    return str(cause) if isinstance(cause, sqlite3.Error) else type(cause).__name__


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
    amends: Callable[[bytes], bool]
    """Whether it only adds to an earlier announcement of the same version, whose body this gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a publication."""

    status: str
    reason: str = ""
    message: str = ""
    signed_by: str = ""
    signed_at: str = ""
    due: float = 0.0
