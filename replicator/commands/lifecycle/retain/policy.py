"""Defines what is kept, and for how long: the rules of each line, and those of all. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How long the releases of one line are kept."""

    routine_days: int = 90
    """Days from the creation of the source until a release may be retired."""
    critical_days: int = 365
    """The same of a release with the critical label."""
    keep: int = 3
    """The newest usable releases of each family that are never retired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a sweep goes by."""

    lines: Mapping[str, Rules]
    grace_days: int = 7
    """Days between retiring and deleting."""
    max_deletions: int = 20
    """The most images that one sweep retires, and the most that it deletes."""
    retire_as: str = "DEPRECATED"
    """DEPRECATED or OBSOLETE."""
    release_label: str = "release"
    critical_label: str = "critical"
    hold_label: str = "hold"

    @property
    def grace(self) -> timedelta:
        """The time between retiring and deleting."""
        return timedelta(days=self.grace_days)
