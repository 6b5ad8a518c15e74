"""Tests how a plan is carried out: what is made, looked at again, sealed and promoted, in which order, until when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from replicator.commands.replicate.execute import replicate
from replicator.compute.errors import NO_CREDENTIALS, SignInFailed
from replicator.compute.rate_limit import Request
from replicator.compute.refusals import Refusal
from replicator.core import errors
from replicator.core.images import ImageRef, Operation, Policy
from replicator.core.replicas import Action, Existing, Held, Lineage, Outcome, Plan, Step
from replicator.replicas.session import Session
from replicator.replicas.work import Work, start
from testkit.make import copy, image, replica
from testkit.virtual import LOST, Cloud, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from replicator.compute.retry import Calls

_T = TypeVar("_T")

#: What is true of one architecture and location is true of each.
each = pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
everywhere = pytest.mark.parametrize("at", ["eu", "asia"])

SOURCE, EU = ImageRef("p1", "web-1"), ImageRef("p1", "web-1-eu")
IDS = {"eu": "2", "asia": "3"}


class World(Cloud):
    """Images that are copied, get families and are changed by others; its log says in which order."""

    def __init__(self, architecture: str = "X86_64") -> None:
        super().__init__(image(architecture=architecture))
        self.architecture = architecture
        self.defects: dict[str, Exception] = {}
        """Like `refused`: what goes wrong otherwise."""
        self.lines: list[str] = []
        self.works: list[Work] = []
        self.calls: Calls
        self.sealing: Callable[[], Awaitable[bool]] | None = None
        self.outlasted = 0.0
        """Seconds from the beginning to the deadline at the end."""

    def has(self, at: str, **fields: Any) -> Step:
        """A replica that exists, right but for its family, and is to be checked."""
        made = copy(at, id=IDS[at], architecture=self.architecture, **{"family": "", **fields})
        self.images[made.ref] = made
        there = Existing(image=made, lineage=Lineage.OURS, policy=Policy())
        return Step(replica=replica(at), action=Action.CHECK, existing=there)

    def edit(self, ref: ImageRef, **fields: Any) -> None:
        """Change an image, as others may."""
        self.images[ref] = replace(self.images[ref], **fields)

    def carry_out(
        self, *steps: Step, verified: float | None = None, minutes: float = 10, promote: bool = True, **fields: Any
    ) -> dict[str, Work]:
        """Let a plan be carried out; `verified`: so many seconds ago all that exists was. Returns its works."""
        architecture = self.images[SOURCE].architecture if SOURCE in self.images else self.architecture
        plan = Plan(
            source=image(architecture=architecture), source_policy=None, readers=(), steps=steps,
            leads={}, promote=promote, **fields,
        )  # fmt: skip

        async def act(calls: Calls) -> None:
            self.calls, now = calls, asyncio.get_running_loop().time()
            began = now
            self.works = start(plan, now)
            for work in self.works:
                if verified is not None and work.running:
                    work.verified = True
                    work.end(now - verified)
            session = Session(plan=plan, calls=calls, works=self.works, changed=self.note)
            try:
                await replicate(session, self.sealing)
            finally:
                self.outlasted = calls.deadline - began

        self.play(act, minutes=minutes)
        return {work.replica.location: work for work in self.works}

    def note(self, work: Work, text: str) -> None:
        self.lines.append(f"{work.replica.location}: {text}")

    def sealed(self, answer: bool | Exception = True, *, seconds: float = 0.0) -> None:
        """What is answered between the making and the promotion."""

        async def seal() -> bool:
            self.asked.append("seal")
            await asyncio.sleep(seconds)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.sealing = seal

    def insert(self, ref: ImageRef, *, source: ImageRef, location: str, **fields: Any) -> Request[Operation]:
        def make() -> Operation:
            of = self.images[source]
            self.images[ref] = replace(
                of, ref=ref, id=IDS[location], storage_locations=(location,), source_image=source,
                source_image_id=of.id, family="", labels=fields["labels"], description=fields["description"],
            )  # fmt: skip
            self.policies[ref] = Policy()
            return self._done(ref)

        what = f"{ref.name} of {source.name}"
        return Request("compute.images.insert", ref.project, partial(self._answer, "insert", what, make))

    def patch(self, ref: ImageRef, *, family: str, request_id: str) -> Request[Operation]:
        def move() -> Operation:
            assert request_id
            self.edit(ref, family=family)
            return self._done(ref)

        return Request("compute.images.patch", ref.project, partial(self._answer, "patch", ref.name, move))

    def _done(self, ref: ImageRef) -> Operation:
        return Operation(project=ref.project, name=f"operation-{ref.name}", done=True, progress=100)

    def _answer(self, method: str, what: str, read: Callable[[], _T]) -> _T:
        if defect := self.defects.get(f"{method} {what}"):
            self.asked.append(f"{method} {what}")
            raise defect
        return super()._answer(method, what, read)

    def families(self) -> dict[str, str]:
        return {ref.name: each.family for ref, each in self.images.items() if ref != SOURCE}


def wanted(at: str, action: Action = Action.COPY, **fields: Any) -> Step:
    return Step(replica=replica(at), action=action, **fields)


SERVED = wanted("us", Action.SERVE)


@each
class TestMaking:
    def test_everything_is_made_then_sealed_then_promoted(self, architecture: str) -> None:
        world = World(architecture)
        world.sealed()
        works = world.carry_out(SERVED, wanted("eu"), wanted("asia"))
        assert {at: work.outcome for at, work in works.items()} == {
            "us": Outcome.SOURCE, "eu": Outcome.CREATED, "asia": Outcome.CREATED
        }  # fmt: skip
        seal = world.asked.index("seal")
        before, after = world.asked[:seal], world.asked[seal + 1 :]
        assert sorted(before) == [
            *("get web-1-asia", "get web-1-eu", "getIamPolicy web-1-asia", "getIamPolicy web-1-eu"),
            *("insert web-1-asia of web-1", "insert web-1-eu of web-1"),
        ]  # fmt: skip
        assert sorted(item for item in after if item.startswith("patch")) == ["patch web-1-asia", "patch web-1-eu"]
        assert world.families() == {"web-1-eu": "web-eu", "web-1-asia": "web-asia"}
        for at in ("eu", "asia"):
            assert works[at].verified
            told = [line.partition(": ")[2] for line in world.lines if line.startswith(at)]
            assert told[-2:] == ["verified", f"carries the family web-{at}"]
            assert works[at].state == "promoted"

    def test_it_ends_when_it_is_verified(self, architecture: str) -> None:
        world = World(architecture)
        world.sealed(seconds=30)
        work = world.carry_out(world.has("eu"))["eu"]
        assert (work.outcome, work.ended) == (Outcome.REPAIRED, work.began)
        assert world.seconds == 30

    def test_what_was_refused_is_left_alone(self, architecture: str) -> None:
        error = errors.Conflict("Taken.")
        for _ in range(2):
            world = World(architecture)
            works = world.carry_out(SERVED, wanted("eu", Action.REFUSE, error=error), wanted("asia"))
            assert works["eu"].error is error
            assert (works["us"].outcome, works["asia"].outcome) == (Outcome.SOURCE, Outcome.CREATED)
            assert not any("web-1-eu" in item for item in world.asked)

    def test_what_differs_is_not_verified(self, architecture: str) -> None:
        world = World(architecture)
        works = world.carry_out(world.has("eu", disk_size_gb=50), world.has("asia"))
        assert isinstance(works["eu"].error, errors.Drift)
        assert (works["eu"].outcome, works["eu"].verified, works["eu"].state) == (Outcome.FAILED, False, "failed")
        assert world.families() == {"web-1-eu": "", "web-1-asia": "web-asia"}

    def test_a_verified_replica_is_copied_on(self, architecture: str) -> None:
        world = World(architecture)
        works = world.carry_out(wanted("eu"), wanted("asia"), copies_per_source=1)
        inserts = [item for item in world.asked if item.startswith("insert")]
        assert inserts == ["insert web-1-eu of web-1", "insert web-1-asia of web-1-eu"]
        assert works["asia"].outcome is Outcome.CREATED

    def test_what_nobody_foresaw(self, architecture: str) -> None:
        world = World(architecture)
        world.defects = {"getIamPolicy web-1-eu": RuntimeError("Oh.")}
        works = world.carry_out(wanted("eu"), wanted("asia"))
        error = works["eu"].error
        assert isinstance(error, errors.Internal)
        assert error.what == f"Making {EU}: RuntimeError: Oh."
        assert works["asia"].outcome is Outcome.CREATED


@each
class TestTheSeal:
    """Families move only if the index is signed, or none is to be."""

    @pytest.mark.parametrize("age", [0.0, 100.0])
    @pytest.mark.parametrize("answer", [True, False, None])
    def test_its_answer(self, architecture: str, answer: bool | None, age: float) -> None:
        for _ in range(2):
            world = World(architecture)
            if answer is not None:
                world.sealed(answer)
            work = world.carry_out(world.has("eu"), verified=age)["eu"]
            moved = answer is not False
            assert (work.held, world.families()["web-1-eu"]) == (
                (None, "web-eu") if moved else (Held.UNSIGNED, "")
            )  # fmt: skip
            assert world.asked.count("seal") == (answer is not None)

    def test_it_fails(self, architecture: str) -> None:
        world = World(architecture)
        world.sealed(ValueError("No key."))
        with pytest.raises(ValueError, match="No key"):
            world.carry_out(world.has("eu"))
        assert world.families() == {"web-1-eu": ""}

    def test_what_failed_is_sealed_too(self, architecture: str) -> None:
        world = World(architecture)
        world.sealed()
        world.carry_out(wanted("eu", Action.REFUSE, error=errors.Conflict("Taken.")))
        assert world.asked == ["seal"]


class TestTheTimeLeft:
    def seen_by_the_seal(self, minutes: float, seconds: float = 0.0) -> tuple[float, float]:
        """Seconds that are left of the deadline for the seal and for the families, each when it begins."""
        world, seen = World(), []

        async def seal() -> bool:
            clock = asyncio.get_running_loop().time
            seen.append(world.calls.deadline - clock())
            await asyncio.sleep(seconds)
            return True

        world.sealing = seal
        world.carry_out(world.has("eu"), minutes=minutes)
        return seen[0], world.outlasted - seconds

    def test_a_minute_more(self) -> None:
        assert self.seen_by_the_seal(10) == (660, 660)

    def test_the_seal_takes_long(self) -> None:
        assert self.seen_by_the_seal(10, 300) == (660, 360)

    def test_the_seal_takes_too_long(self) -> None:
        """Families have a minute then."""
        assert self.seen_by_the_seal(10, 700) == (660, 60)

    @each
    def test_what_is_ready_in_time_is_promoted_after_the_deadline(self, architecture: str) -> None:
        """One location is never ready; the other is read again, for it was verified a while ago."""
        world = World(architecture)
        waited_for = world.has("asia", status="PENDING")
        world.sealed()
        works = world.carry_out(world.has("eu"), replace(waited_for, action=Action.WAIT))
        assert (works["eu"].outcome, works["asia"].outcome) == (Outcome.REPAIRED, Outcome.INTERRUPTED)
        assert isinstance(works["asia"].error, errors.Deadline)
        assert world.seconds >= 590
        assert "list p1" in world.asked[: world.asked.index("seal")]
        assert world.families() == {"web-1-eu": "web-eu", "web-1-asia": ""}


LOOKS = ["list p1"]


@each
class TestLookingAgain:
    """Families move by name, so what was verified more than a minute ago is read once more."""

    def looks(self, world: World) -> list[str]:
        """What was read before the seal."""
        return world.asked[: world.asked.index("seal")]

    @pytest.mark.parametrize(("age", "looks"), [(0, []), (60, []), (60.5, LOOKS), (61, LOOKS), (3600, LOOKS)])
    def test_only_what_is_old(self, architecture: str, age: float, looks: list[str]) -> None:
        for _ in range(2):
            for at in ("eu", "asia"):
                world = World(architecture)
                world.sealed()
                work = world.carry_out(world.has(at), verified=age)[at]
                assert self.looks(world) == looks
                assert (work.outcome, work.held) == (Outcome.REPAIRED, None)

    def test_all_in_one_call(self, architecture: str) -> None:
        world = World(architecture)
        world.sealed()
        works = world.carry_out(SERVED, world.has("eu"), world.has("asia"), verified=90)
        assert self.looks(world) == LOOKS
        assert world.families() == {"web-1-eu": "web-eu", "web-1-asia": "web-asia"}
        assert [work.error for work in works.values()] == [None] * 3

    def test_not_the_source_nor_what_failed(self, architecture: str) -> None:
        """Though the making takes long."""
        for error in (errors.Conflict("Taken."), errors.Deadline("Too late.")):
            world = World(architecture)
            world.sealed()
            refused = wanted("eu", Action.REFUSE, error=error)
            pending = replace(world.has("asia", status="PENDING"), action=Action.WAIT)
            world.carry_out(SERVED, refused, pending)
            assert world.seconds > 300
            assert "list p1" not in self.looks(world)

    def test_the_source_was_held_back(self, architecture: str) -> None:
        for _ in range(2):
            for answer in (True, False):
                world = World(architecture)
                world.sealed(answer)
                step = world.has("eu")
                world.edit(SOURCE, deprecated="DEPRECATED")
                work = world.carry_out(step, verified=90)["eu"]
                assert (work.outcome, work.held) == (Outcome.ADOPTED, Held.SOURCE_DEPRECATED)
                assert world.families() == {"web-1-eu": ""}

    def test_another_image_has_the_sources_name(self, architecture: str) -> None:
        """Whether that one is held back says nothing of the source."""
        world = World(architecture)
        step = world.has("eu")
        world.edit(SOURCE, id="99", deprecated="DEPRECATED")
        assert world.carry_out(step, verified=90)["eu"].held is None
        assert world.families() == {"web-1-eu": "web-eu"}

    def test_the_source_is_gone(self, architecture: str) -> None:
        world = World(architecture)
        step = world.has("eu")
        del world.images[SOURCE]
        assert world.carry_out(step, verified=90)["eu"].held is None
        assert world.families() == {"web-1-eu": "web-eu"}

    @pytest.mark.parametrize("answer", [refusal("list", 403), LOST, SignInFailed(NO_CREDENTIALS, "No.")], ids=str)
    def test_nothing_can_be_read(self, architecture: str, answer: Exception) -> None:
        """What is unknown stays as it was verified."""
        world = World(architecture)
        steps = world.has("eu"), world.has("asia")
        world.defects = {"list p1": answer}
        works = world.carry_out(*steps, verified=90)
        assert world.families() == {"web-1-eu": "web-eu", "web-1-asia": "web-asia"}
        assert [work.error for work in works.values()] == [None, None]


@each
@everywhere
class TestWhatOthersDidMeanwhile:
    """To a replica that was verified."""

    def after(self, world: World, at: str, *, gone: bool = False, **changed: Any) -> Work:
        """The replica, after it was looked at again beside another, of which nothing is to be said."""
        world.sealed()
        other = {"eu": "asia", "asia": "eu"}[at]
        steps = world.has(at), world.has(other)
        if gone:
            del world.images[self.ref(at)]
        else:
            world.edit(self.ref(at), **changed)
        works = world.carry_out(*steps, verified=90, minutes=1)
        assert (works[other].error, world.images[self.ref(other)].family) == (None, f"web-{other}")
        return works[at]

    def ref(self, at: str) -> ImageRef:
        return ImageRef("p1", f"web-1-{at}")

    def failed(self, work: Work) -> tuple[str, str, str]:
        assert isinstance(work.error, errors.ReplicaError)
        assert (work.outcome, work.held) == (Outcome.FAILED, None)
        return work.error.reason, work.error.what, work.error.todo

    def test_deleted(self, architecture: str, at: str) -> None:
        for _ in range(2):
            error = self.failed(self.after(World(architecture), at, gone=True))
            assert error == ("drift", f"{self.ref(at)} was deleted by someone else during the run", "Run this again.")

    def test_is_being_deleted(self, architecture: str, at: str) -> None:
        for _ in range(2):
            error = self.failed(self.after(World(architecture), at, status="DELETING"))
            assert error == ("drift", f"{self.ref(at)} is being deleted by someone else", "Run this again.")

    def test_replaced(self, architecture: str, at: str) -> None:
        world = World(architecture)
        error = self.failed(self.after(world, at, id="99"))
        assert error[:2] == ("drift", f"{self.ref(at)} was replaced by someone else during the run")
        assert f"patch web-1-{at}" not in world.asked

    def test_marked_so_that_nobody_can_use_it(self, architecture: str, at: str) -> None:
        for _ in range(2):
            world = World(architecture)
            error = self.failed(self.after(world, at, deprecated="OBSOLETE"))
            assert error[:2] == ("drift", f"{self.ref(at)} is marked OBSOLETE, so nobody can use it")

    def test_failed(self, architecture: str, at: str) -> None:
        """It is not replaced, whatever replace_failed says: it was verified, so this is looked into by people."""
        error = self.failed(self.after(World(architecture), at, status="FAILED"))
        assert error[:2] == ("image_failed", f"{self.ref(at)} is in state FAILED")

    def test_what_does_no_harm(self, architecture: str, at: str) -> None:
        for _ in range(2):
            world = World(architecture)
            work = self.after(world, at, labels={"a": "b", "mine": "1"})
            assert (work.error, work.outcome) == (None, Outcome.REPAIRED)
            assert world.images[self.ref(at)].family == f"web-{at}"
            assert work.image == world.images[self.ref(at)]
            reads = [item for item in world.asked if item.startswith("get web")]
            assert reads == [f"get web-1-{at}"], "what is as it was isn't read once more"

    @pytest.mark.parametrize(
        "answer",
        [
            *(refusal("get", status, "invalid") for status in (400, 403, 405)),
            LOST,
            Refusal("compute.images.get", status=429, message="Later.", retry_after=45),
            SignInFailed(NO_CREDENTIALS, "No."),
        ],
        ids=["400", "403", "405", "unanswered", "too late", "not signed in"],
    )
    def test_what_cannot_be_read_stays_as_it_was_verified(self, architecture: str, at: str, answer: Exception) -> None:
        for _ in range(2):
            world = World(architecture)
            world.defects = {f"get web-1-{at}": answer}
            work = self.after(world, at, labels={"a": "b", "mine": "1"})
            assert (work.error, work.outcome) == (None, Outcome.REPAIRED)
            assert world.images[self.ref(at)].family == f"web-{at}"

    def test_what_nobody_foresaw(self, architecture: str, at: str) -> None:
        world = World(architecture)
        world.defects = {f"get web-1-{at}": RuntimeError("Oh.")}
        assert self.failed(self.after(world, at, labels={"a": "b", "mine": "1"}))[:2] == (
            "internal",
            "Looking again: RuntimeError: Oh.",
        )
