"""Decides which image each location is copied from, and when: origins, hourly limits, leads last. Pure."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from replicator.compute.rate_limit import Budget
from replicator.replicas import copy_tree
from replicator.replicas.copy_tree import SOURCE
from replicator.replicas.plan import COPIES_AN_HOUR

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


#: Seconds in which Compute Engine counts the copies of an image, and 5 more because its clock differs from ours.
HOUR = 3605.0


class Reason(Enum):
    """Why a location that asked for a copy was not dealt one yet."""

    FAMILY = auto()
    """It leads a family, and the copies of the other members come first."""
    REPLICA = auto()
    """A replica is under way that may become an origin."""
    LIMIT = auto()
    """Every origin has reached its limit of copies within an hour."""
    TOO_LATE = auto()
    """As LIMIT, and no origin is free again before the deadline."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a location that asked for a copy waits for."""

    location: str
    reason: Reason
    until: float
    """When an origin is free again, so that dealing again may help; infinite if only an event can help."""


class CopyQueue:
    """Deals origins (the source, or verified replicas) to locations that ask for a copy.

        queue.ask("eu")
        queue.deal(now)          # [("eu", "source")]: the insert is sent now, and counts from now on
        queue.begun("eu", now)   # it was accepted only now, so it counts from this moment
        queue.ended("eu", is_origin=True)

    While no limit is known the source serves all; from then on verified replicas serve as well. A copy is placed once
    its insert was accepted or has to wait for long. The lead of a family is dealt its copy once all other members are
    placed. The caller passes in the time, in seconds; nothing here waits.
    """

    def __init__(
        self,
        home: str,
        leads: Mapping[str, str],
        *,
        expected: Collection[str],
        most: float = math.inf,
        deadline: float = math.inf,
    ) -> None:
        """Make a queue. `leads` maps each location under way, in the plan's order, to its family's lead or "".

        `home` is the source's location; `expected` are the locations that will ask for a copy unless they end before.
        """
        self.most = most
        """How many copies of one image are allowed within an hour; infinite while no limit is known."""
        self._home = home
        self._leads = leads
        self._deadline = deadline
        self._running = set(leads)
        self._unplaced = set(expected)
        self._asking: dict[str, bool] = {}
        """Location that was dealt nothing yet → whether it must be copied from the source."""
        self._counted: dict[str, tuple[str, float]] = {}
        """Location → the origin that its last copy counts against, and the time since which it counts."""
        self._budgets = {SOURCE: Budget(most, within=HOUR)}
        """Origin → its budget of copies."""

    def ask(self, location: str, *, of_source: bool = False) -> None:
        """Ask for a copy for a location, from any origin, or from the source only with `of_source`."""
        self._asking[location] = of_source
        self._unplaced.add(location)

    def withdraw(self, location: str) -> None:
        """Take back a location's request for a copy."""
        self._asking.pop(location, None)

    def give_back(self, location: str) -> None:
        """Uncount the copy that this location was dealt last, because it was not made."""
        if location not in self._counted:
            return
        origin, since = self._counted.pop(location)
        if origin in self._budgets:
            self._budgets[origin].unspend(since)

    def begun(self, location: str, now: float) -> None:
        """Count the copy from `now`, when its insert was accepted, as Compute Engine does."""
        origin, _ = self._counted[location]
        self.give_back(location)
        self._count(location, origin, now)
        self.place(location)

    def place(self, location: str) -> None:
        """Mark a location as placed: the lead of its family need not wait for it any longer."""
        self._unplaced.discard(location)

    def exhausted(self, origin: str, now: float, seconds: float) -> None:
        """Close an origin that Compute Engine refuses to copy, for that many seconds; limit all from now on."""
        self.most = min(self.most, COPIES_AN_HOUR)
        for budget in self._budgets.values():
            budget.allowed = self.most
        if origin in self._budgets:
            self._budgets[origin].close(now, seconds)

    def lost(self, origin: str) -> None:
        """Drop an origin that is gone or replaced. The source always stays: each refusal is judged anew."""
        if origin != SOURCE:
            self._budgets.pop(origin, None)

    def ended(self, location: str, *, is_origin: bool) -> None:
        """End a location; `is_origin` says whether its replica was verified and can be copied."""
        self.withdraw(location)
        self.place(location)
        self._running.discard(location)
        if is_origin:
            self._budgets[location] = Budget(self.most, within=HOUR)

    def deal(self, now: float) -> list[tuple[str, str]]:
        """Return (location, origin) of each copy to begin now: first those that need the source, leads last."""
        dealt: list[tuple[str, str]] = []
        while True:
            for is_lead, of_source in itertools.product((False, True), (True, False)):
                # Members that were just dealt a copy block their lead again, so turns are computed anew each time.
                group = [
                    location
                    for location in self._turns()
                    if (self._leads[location] == location, self._asking[location]) == (is_lead, of_source)
                ]
                for location, origin in copy_tree.assign(group, self._offers(now, of_source=of_source)).items():
                    del self._asking[location]
                    self._unplaced.add(location)
                    self._count(location, origin, now)
                    dealt.append((location, origin))
            waiting_long = {wait.location for wait in self.waits(now) if wait.reason is Reason.LIMIT} & self._unplaced
            if not waiting_long:
                return dealt
            self._unplaced -= waiting_long

    def waits(self, now: float) -> list[Wait]:
        """Return what each location that was dealt nothing waits for, in the order of the plan."""
        turns = self._turns()
        coming = bool(self._running - self._asking.keys())
        found = []
        for location in filter(self._asking.__contains__, self._leads):
            of_source = self._asking[location]
            reason, until = Reason.FAMILY, math.inf
            if location in turns:
                until = min(self._budgets[origin].opens(now) for origin in self._origins(of_source=of_source))
                late = Reason.TOO_LATE if until > self._deadline else Reason.LIMIT
                reason = Reason.REPLICA if coming and not of_source else late
            found.append(Wait(location, reason, until))
        return found

    def _turns(self) -> list[str]:
        """Return the asking locations that may be dealt a copy, in the order of the plan: all but blocked leads."""
        held_up = {lead for location, lead in self._leads.items() if location != lead and location in self._unplaced}
        return [location for location in self._leads if location in self._asking and location not in held_up]

    def _origins(self, *, of_source: bool) -> list[str]:
        return [SOURCE] if of_source else list(self._budgets)

    def _offers(self, now: float, *, of_source: bool) -> list[copy_tree.Offer]:
        return [
            copy_tree.Offer(
                name=origin,
                location=self._home if origin == SOURCE else origin,
                free=self._budgets[origin].free(now),
            )
            for origin in self._origins(of_source=of_source)
        ]

    def _count(self, location: str, origin: str, now: float) -> None:
        self._counted[location] = (origin, now)
        if origin in self._budgets:
            self._budgets[origin].spend(now)
