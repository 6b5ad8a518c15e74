"""Tests the state of a replica during a run, from its beginning to the row that reports it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from replicator.core import errors
from replicator.core.images import Binding, ImageRef, Policy
from replicator.core.replicas import Action, Existing, Held, Lineage, Outcome, Plan, Step
from replicator.replicas.work import Work, planned, result, rows, start, wants_family
from testkit.make import PUBLIC, READER, copy, image, replica

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.core.images import Image
    from replicator.core.replicas import ReplicaResult

#: What is true of one architecture and location is true of each.
each = pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
everywhere = pytest.mark.parametrize("at", ["eu", "asia"])

OWN_POLICY = Policy((), "the source's")


def plan_of(steps: Sequence[Step], architecture: str, *, deprecated: str = "", **fields: Any) -> Plan:
    usual: dict[str, Any] = {"source_policy": OWN_POLICY, "readers": (), "leads": {}, "promote": True}
    source = image(architecture=architecture, deprecated=deprecated)
    return Plan(source=source, steps=tuple(steps), **{**usual, **fields})


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


US, EU = ImageRef("p1", "web-1"), ImageRef("p1", "web-1-eu")
OPEN_TO_OTHERS = Policy((Binding(READER, frozenset({"user:ada@example.com", "user:bob@example.com"})),), "e")


def work_at(at: str, found: Image | None, *, action: Action = Action.COPY, **fields: Any) -> Work:
    """A replica that was made and verified between second 100 and second 130."""
    usual: dict[str, Any] = {"began": 100.0, "ended": 130.0, "made": True, "verified": True, "image": found}
    return Work(**{"step": step(at, action), **usual, **fields})


def row_of(work: Work, architecture: str = "X86_64", *, now: float = 200.0, **fields: Any) -> ReplicaResult:
    """How a replica is reported, be it for the first time or again."""
    plan = plan_of([step("us", Action.SERVE), work.step, step("us-west1")], architecture, **fields)
    first, second = result(plan, work, now), result(plan, work, now)
    assert first == second
    assert first.replica == work.replica
    return first


@each
@everywhere
class TestItsRow:
    def test_made(self, architecture: str, at: str) -> None:
        made = copy(at, architecture=architecture)
        row = row_of(work_at(at, made, policy=PUBLIC, operation="operation-1"), architecture, readers=PUBLIC.bindings)
        assert (row.outcome, row.image, row.promoted, row.access) == (Outcome.CREATED, made, True, "public")
        assert (row.error, row.held, row.operation, row.origin, row.notes) == (None, None, "operation-1", "", ())

    def test_seconds(self, architecture: str, at: str) -> None:
        work = work_at(at, copy(at), ended=130.26, copying_since=102.34)
        row = row_of(work, architecture)
        assert (row.seconds, row.began) == (30.3, 2.3)
        work.ended = work.copying_since = None
        row = row_of(work, architecture)
        assert (row.seconds, row.began) == (100.0, None)

    def test_its_family(self, architecture: str, at: str) -> None:
        """`promoted` is what was observed, and what was held back is told where it is not carried only."""
        for family, carries in ((f"web-{at}", True), ("another", False), ("", False)):
            row = row_of(work_at(at, copy(at, family=family), held=Held.FAMILY_IS_NEWER), architecture)
            assert (row.promoted, row.held) == (carries, None if carries else Held.FAMILY_IS_NEWER)

    def test_no_family_is_wanted(self, architecture: str, at: str) -> None:
        none = Step(replica=replica(at, family=""), action=Action.COPY)
        assert row_of(work_at(at, copy(at, family=""), step=none), architecture).promoted is False

    def test_what_failed_was_not_held_back(self, architecture: str, at: str) -> None:
        error = errors.Drift("It was replaced.")
        work = work_at(at, copy(at, family="", deprecated="DEPRECATED"), held=Held.UNSIGNED, error=error)
        work.notes.append("It is younger.")
        row = row_of(work, architecture)
        assert (row.outcome, row.error, row.held, row.notes) == (Outcome.FAILED, error, None, ())
        carrying = row_of(work_at(at, copy(at), held=Held.UNSIGNED, error=error), architecture)
        assert (carrying.promoted, carrying.held) == (True, None)

    def test_there_is_none(self, architecture: str, at: str) -> None:
        row = row_of(work_at(at, None, error=errors.Quota("Full.")), architecture)
        assert (row.image, row.promoted, row.access, row.origin) == (None, False, "", "")

    def test_a_copy_of_another_replica(self, architecture: str, at: str) -> None:
        made = copy(at, source_image=ImageRef("p1", "web-1-us-west1"), source_image_id="5")
        assert row_of(work_at(at, made), architecture).origin == "us-west1"


@each
@everywhere
class TestNotes:
    """What people should know of a verified replica."""

    def told(self, architecture: str, work: Work, **fields: Any) -> list[str]:
        return [*row_of(work, architecture, **fields).notes]

    def test_its_own_come_first(self, architecture: str, at: str) -> None:
        work = work_at(at, copy(at, deprecated="DEPRECATED"), policy=OPEN_TO_OTHERS, notes=["It is younger."])
        assert self.told(architecture, work, heads={("p1", f"web-{at}"): EU}) == [
            "It is younger.",
            "Also open to user:ada@example.com, user:bob@example.com, which was left as it is.",
            "It is marked DEPRECATED, so its family passes it over.",
            f"The family web-{at} resolves to {EU}.",
        ]

    def test_nothing(self, architecture: str, at: str) -> None:
        wanted = OPEN_TO_OTHERS.bindings
        assert self.told(architecture, work_at(at, copy(at), policy=OPEN_TO_OTHERS), readers=wanted) == []
        assert self.told(architecture, work_at(at, copy(at), policy=None)) == []

    def test_nobody_asks_to_whom_the_source_is_open(self, architecture: str, at: str) -> None:
        own = work_at(at, image(), action=Action.SERVE, policy=OPEN_TO_OTHERS)
        assert self.told(architecture, own) == []

    def test_held_back_without_a_family(self, architecture: str, at: str) -> None:
        work = work_at(at, copy(at, family="", deprecated="DEPRECATED"))
        assert self.told(architecture, work) == ["It is marked DEPRECATED."]

    def test_no_image(self, architecture: str, at: str) -> None:
        assert self.told(architecture, work_at(at, None)) == []

    def test_what_its_family_resolves_to(self, architecture: str, at: str) -> None:
        work = work_at(at, copy(at, family=""))
        heads: dict[tuple[str, str], ImageRef | None]
        heads = {("p1", "web"): US, ("p2", f"web-{at}"): US}
        assert self.told(architecture, work, heads=heads) == []
        heads["p1", f"web-{at}"] = None
        assert self.told(architecture, work, heads=heads) == [f"The family web-{at} resolves to nothing."]


@each
class TestADryRun:
    """What exists is shown as it is; nothing was verified."""

    def rows(self, architecture: str, *steps: Step, **fields: Any) -> list[ReplicaResult]:
        plan = plan_of([step("us", Action.SERVE), *steps], architecture, **fields)
        first, second = planned(plan), planned(plan)
        assert first == second
        source, *others = first
        assert (source.outcome, source.image, source.seconds) == (Outcome.SOURCE, plan.source, 0.0)
        assert [row.replica for row in others] == [each_step.replica for each_step in steps]
        assert {row.outcome for row in others} <= {Outcome.PLANNED}
        return others

    def test_what_is_to_be_made(self, architecture: str) -> None:
        (row,) = self.rows(architecture, step("eu", Action.COPY))
        assert (row.image, row.promoted, row.access, row.error, row.origin) == (None, False, "", None, "")

    def test_what_exists(self, architecture: str) -> None:
        there = copy("eu", architecture=architecture)
        found = Existing(image=there, lineage=Lineage.OURS, policy=PUBLIC)
        (row,) = self.rows(architecture, step("eu", existing=found))
        assert (row.image, row.promoted, row.access, row.origin) == (there, True, "public", "")
        bare = replace(found, image=copy("eu", family=""), policy=None)
        (row,) = self.rows(architecture, step("eu", existing=bare))
        assert (row.promoted, row.access) == (False, "")

    def test_no_family_is_wanted(self, architecture: str) -> None:
        found = Existing(image=copy("eu", family=""), lineage=Lineage.OURS)
        none = Step(replica=replica("eu", family=""), action=Action.CHECK, existing=found)
        (row,) = self.rows(architecture, none)
        assert row.promoted is False

    def test_what_is_refused(self, architecture: str) -> None:
        error = errors.Conflict("Taken.")
        other = Existing(image=image("web-1-eu", id="8"), lineage=Lineage.FOREIGN)
        (row,) = self.rows(architecture, step("eu", Action.REFUSE, existing=other, error=error))
        assert (row.error, row.image) == (error, other.image)

    def test_what_it_was_or_will_be_copied_from(self, architecture: str) -> None:
        of_eu = copy("asia", id="3", source_image=EU, source_image_id="2")
        there = Existing(image=of_eu, lineage=Lineage.OURS)
        found = self.rows(architecture, step("eu", Action.COPY), step("asia", existing=there))
        assert [row.origin for row in found] == ["", "eu"]
        found = self.rows(architecture, step("eu", Action.COPY), step("asia", Action.COPY), copies_per_source=1)
        assert [row.origin for row in found] == ["", "eu"]


@each
class TestTheRowsOfARun:
    """Of one replica that is under way, one whose family is left to move, and one that carries it."""

    def rows(self, architecture: str, *, held: Held | None = None, **options: Any) -> list[ReplicaResult]:
        fields = {key: options.pop(key) for key in ("deprecated", "promote") if key in options}
        under_way = work_at("eu", None, state="copying", verified=False, ended=None)
        works = [
            under_way, replace(under_way, step=step("us-west1")),
            work_at("asia", copy("asia", family=""), held=held), work_at("us-east1", copy("us-east1", family="")),
            work_at("us-east4", copy("us-east4")),
        ]  # fmt: skip
        plan = plan_of([work.step for work in works], architecture, **fields)
        found = rows(plan, works, 200.0, **options)
        assert [row.replica for row in found] == [work.replica for work in works]
        assert (found[-1].outcome, found[-1].promoted, found[-1].held) == (Outcome.CREATED, True, None)
        assert works[-1].held is None
        return found

    def test_nothing_stopped_it(self, architecture: str) -> None:
        found = self.rows(architecture)
        assert [row.error for row in found] == [None] * 5
        assert [row.held for row in found] == [None] * 5

    def test_a_signal(self, architecture: str) -> None:
        stopped = errors.Interrupted("SIGTERM", 143)
        for _ in range(2):
            eu, west, *verified = self.rows(architecture, stopped=stopped)
            for row in (eu, west):
                assert (row.outcome, row.reason, row.seconds) == (Outcome.INTERRUPTED, "signal", 100.0)
                assert row.error is not None
                assert row.error.what == f"The run was interrupted by SIGTERM while {row.replica.ref} was copying"
            assert [row.error for row in verified] == [None] * 3
            assert [row.held for row in verified] == [Held.SIGNAL, Held.SIGNAL, None]

    def test_an_index_without_a_signature(self, architecture: str) -> None:
        for _ in range(2):
            found = self.rows(architecture, unsigned=True)
            assert [row.error for row in found] == [None] * 5
            assert [row.held for row in found] == [None, None, Held.UNSIGNED, Held.UNSIGNED, None]

    @pytest.mark.parametrize("end", [{"stopped": errors.Interrupted("SIGINT", 130)}, {"unsigned": True}], ids=str)
    def test_the_first_reason_counts(self, architecture: str, end: dict[str, Any]) -> None:
        usual = Held.SIGNAL if "stopped" in end else Held.UNSIGNED
        for fields, reasons in (
            ({"held": Held.FAMILY_IS_NEWER}, [Held.FAMILY_IS_NEWER, usual]),
            ({"promote": False}, [Held.PROMOTE_OFF] * 2),
            ({"promote": False, "held": Held.WOULD_TAKE_FAMILY}, [Held.WOULD_TAKE_FAMILY, Held.PROMOTE_OFF]),
            ({"deprecated": "DEPRECATED"}, [Held.SOURCE_DEPRECATED] * 2),
        ):
            given: dict[str, Any] = {**end, **fields}
            assert [row.held for row in self.rows(architecture, **given)][2:4] == reasons

    def test_a_signal_before_the_signature(self, architecture: str) -> None:
        found = self.rows(architecture, stopped=errors.Interrupted("SIGINT", 130), unsigned=True)
        assert found[2].held is Held.SIGNAL
