"""Tracks one replica while a run goes on (the run's only mutable state), and makes its row of the results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.core import access, compare, errors, held_back
from replicator.core.replicas import Action, Held, Lineage, Outcome, ReplicaResult
from replicator.replicas import copy_tree
from replicator.replicas.plan import tree_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.core.errors import ReplicaError
    from replicator.core.images import Image, Policy
    from replicator.core.replicas import Plan, Replica, Step


@dataclass(kw_only=True, eq=False)
class Work:
    """A step of the plan being carried out."""

    step: Step
    began: float
    """Seconds on the event loop's clock, as is `ended`."""
    ended: float | None = None
    state: str = "waiting"
    """What people read about it while it goes on."""
    percent: int | None = None
    """Progress of its copy; None until Compute Engine reports one."""
    copying_since: float | None = None
    """When its copy began, on the event loop's clock."""
    operation: str = ""
    """The name of the last operation that was started for it."""
    image: Image | None = None
    policy: Policy | None = None
    made: bool = False
    """Whether this run made the image."""
    changed: bool = False
    """Whether this run changed the image in any way."""
    verified: bool = False
    error: ReplicaError | None = None
    held: Held | None = None
    notes: list[str] = field(default_factory=list)
    """What people should know although nothing is wrong."""

    @property
    def replica(self) -> Replica:
        """The image that is wanted."""
        return self.step.replica

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.ended is None

    def end(self, now: float, error: ReplicaError | None = None) -> None:
        """End it, well or with an error."""
        self.ended = now
        self.error = error

    @property
    def outcome(self) -> Outcome:
        """The outcome so far."""
        if self.step.action is Action.SERVE:
            return Outcome.SOURCE
        if self.error is not None:
            return Outcome.INTERRUPTED if self.error.interrupts else Outcome.FAILED
        if not self.verified:
            return Outcome.INTERRUPTED
        if self.made:
            return Outcome.CREATED
        return Outcome.REPAIRED if self.changed else Outcome.ADOPTED


def start(plan: Plan, now: float) -> list[Work]:
    """Make the work of a plan, in the plan's order. Steps with nothing to do have ended already."""
    works = []
    for step in plan.steps:
        work = Work(step=step, began=now)
        if step.action is Action.SERVE:
            work.image, work.policy, work.verified = plan.source, plan.source_policy, True
            work.end(now)
        elif step.existing and step.existing.lineage is not Lineage.FOREIGN:
            work.image, work.policy = step.existing.image, step.existing.policy
        if step.action is Action.REFUSE:
            work.end(now, step.error)
        works.append(work)
    return works


def result(plan: Plan, work: Work, now: float) -> ReplicaResult:
    """Make the row that reports a replica."""
    outcome, image, replica = work.outcome, work.image, work.replica
    carries = image is not None and bool(image.family) and image.family == replica.family
    return ReplicaResult(
        replica=replica,
        outcome=outcome,
        image=image,
        promoted=carries,
        access=access.found(work.policy),
        error=work.error,
        held=work.held if outcome.verified and not carries else None,
        operation=work.operation,
        seconds=round((now if work.ended is None else work.ended) - work.began, 1),
        began=None if work.copying_since is None else round(work.copying_since - work.began, 1),
        origin=plan.location_of(image.source_image if image else None),
        notes=_notes(plan, work) if outcome.verified else (),
    )


def planned(plan: Plan) -> list[ReplicaResult]:
    """Make the rows of a dry run."""
    origins = {branch.location: branch.origin for branch in tree_of(plan) if branch.origin != copy_tree.SOURCE}
    works = start(plan, 0.0)
    return [
        result(plan, work, 0.0) if work.step.action is Action.SERVE else _planned(plan, work.step, origins)
        for work in works
    ]


def _planned(plan: Plan, step: Step, origins: Mapping[str, str]) -> ReplicaResult:
    image = step.existing.image if step.existing else None
    return ReplicaResult(
        replica=step.replica,
        outcome=Outcome.PLANNED,
        image=image,
        promoted=image is not None and bool(step.replica.family) and image.family == step.replica.family,
        access=access.found(step.existing.policy if step.existing else None),
        error=step.error,
        origin=origins.get(step.replica.location) or plan.location_of(image.source_image if image else None),
    )


def _notes(plan: Plan, work: Work) -> tuple[str, ...]:
    notes, replica = [*work.notes], work.replica
    if work.policy is not None and work.step.action is not Action.SERVE:
        more = access.beyond(work.policy, plan.readers)
        if more:
            notes.append(f"Also open to {access.describe(more)}, which was left as it is.")
    if work.image is not None and work.image.deprecated:
        passed = ", so its family passes it over" if work.image.family else ""
        notes.append(f"It is marked {work.image.deprecated}{passed}.")
    family = (replica.ref.project, replica.family)
    if family in plan.heads:
        resolves = held_back.resolves(replica.family, plan.heads[family])
        notes.append(f"{resolves[0].upper()}{resolves[1:]}.")
    return tuple(notes)


def rows(
    plan: Plan,
    works: Sequence[Work],
    now: float,
    *,
    stopped: errors.Interrupted | None = None,
    unsigned: bool = False,
) -> list[ReplicaResult]:
    """Make the rows of a plan that was carried out, was `stopped` by a signal, or whose index is `unsigned`."""
    if stopped:
        for item in works:
            if item.running:
                item.end(now, errors.Signalled(f"{stopped.what} while {item.replica.ref} was {item.state}"))
            elif wants_family(item):
                item.held = item.held or plan.hold or Held.SIGNAL
    elif unsigned:
        for item in filter(wants_family, works):
            item.held = item.held or plan.hold or Held.UNSIGNED
    return [result(plan, item, now) for item in works]


def wants_family(work: Work) -> bool:
    """Whether a replica is verified and only its family is still to be moved."""
    return (
        work.step.action is not Action.SERVE
        and work.outcome.verified
        and work.image is not None
        and bool(compare.family(work.replica, work.image))
    )
