"""Defines what is decided of a set of images, and what is to be done to each image. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from replicator.commands.lifecycle.releases import ReplicaSet
    from replicator.core.images import Image


class Decision(StrEnum):
    """What a sweep does with a set."""

    PURGE = "purge"
    RETIRE = "retire"
    KEEP = "keep"


class Reason(StrEnum):
    """Why a set is kept; the first that applies, in this order."""

    UNREADABLE = "unreadable"
    """A date of deletion can't be read, or the members have several release labels."""
    BUSY = "busy"
    """A member is PENDING or DELETING, or younger than 24 hours."""
    BROKEN = "broken"
    """A member FAILED."""
    DEFAULT = "default"
    """A family resolves to a member."""
    NEWER_THAN_DEFAULT = "newer_than_default"
    """Its source is newer than the default's: it is staged, or was rolled back."""
    HOLD = "hold"
    """A member has the hold label."""
    KEEP_COUNT = "keep_count"
    """It is one of the newest of a family."""
    PREVIOUS = "previous"
    """It was the default before the one of today, which is young."""
    AGE = "age"
    """It isn't old enough."""
    GRACE = "grace"
    """It is retired, and its date hasn't passed."""
    IN_USE = "in_use"
    """An instance template names a member."""
    GROUP = "group"
    """Another set of the same release is kept, or isn't retired yet."""
    CAP = "cap"
    """It would go, but the sweep has done enough."""
    NOT_APPROVED = "not_approved"
    """It would go, but isn't in the approved plan."""
    CHANGED = "changed"
    """Somebody changed it, or what protects it, after the plan was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """What an image's deprecation becomes."""

    image: Image
    state: str
    replacement: str
    """The URI of the image to use instead; empty if there is none."""
    deleted: str
    """When it may be deleted, RFC 3339 or as somebody wrote it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What is decided of one set."""

    each: ReplicaSet
    decision: Decision
    reason: Reason | None = None
    """Why it is kept; None unless it is."""
    detail: str = ""
    """What the reason is about, for people: families, a label, a template, a rank."""
    until: datetime | None = None
    """The moment from which the whole set may be deleted; None if that isn't known yet."""
    retirements: tuple[Retirement, ...] = ()
    """What to write, in order: replicas first."""
    purges: tuple[Image, ...] = ()
    """All members, in the order in which they are deleted: copies before what they were copied from."""

    @property
    def due(self) -> tuple[Image, ...]:
        """The images that change, in order."""
        return self.purges or tuple(retirement.image for retirement in self.retirements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sweep would do now."""

    sets: tuple[Decided, ...]
    """Line by line, newest first."""
    retire: tuple[Decided, ...]
    """The sets to retire, oldest first."""
    purge: tuple[Decided, ...]
    """The sets to delete, oldest first."""
    oversized: tuple[Decided, ...] = ()
    """Sets with more images than one sweep may change, which end the list."""

    @property
    def due(self) -> int:
        """How many images would change."""
        return sum(len(decided.due) for decided in (*self.retire, *self.purge))

    def of(self, root: str) -> Decided | None:
        """Return what is decided of the set whose source has this id."""
        return next((decided for decided in self.sets if decided.each.root.id == root), None)
