"""Which images get their family, in which order, what is asked of Compute Engine for it, and what people are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.compute.rate_limit import Request
from replicator.core import errors
from replicator.core.images import Image, ImageRef, Operation, Problem
from replicator.core.replicas import Action, Held, Plan, Step
from replicator.replicas import families
from replicator.replicas.session import Session
from replicator.replicas.work import Work
from testkit.make import copy, image, replica
from testkit.virtual import Cloud, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from replicator.compute.retry import Calls
    from replicator.core.replicas import Replica

AGES = st.integers(0, 6)


@dataclass(frozen=True)
class At:
    """Where, and for which machines: no family is treated differently for that."""

    location: str
    architecture: str

    def source(self, **fields: Any) -> Image:
        return image(architecture=self.architecture, **fields)

    def copy(self, **fields: Any) -> Image:
        """A right copy of the source, without family yet, five seconds old."""
        return copied(self.location, architecture=self.architecture, **fields)


@pytest.fixture(params=[("eu", "X86_64"), ("asia", "X86_64"), ("eu", "ARM64")], ids="-".join)
def at(request: pytest.FixtureRequest) -> At:
    return At(*request.param)


def copied(location: str, **fields: Any) -> Image:
    return copy(location, **{"id": f"id-{location}", "age": 5, "family": "", **fields})


class Compute(Cloud):
    """Images whose families can be moved; an operation is done at once, unless the test says otherwise."""

    def __init__(self, *images: Image) -> None:
        super().__init__(*images)
        self.answers: dict[str, list[Image | Exception]] = {}
        """What is answered first to a call, whatever the images are."""
        self.request_ids: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """What others do right before a family is moved."""
        self.moves = True
        """Whether a change is made at all."""
        self.operation = Operation(project="p1", name="operation-1", done=True, progress=100)

    def patch(self, ref: ImageRef, *, family: str, request_id: str) -> Request[Operation]:
        def write() -> Operation:
            self.request_ids.append(request_id)
            self.meanwhile()
            if self.moves:
                self.images[ref] = replace(self.images[ref], family=family)
            return self.operation

        return Request(
            "compute.images.patch", ref.project, partial(self._answer, "patch", f"{ref.name} {family}", write)
        )

    def wait(self, operation: Operation) -> Request[Operation]:
        return Request("compute.globalOperations.wait", operation.project, lambda: operation)

    def _answer(self, method: str, what: str, read: Callable[[], Any]) -> Any:
        def answer() -> Any:
            first = self.answers.get(f"{method} {what}")
            if not first:
                return read()
            said = first.pop(0)
            if isinstance(said, Exception):
                raise said
            return said

        return super()._answer(method, what, answer)


@dataclass
class Run:
    """What a run asked for, told people, and left of its replicas."""

    works: Sequence[Work]
    asked: list[str]
    told: list[tuple[str, str, str]] = field(default_factory=list)
    """Location, state, and line for people."""

    @property
    def held(self) -> dict[str, Held | None]:
        return {work.replica.location: work.held for work in self.works}

    @property
    def carried(self) -> dict[str, str]:
        """The family of each image, as far as the run has seen."""
        return {work.replica.location: work.image.family for work in self.works if work.image}

    @property
    def error(self) -> errors.ReplicaError:
        (error,) = (work.error for work in self.works if work.error)
        return error

    @property
    def notes(self) -> list[str]:
        return [note for work in self.works for note in work.notes]


def work_of(found: Image | None, wanted: Replica, *, verified: bool = True, action: Action = Action.COPY) -> Work:
    return Work(step=Step(replica=wanted, action=action), began=0, image=found, verified=verified)


def home(source: Image, **fields: Any) -> Work:
    """The source, as the replica of its own location."""
    return work_of(source, replica("us", family="web", ref=source.ref, **fields), action=Action.SERVE)


def planned(source: Image, works: Sequence[Work] = (), *, lead: str = "", **fields: Any) -> Plan:
    shared = {("p1", work.replica.family): lead for work in works} if lead else {}
    usual: dict[str, Any] = {"leads": shared, "promote": True}
    steps = tuple(work.step for work in works)
    return Plan(source=source, source_policy=None, readers=(), steps=steps, **{**usual, **fields})


def move(
    compute: Compute, plan: Plan, works: Sequence[Work], hold: Held | None = None, *, seconds: float = 3600
) -> Run:
    """Move the families, with so much time left."""
    run = Run(works, compute.asked)

    async def act(calls: Calls) -> None:
        calls.deadline = asyncio.get_running_loop().time() + seconds
        session = Session(
            plan=plan,
            calls=calls,
            works=works,
            changed=lambda work, line: run.told.append((work.replica.location, work.state, line)),
        )
        await families.families(session, hold)

    compute.play(act)
    return run


def move_one(at: At, compute: Compute | None = None, *, age: float = 0, seconds: float = 3600, **fields: Any) -> Run:
    """Move the family of one copy; the source is so old."""
    compute = compute or Compute()
    ours = at.copy(**fields)
    compute.images.setdefault(ours.ref, ours)
    works = [work_of(ours, replica(at.location))]
    return move(compute, planned(at.source(age=age), works), works, seconds=seconds)


class TestWhoIsHeldBack:
    @pytest.mark.parametrize(
        ("ours", "source", "head", "origin", "expected"),
        [
            (5, 1, None, None, None),
            (5, 3, 4, 2, None),
            (5, 1, 4, 2, Held.FAMILY_IS_NEWER),
            (5, 1, 4, 4, Held.FAMILY_IS_NEWER),
            (5, 2, 4, 2, None),
            (3, 1, 4, 2, None),
            (4, 1, 4, 2, Held.FAMILY_IS_NEWER),
        ],
        ids=[
            "no head",
            "head of an older release",
            "head of a newer release",
            "head whose source is gone",
            "head of the same age of source",
            "older than the head, which stays head",
            "as old as the head: nobody knows who would win",
        ],
    )
    def test_never_backwards(
        self, at: At, ours: int, source: int, head: int | None, origin: int | None, expected: Held | None
    ) -> None:
        found = families.held(
            planned(at.source(age=source)),
            replica(at.location),
            at.copy(age=ours),
            # It has our name, and is another image: one that was replaced.
            head=None if head is None else at.copy(id="8", age=head),
            head_source=None if origin is None else at.source(id="9", age=origin),
            lead=None,
        )
        assert found is expected

    def test_the_head_itself(self, at: At) -> None:
        ours, newer = at.copy(), at.source(id="9", age=3)
        plan = planned(at.source(age=1))
        assert families.held(plan, replica(at.location), ours, head=ours, head_source=newer, lead=None) is None

    @pytest.mark.parametrize(("ours", "lead", "held"), [(3, 4, False), (4, 4, True), (5, 4, True), (3, None, True)])
    def test_never_away_from_the_lead(self, at: At, ours: int, lead: int | None, held: bool) -> None:
        found = families.held(
            planned(at.source(), leads={("p1", f"web-{at.location}"): "us"}),
            replica(at.location),
            at.copy(age=ours),
            head=None,
            head_source=None,
            lead=None if lead is None else copied("us", age=lead),
        )
        assert found is (Held.WOULD_TAKE_FAMILY if held else None)

    def test_the_lead_needs_no_lead(self, at: At) -> None:
        plan = planned(at.source(), leads={("p1", f"web-{at.location}"): at.location})
        wanted = replica(at.location)
        assert families.held(plan, wanted, at.copy(), head=None, head_source=None, lead=None) is None

    @given(ours=AGES, source=AGES, head=AGES, origin=AGES)
    def test_whoever_becomes_head_is_of_no_older_source(self, ours: int, source: int, head: int, origin: int) -> None:
        mine, theirs = copy(age=ours), copy(id="8", age=head)
        first = image(id="9", age=origin)
        held = families.held(planned(image(age=source)), replica(), mine, head=theirs, head_source=first, lead=None)
        family = [theirs] if held else [theirs, mine]
        youngest = max(family, key=lambda member: member.created)
        if youngest is mine:
            assert source >= origin


class TestAllOrNone:
    """Families move only if every required replica is verified and nothing else speaks against it."""

    def all_of(self, at: At, required: str = "", *, failed: str = "", hold: Held | None = None, **plan: Any) -> Run:
        """The source at home, a copy without family in two locations, and one that has its family."""
        source = at.source(deprecated=plan.pop("deprecated", ""))
        kept = copied("me-west1", family="web-me-west1")
        found = [copied("eu"), copied("asia"), kept]
        works = [home(source)]
        works += [
            work_of(each, replica(each.home, required=each.home == required), verified=each.home != failed)
            for each in found
        ]
        return move(Compute(source, *found), planned(source, works, **plan), works, hold)

    def nothing_moved(self, run: Run) -> None:
        assert (run.asked, run.told) == ([], [])
        assert run.carried == {"us": "web", "eu": "", "asia": "", "me-west1": "web-me-west1"}

    def test_each_moves_to_its_own(self, at: At) -> None:
        run = self.all_of(at, required=at.location)
        assert run.carried == {"us": "web", "eu": "web-eu", "asia": "web-asia", "me-west1": "web-me-west1"}
        for place in ("eu", "asia"):
            head = f"getFromFamily p1/web-{place}"
            asked = [call for call in run.asked if place in call]
            assert asked == [head, f"patch web-1-{place} web-{place}", head]
        assert len(run.asked) == 6
        assert sorted(run.told) == [
            ("asia", "promoted", "carries the family web-asia"),
            ("eu", "promoted", "carries the family web-eu"),
        ]
        assert set(run.held.values()) == {None}
        assert run.notes == []

    def test_a_required_one_that_is_not_verified_keeps_all(self, at: At) -> None:
        run = self.all_of(at, required=at.location, failed=at.location)
        self.nothing_moved(run)
        other = "asia" if at.location == "eu" else "eu"
        assert run.held == {"us": None, at.location: None, other: Held.REQUIRED_FAILED, "me-west1": None}

    def test_another_that_is_not_verified_keeps_nobody(self, at: At) -> None:
        run = self.all_of(at, required="asia" if at.location == "eu" else "eu", failed=at.location)
        assert set(run.held.values()) == {None}
        assert run.carried == {"us": "web", "eu": "web-eu", "asia": "web-asia", "me-west1": "web-me-west1"} | {
            at.location: ""
        }

    @pytest.mark.parametrize("failed", [False, True])
    @pytest.mark.parametrize(
        ("deprecated", "promote", "hold", "expected"),
        [
            ("", False, None, Held.PROMOTE_OFF),
            ("", True, Held.UNSIGNED, Held.UNSIGNED),
            ("", False, Held.UNSIGNED, Held.PROMOTE_OFF),
            ("DEPRECATED", True, None, Held.SOURCE_DEPRECATED),
            ("DEPRECATED", True, Held.UNSIGNED, Held.SOURCE_DEPRECATED),
            ("DEPRECATED", False, None, Held.SOURCE_DEPRECATED),
        ],
    )
    def test_the_reason_that_is_told(
        self, at: At, deprecated: str, promote: bool, hold: Held | None, expected: Held, failed: bool
    ) -> None:
        """Of several the one that a rerun doesn't take away."""
        run = self.all_of(at, "me-west1", failed="me-west1" * failed, hold=hold, deprecated=deprecated, promote=promote)
        if failed and expected is not Held.SOURCE_DEPRECATED:
            expected = Held.REQUIRED_FAILED
        self.nothing_moved(run)
        assert run.held == {"us": None, "eu": expected, "asia": expected, "me-west1": None}

    def test_nobody_is_left_to_be_moved(self, at: At) -> None:
        source, ours = at.source(), at.copy(family=f"web-{at.location}")
        works = [home(source), work_of(ours, replica(at.location, required=True))]
        run = move(Compute(source, ours), planned(source, works), works)
        assert (run.asked, run.told) == ([], [])


class TestOne:
    """One family is moved, and read back."""

    def test_what_is_asked(self, at: At) -> None:
        compute = Compute()
        run = move_one(at, compute)
        family, name = f"web-{at.location}", f"web-1-{at.location}"
        # The head of a family that nobody else leads shows at once what it resolves to, and that the image carries it.
        assert run.asked == [f"getFromFamily p1/{family}", f"patch {name} {family}", f"getFromFamily p1/{family}"]
        assert run.told == [(at.location, "promoted", f"carries the family {family}")]
        assert run.carried == {at.location: family}
        assert (run.works[0].held, run.works[0].error, run.notes) == (None, None, [])
        (request_id,) = compute.request_ids
        assert str(UUID(request_id)) == request_id

    def test_in_the_replicas_project(self, at: At) -> None:
        """Not in the source's, where a family of that name is another's."""
        compute = Compute(at.source(id="9", name="web-9", family=f"web-{at.location}", age=9))
        ref = ImageRef("p2", f"web-1-{at.location}")
        ours = at.copy(project="p2")
        compute.images[ref] = ours
        works = [work_of(ours, replica(at.location, ref=ref))]
        run = move(compute, planned(at.source(), works), works)
        family = f"web-{at.location}"
        assert run.asked == [f"getFromFamily p2/{family}", f"patch {ref.name} {family}", f"getFromFamily p2/{family}"]
        assert run.carried == {at.location: family}

    def test_what_it_is_while_time_runs_out(self, at: At) -> None:
        compute = Compute()
        compute.operation = replace(compute.operation, done=False)
        run = move_one(at, compute, seconds=40)
        assert isinstance(run.error, errors.Deadline)
        assert run.error.what == (
            f"timeout_minutes passed while projects/p1/global/images/web-1-{at.location} was being promoted"
        )

    def test_what_was_being_done_when_its_head_was_refused(self, at: At) -> None:
        compute = Compute()
        compute.refused["getFromFamily"] = refusal("getFromFamily", 400, "invalid")
        run = move_one(at, compute)
        assert run.error.what == (f"Reading the head of the family web-{at.location} was refused: No, said the test.")
        assert run.asked == [f"getFromFamily p1/web-{at.location}"]

    @pytest.mark.parametrize("late", [False, True])
    def test_what_was_being_done_when_it_was_refused(self, at: At, late: bool) -> None:
        """At once, or by the operation."""
        compute = Compute()
        if late:
            compute.operation = replace(compute.operation, problem=Problem("INVALID_USAGE", "No, said the test."))
        else:
            compute.refused["patch"] = refusal("patch", 400, "invalid")
        run = move_one(at, compute)
        moving = f"Moving the family web-{at.location} to projects/p1/global/images/web-1-{at.location}"
        said = "failed: No, said the test. (INVALID_USAGE)" if late else "was refused: No, said the test."
        assert run.error.what == f"{moving} {said}"
        assert run.asked[1:] == [f"patch web-1-{at.location} web-{at.location}"]

    def test_what_was_being_done_when_nobody_knows_what_went_wrong(self, at: At) -> None:
        compute = Compute()
        compute.answers[f"getFromFamily p1/web-{at.location}"] = [ValueError("What is that?")]
        run = move_one(at, compute)
        assert isinstance(run.error, errors.Internal)
        assert run.error.what == (f"Promoting projects/p1/global/images/web-1-{at.location}: ValueError: What is that?")

    @pytest.mark.parametrize("status", [403, 405, 410])
    def test_a_head_that_may_not_be_read_is_not_one_that_is_missing(self, at: At, status: int) -> None:
        compute = Compute()
        compute.refused["getFromFamily"] = refusal("getFromFamily", status)
        run = move_one(at, compute)
        assert run.error.what.startswith(f"Reading the head of the family web-{at.location} was refused")
        assert [call for call in run.asked if call.startswith("patch")] == []

    def test_a_family_that_is_newer(self, at: At) -> None:
        """It is told, and nothing is changed."""
        newer = at.source(id="5", name="web-2", age=3)
        theirs = at.copy(name="web-2-x", id="8", age=4, family=f"web-{at.location}", source_image_id="5")
        theirs = replace(theirs, source_image=newer.ref)
        run = move_one(at, Compute(newer, theirs), age=1)
        line = f"left without the family web-{at.location} (family_is_newer)"
        assert run.told == [(at.location, "verified", line)]
        assert run.held == {at.location: Held.FAMILY_IS_NEWER}
        assert run.works[0].error is None
        assert run.asked == [f"getFromFamily p1/web-{at.location}", "get web-2"]
        assert run.carried == {at.location: ""}

    def test_one_that_was_held_before_is_moved(self, at: At) -> None:
        """What is found now counts."""
        ours = at.copy()
        works = [work_of(ours, replica(at.location))]
        works[0].held = Held.UNSIGNED
        run = move(Compute(ours), planned(at.source(), works), works)
        assert run.held == {at.location: None}
        assert run.carried == {at.location: f"web-{at.location}"}


class TestReadBack:
    """What is read after a family was moved decides, not what an operation says."""

    def test_replaced_by_another_image_that_got_the_family(self, at: At) -> None:
        compute = Compute()
        other = at.copy(id="8", age=7)
        compute.meanwhile = lambda: compute.images.update({other.ref: other})
        run = move_one(at, compute)
        ref = f"projects/p1/global/images/web-1-{at.location}"
        assert isinstance(run.error, errors.Drift)
        assert run.error.what == (
            f"{ref} was replaced by someone else during the run, and the family web-{at.location} resolves to the new "
            "image"
        )
        assert run.error.todo == (
            f"Unless that is intended: `gcloud compute images deprecate web-1-{at.location} --project p1 --state "
            "DEPRECATED`; then run this again."
        )
        # Nothing says that it carries the family.
        assert run.told == [(at.location, "failed", run.error.what)]

    def test_not_moved_after_all(self, at: At) -> None:
        compute = Compute()
        compute.moves = False
        run = move_one(at, compute)
        family, name = f"web-{at.location}", f"web-1-{at.location}"
        assert isinstance(run.error, errors.Drift)
        assert run.error.what == (
            f"projects/p1/global/images/{name} does not carry its family: family: wanted {family}, found nothing"
        )
        assert run.error.todo == "Run this again."
        head = f"getFromFamily p1/{family}"
        # Reads may lag behind, so it is looked at several times.
        assert run.asked == [head, f"patch {name} {family}", head, *[f"get {name}"] * 5]

    def test_shown_late(self, at: At) -> None:
        compute = Compute()
        family, name = f"web-{at.location}", f"web-1-{at.location}"
        head = f"getFromFamily p1/{family}"
        compute.answers = {
            head: [refusal("getFromFamily", 404), refusal("getFromFamily", 404)],
            f"get {name}": [at.copy(), at.copy()],
        }
        run = move_one(at, compute)
        assert run.asked == [head, f"patch {name} {family}", head, *[f"get {name}"] * 3]
        assert run.carried == {at.location: family}
        assert run.told == [(at.location, "promoted", f"carries the family {family}")]

    def test_a_younger_one_that_it_goes_on_to_resolve_to(self, at: At) -> None:
        family = f"web-{at.location}"
        younger = at.copy(name="web-0-x", id="8", age=6, family=family)
        run = move_one(at, Compute(younger))
        (note,) = run.notes
        assert note == (
            f"It carries the family {family}, which still resolves to projects/p1/global/images/web-0-x, because that "
            "is younger; to change that: `gcloud compute images deprecate web-0-x --project p1 --state DEPRECATED`."
        )
        head = f"getFromFamily p1/{family}"
        assert run.asked == [head, f"patch web-1-{at.location} {family}", head, f"get web-1-{at.location}"]
        assert run.told == [(at.location, "promoted", f"carries the family {family}")]
        assert run.carried == {at.location: family}

    @pytest.mark.parametrize("age", [5, 4], ids=["as old", "older"])
    def test_another_that_is_not_younger_is_not_noted(self, at: At, age: int) -> None:
        """Who resolves a family to it now, resolves it to ours in a moment."""
        family = f"web-{at.location}"
        other = at.copy(name="web-0-x", id="8", age=age, family=family)
        compute = Compute(other)
        compute.answers[f"getFromFamily p1/{family}"] = [other, other]
        run = move_one(at, compute)
        assert (run.notes, run.carried) == ([], {at.location: family})

    def test_an_image_that_is_replaced_while_it_is_read_back(self, at: At) -> None:
        compute = Compute()
        family = f"web-{at.location}"
        other = at.copy(id="8", age=7)
        compute.meanwhile = lambda: compute.images.update({other.ref: other})
        # The head is one that was another's before.
        compute.answers[f"getFromFamily p1/{family}"] = [refusal("getFromFamily", 404), at.copy(name="x", id="7")]
        run = move_one(at, compute)
        assert run.error.what == (
            f"projects/p1/global/images/web-1-{at.location} was replaced by someone else during the run"
        )


class TestSharedFamily:
    """One family for all locations resolves to the image of the one that leads."""

    def shared(self, at: At, lead: Work, *others: Work, **fields: Any) -> Run:
        ours = at.copy(**fields)
        works = [work_of(ours, replica(at.location, family="web")), *others, lead]
        found = [work.image for work in works if work.image]
        return move(Compute(*found), planned(at.source(), works, lead=lead.replica.location), works)

    def lead(self, found: Image | None = None, *, family: str = "web", **fields: Any) -> Work:
        """The replica in the location that leads; its copy is a second younger than the other's."""
        return work_of(found or copied("us", age=6, family=family), replica("us", family="web"), **fields)

    def test_the_lead_goes_first(self, at: At) -> None:
        name = f"web-1-{at.location}"
        run = self.shared(at, self.lead(family=""))
        head = "getFromFamily p1/web"
        assert run.asked == [
            *[head, "patch web-1-us web", head],
            # The head is the lead's, so only the image itself shows that it has the family.
            *[head, f"patch {name} web", f"get {name}"],
        ]
        assert run.told == [
            ("us", "promoted", "carries the family web"),
            (at.location, "promoted", "carries the family web"),
        ]
        assert run.carried == {at.location: "web", "us": "web"}
        assert run.notes == []

    def test_the_lead_has_it_already(self, at: At) -> None:
        name = f"web-1-{at.location}"
        run = self.shared(at, self.lead())
        assert run.asked == ["getFromFamily p1/web", f"patch {name} web", f"get {name}"]
        assert run.carried == {at.location: "web", "us": "web"}

    def test_the_lead_is_where_this_one_is(self, at: At) -> None:
        ours, other = at.copy(age=6), copied("us")
        works = [work_of(other, replica("us", family="web")), work_of(ours, replica(at.location, family="web"))]
        run = move(Compute(ours, other), planned(at.source(), works, lead=at.location), works)
        head, name = "getFromFamily p1/web", f"web-1-{at.location}"
        assert run.asked == [head, f"patch {name} web", head, head, "patch web-1-us web", "get web-1-us"]
        assert run.held == {"us": None, at.location: None}

    def test_the_one_that_leads_could_not_get_it(self, at: At) -> None:
        ours, lead = at.copy(), copied("us", age=6)
        works = [work_of(ours, replica(at.location, family="web")), work_of(lead, replica("us", family="web"))]
        compute = Compute(ours, lead)
        compute.refused["patch web-1-us web"] = refusal("patch", 400, "invalid")
        run = move(compute, planned(at.source(), works, lead="us"), works)
        assert run.held == {at.location: Held.WOULD_TAKE_FAMILY, "us": None}
        assert run.told[-1] == (at.location, "verified", "left without the family web (would_take_family)")
        assert [call for call in run.asked if call.startswith("patch")] == ["patch web-1-us web"]

    def test_the_one_that_leads_was_held_back_itself(self, at: At) -> None:
        """It is not followed into a family that it doesn't carry."""
        newer = at.source(id="9", name="web-2", family="", age=3)
        head = replace(copied("us", id="8", name="web-2-us", age=6, family="web"), source_image=newer.ref)
        head = replace(head, source_image_id=newer.id)
        ours, lead = at.copy(age=5), copied("us", age=7)
        works = [work_of(ours, replica(at.location, family="web")), work_of(lead, replica("us", family="web"))]
        run = move(Compute(newer, head, ours, lead), planned(at.source(age=1), works, lead="us"), works)
        assert run.held == {at.location: Held.WOULD_TAKE_FAMILY, "us": Held.FAMILY_IS_NEWER}
        assert run.carried == {at.location: "", "us": ""}
        assert [call for call in run.asked if call.startswith("patch")] == []

    @pytest.mark.parametrize("case", ["not verified", "older", "as old", "no image"])
    def test_without_a_younger_lead_that_carries_it(self, at: At, case: str) -> None:
        lead = {
            "not verified": self.lead(verified=False),
            "older": self.lead(copied("us", age=4, family="web")),
            "as old": self.lead(copied("us", age=5, family="web")),
            "no image": work_of(None, replica("us", family="web")),
        }[case]
        # Another location's image doesn't lead, however young.
        third = work_of(copied("me-west1", age=9, family="web"), replica("me-west1", family="web"))
        run = self.shared(at, lead, third)
        assert run.held == {at.location: Held.WOULD_TAKE_FAMILY, "us": None, "me-west1": None}
        assert run.carried[at.location] == ""
        assert [call for call in run.asked if call.startswith("patch")] == []


class TestTheSourceOfTheHead:
    """Releases are told apart by the ages of their sources, so the head's is looked for."""

    def moves(
        self, at: At, source: Image, head: Image, *others: Image, refused: bool = False, family: str = ""
    ) -> bool:
        """Whether our copy, younger than all, takes the family from that head. `gone` may not even be read."""
        family = family or f"web-{at.location}"
        ours = at.copy(age=50)
        compute = Compute(ours, head, *others)
        if refused:
            compute.refused["get gone"] = refusal("get")
        elsewhere = {"eu", "asia", "me-west1"} - {at.location}
        # A replica that wants no family has none that others could be told by.
        wanted = [*map(replica, elsewhere), replica("us-west1", family="")]
        works = [work_of(ours, replica(at.location, family=family)), home(source)]
        works += [work_of(None, each, verified=False) for each in wanted]
        run = move(compute, planned(source, works), works)
        held = run.held[at.location]
        assert (held, run.carried[at.location]) in {(None, family), (Held.FAMILY_IS_NEWER, "")}
        return held is None

    def head(self, at: At, of: Image | ImageRef, source_image_id: str = "", **fields: Any) -> Image:
        """The family's head, forty seconds old, a copy of that image."""
        ref, known = (of.ref, of.id) if isinstance(of, Image) else (of, source_image_id)
        usual: dict[str, Any] = {"id": "8", "name": "web-head", "age": 40, "family": f"web-{at.location}"}
        return replace(at.copy(**{**usual, **fields}), source_image=ref, source_image_id=known)

    def is_of(self, at: At, found: Image, head: Image, *others: Image, **given: Any) -> None:
        """The head's release is told by the age of that image: an older source gives way, one as old doesn't."""
        age = (found.created - image().created).total_seconds()
        assert self.moves(at, at.source(age=age), head, *others, **given)
        assert not self.moves(at, at.source(age=age - 1), head, *others, **given)

    def is_ours(self, at: At, source: Image, head: Image, *others: Image) -> None:
        """However old our source is, the head is of the same release."""
        assert self.moves(at, source, head, *others)

    def test_the_source_itself(self, at: At) -> None:
        """Whatever it was made from."""
        base = at.source(name="debian", id="9", family="debian", age=20)
        source = replace(at.source(), source_image=base.ref, source_image_id=base.id)
        self.is_ours(at, source, replace(source, family=f"web-{at.location}"), base)

    def test_a_copy_of_ours(self, at: At) -> None:
        source = at.source()
        self.is_ours(at, source, self.head(at, source), source)
        # It may be gone, its id tells.
        self.is_ours(at, source, self.head(at, source))

    def test_a_copy_of_a_copy_of_ours(self, at: At) -> None:
        source = at.source()
        between = copied("me-west1", age=10, family="web-me-west1")
        self.is_ours(at, source, self.head(at, between), between, source)
        self.is_ours(at, source, self.head(at, between), between)
        first = copied("asia", age=9, family="web-asia")
        second = replace(between, source_image=first.ref, source_image_id=first.id)
        self.is_ours(at, source, self.head(at, second), second, first)

    def test_the_source_is_come_to_itself(self, at: At) -> None:
        """A copy of an image that is gone, whose source is ours by its place in the chain."""
        base = at.source(name="debian", id="9", family="debian", age=20)
        source = replace(at.source(), source_image=base.ref, source_image_id=base.id)
        between = copied("me-west1", age=10, family="web-me-west1")
        self.is_ours(at, source, self.head(at, between), between, source, base)

    def test_a_copy_of_another(self, at: At) -> None:
        base = at.source(name="debian", id="9", family="debian", age=3)
        newer = replace(at.source(name="web-2", id="5", age=20), source_image=base.ref, source_image_id=base.id)
        self.is_of(at, newer, self.head(at, newer), newer, base)

    def test_a_copy_of_a_copy_of_another(self, at: At) -> None:
        base = at.source(name="debian", id="9", family="debian", age=3)
        newer = replace(at.source(name="web-2", id="5", age=20), source_image=base.ref, source_image_id=base.id)
        chained = copied("asia", name="web-2-asia", age=30, family="web-asia", source_image=newer.ref)
        chained = replace(chained, source_image_id=newer.id)
        self.is_of(at, newer, self.head(at, chained), chained, newer, base)

    def test_the_base_that_both_were_built_from_says_nothing(self, at: At) -> None:
        base = at.source(name="debian", id="9", family="debian", age=3)
        newer = replace(at.source(name="web-2", id="5", age=20), source_image=base.ref, source_image_id=base.id)
        source = replace(at.source(age=10), source_image=base.ref, source_image_id=base.id)
        assert not self.moves(at, source, self.head(at, newer), newer, base)

    @pytest.mark.parametrize(
        ("project", "family"), [("p1", ""), ("p2", "web-asia"), ("p2", "web-eu"), ("p1", "other"), ("p1", "web")]
    )
    def test_no_replica_of_ours_stands_between(self, at: At, project: str, family: str) -> None:
        """What carries none of the replicas' families is a source itself, whatever it was made from."""
        base = at.source(name="debian", id="9", family="debian", age=3)
        made = replace(at.source(name="x", id="6", project=project, family=family, age=20), source_image=base.ref)
        made = replace(made, source_image_id=base.id)
        self.is_of(at, made, self.head(at, made), made, base)

    def test_a_source_that_was_made_of_an_image_is_no_copy_of_it(self, at: At) -> None:
        """Where a family is the sources' own as well, whose images may come from another project."""
        built = at.source(name="web-2", id="9", project="build", family="web", age=3)
        newer = replace(at.source(name="web-2", id="5", age=20), source_image=built.ref, source_image_id=built.id)
        self.is_of(at, newer, newer, built, family="web")
        # An image that was copied from it may be what leads the family, or from one that was.
        self.is_of(at, newer, self.head(at, newer, family="web"), newer, built, family="web")
        between = copied("me-west1", age=30, family="web-me-west1")
        between = replace(between, source_image=newer.ref, source_image_id=newer.id)
        self.is_of(at, newer, self.head(at, between, family="web"), between, newer, built, family="web")
        # That one's source has the family of nobody here.
        plain = at.source(name="web-3", id="6", family="", age=20)
        after = replace(between, source_image=plain.ref, source_image_id=plain.id)
        self.is_of(at, plain, self.head(at, after, family="web"), after, plain, family="web")

    def test_an_earlier_source_that_is_released_once_more(self, at: At) -> None:
        """Under another name, as a copy: it is a newer release, whichever family is shared."""
        first = at.source(name="web-0", id="9", family="web", age=3)
        again = replace(at.source(name="web-2", id="5", age=20), source_image=first.ref, source_image_id=first.id)
        self.is_of(at, again, self.head(at, again), again, first)
        self.is_of(at, again, self.head(at, again, family="web"), again, first, family="web")

    def test_its_ancestors_are_gone_or_may_not_be_read(self, at: At) -> None:
        gone = ImageRef("p1", "gone")
        alone = self.head(at, gone, "7")
        self.is_of(at, alone, alone)
        self.is_of(at, alone, alone, refused=True)
        between = copied("asia", name="web-2-asia", age=30, family="web-asia", source_image=gone, source_image_id="7")
        self.is_of(at, between, self.head(at, between), between)
        self.is_of(at, between, self.head(at, between), between, refused=True)

    def test_one_that_has_our_sources_name_is_not_our_source(self, at: At) -> None:
        """The head, or what it was copied from, is of an image that was deleted and built anew under its name."""
        former = self.head(at, at.source().ref, "7")
        self.is_of(at, former, former)
        between = copied("asia", name="web-1-asia", age=30, family="web-asia", source_image=at.source().ref)
        between = replace(between, source_image_id="7")
        self.is_of(at, between, self.head(at, between), between)
        itself = replace(at.source(id="7", age=40, family=f"web-{at.location}"), source_image=None)
        self.is_of(at, itself, itself)
