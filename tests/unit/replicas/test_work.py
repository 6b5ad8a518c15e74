"""Tests the state of a replica during a run: how it begins, what became of it, and whether only its family is left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from replicator.core import errors
from replicator.core.images import Policy
from replicator.core.replicas import Action, Existing, Lineage, Outcome, Plan, Step
from replicator.replicas.work import Work, start, wants_family
from testkit.make import PUBLIC, copy, image, replica

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What is true of one architecture and location is true of each.
each = pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
everywhere = pytest.mark.parametrize("at", ["eu", "asia"])

OWN_POLICY = Policy((), "the source's")


def plan_of(steps: Sequence[Step], architecture: str) -> Plan:
    return Plan(
        source=image(architecture=architecture), source_policy=OWN_POLICY, readers=(), steps=tuple(steps), leads={},
        promote=True,
    )  # fmt: skip


def step(at: str = "eu", action: Action = Action.CHECK, **fields: Any) -> Step:
    return Step(replica=replica(at), action=action, **fields)


def began(each_step: Step, architecture: str = "X86_64", at: float = 7.0) -> Work:
    """How a step begins, as the first of two that are alike: the second begins likewise."""
    plan = plan_of([each_step, each_step], architecture)
    first, second = start(plan, at)
    assert vars(first) == vars(second)
    assert (first.step, first.replica, first.began) == (each_step, each_step.replica, at)
    return first


@each
class TestHowItBegins:
    def test_in_the_order_of_the_plan(self, architecture: str) -> None:
        steps = [step("us", Action.SERVE), step("eu", Action.COPY), step("asia", Action.COPY)]
        for _ in range(2):
            assert [work.step for work in start(plan_of(steps, architecture), 7.0)] == steps
            assert start(plan_of([], architecture), 7.0) == []

    def test_the_source_is_there_already(self, architecture: str) -> None:
        work = began(step("us", Action.SERVE), architecture)
        assert (work.image, work.policy) == (image(architecture=architecture), OWN_POLICY)
        assert (work.verified, work.running, work.ended, work.error) == (True, False, 7.0, None)
        assert work.outcome is Outcome.SOURCE

    @pytest.mark.parametrize("action", [Action.COPY, Action.WAIT])
    def test_what_does_not_exist(self, architecture: str, action: Action) -> None:
        work = began(step("eu", action), architecture)
        assert (work.image, work.policy, work.error) == (None, None, None)
        assert (work.running, work.verified, work.made, work.changed) == (True, False, False, False)
        # What people read before anything is known.
        assert (work.state, work.operation, work.percent, work.notes) == ("waiting", "", None, [])

    @pytest.mark.parametrize("action", [Action.CHECK, Action.WAIT, Action.REPLACE])
    def test_what_exists(self, architecture: str, action: Action) -> None:
        there = Existing(image=copy("eu", architecture=architecture), lineage=Lineage.OURS, policy=PUBLIC)
        work = began(step("eu", action, existing=there), architecture)
        assert (work.image, work.policy) == (there.image, PUBLIC)
        assert (work.running, work.verified) == (True, False)

    def test_what_is_refused_has_ended(self, architecture: str) -> None:
        error = errors.Unproven("Its parent is gone.")
        there = Existing(image=copy("eu", source_image_id="9"), lineage=Lineage.UNPROVEN)
        work = began(step("eu", Action.REFUSE, existing=there, error=error), architecture)
        # People look at that image, so the results name it.
        assert work.image == there.image
        assert (work.running, work.ended, work.error, work.outcome) == (False, 7.0, error, Outcome.FAILED)

    def test_the_image_of_others_is_none_of_ours(self, architecture: str) -> None:
        there = Existing(image=image("web-1-eu", id="8"), lineage=Lineage.FOREIGN, policy=PUBLIC)
        work = began(step("eu", Action.REFUSE, existing=there, error=errors.Conflict("Taken.")), architecture)
        assert (work.image, work.policy, work.running) == (None, None, False)


class TestWhatBecameOfIt:
    def test_while_it_goes_on(self) -> None:
        """If the run ended now it would be interrupted, whatever was done so far."""
        work = began(step())
        assert work.outcome is Outcome.INTERRUPTED
        work.made = work.changed = True
        assert (work.outcome, work.running) == (Outcome.INTERRUPTED, True)

    @pytest.mark.parametrize(
        ("made", "changed", "outcome"),
        [
            (True, True, Outcome.CREATED),
            (True, False, Outcome.CREATED),
            (False, True, Outcome.REPAIRED),
            (False, False, Outcome.ADOPTED),
        ],
    )
    def test_well(self, made: bool, changed: bool, outcome: Outcome) -> None:
        work = began(step())
        work.verified, work.made, work.changed = True, made, changed
        work.end(9.0)
        assert (work.outcome, work.running, work.ended, work.error) == (outcome, False, 9.0, None)

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (errors.Drift("It differs."), Outcome.FAILED),
            (errors.Deadline("Too late."), Outcome.INTERRUPTED),
            (errors.Signalled("Stopped."), Outcome.INTERRUPTED),
        ],
        ids=lambda value: getattr(value, "reason", value),
    )
    def test_an_error_counts_more_than_what_was_verified(self, error: errors.ReplicaError, outcome: Outcome) -> None:
        """Someone may have replaced a replica since it was verified."""
        work = began(step())
        work.verified = work.made = True
        work.end(9.0, error)
        assert (work.outcome, work.error, work.ended) == (outcome, error, 9.0)

    def test_notes_are_its_own(self) -> None:
        one, other = start(plan_of([step("eu"), step("asia")], "X86_64"), 0.0)
        one.notes.append("It is younger.")
        assert other.notes == []

    def test_it_is_nobody_elses_equal(self) -> None:
        one, other = start(plan_of([step(), step()], "X86_64"), 0.0)
        assert one != other


@everywhere
class TestWhetherOnlyItsFamilyIsLeft:
    def work(self, at: str, action: Action = Action.COPY, **fields: Any) -> Work:
        made = Work(step=step(at, action), began=0.0, made=True, verified=True, image=copy(at, family=""))
        return replace(made, **fields)

    def wants(self, work: Work) -> bool:
        first, second = wants_family(work), wants_family(work)
        assert first is second
        return first

    def test_verified_and_without_it(self, at: str) -> None:
        assert self.wants(self.work(at)) is True
        assert self.wants(self.work(at, image=copy(at, family="another"))) is True

    def test_it_carries_it(self, at: str) -> None:
        assert self.wants(self.work(at, image=copy(at))) is False

    def test_no_family_is_wanted(self, at: str) -> None:
        none = Step(replica=replica(at, family=""), action=Action.COPY)
        assert self.wants(self.work(at, step=none)) is False

    def test_not_verified(self, at: str) -> None:
        assert self.wants(self.work(at, verified=False)) is False
        assert self.wants(self.work(at, error=errors.Drift("It was replaced."))) is False

    def test_no_image(self, at: str) -> None:
        assert self.wants(self.work(at, image=None)) is False

    def test_the_source_keeps_its_own(self, at: str) -> None:
        """Nothing of it is ever changed."""
        assert self.wants(self.work(at, Action.SERVE)) is False
