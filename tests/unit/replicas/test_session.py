"""How one image is changed and read back, how often that is tried, and what is told where it fails."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import pytest

from replicator.compute.errors import SIGN_IN_EXPIRED, SignInFailed
from replicator.compute.refusals import Failed, Refusal
from replicator.core import errors
from replicator.core.images import Image, Operation, Problem
from replicator.core.replicas import Action, Outcome, Step
from replicator.replicas.work import Work
from testkit import make
from testkit.sessions.changing import Changing
from testkit.virtual import refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from replicator.replicas.session import Session

_T = TypeVar("_T")

BROKEN = Problem("INTERNAL_ERROR", "Sorry, said the operation.")
#: Seconds after which a broken operation is asked for anew; the fifth is the last.
WAITS = (5, 10, 20, 40)


class One:
    """A replica in one location, its image, and a session."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.work = Work(step=Step(replica=make.replica(location), action=Action.COPY), began=0)
        self.ref = self.work.replica.ref
        self.image = make.copy(location)
        self.cloud = Changing(self.image)

    def play(self, act: Callable[[Session, Work], Awaitable[_T]], **more: Any) -> _T:
        return self.cloud.carry_out(lambda session: act(session, self.work), self.work, **more)

    def fails(self, act: Callable[[Session, Work], Awaitable[object]], **more: Any) -> errors.ReplicaError:
        """The error that a replica ends with when something was to be done for it."""

        async def guarded(session: Session, work: Work) -> None:
            async def do(session: Session, work: Work) -> None:
                await act(session, work)

            await session.guarded(work, "Making it", do)
            assert work.ended == asyncio.get_running_loop().time()

        self.play(guarded, **more)
        assert self.work.error
        return self.work.error

    def line(self, state: str, text: str) -> str:
        return f"{self.location} ({state}): {text}"

    def edit(self, **fields: Any) -> Callable[[], None]:
        return partial(self.cloud.edit, self.ref, **fields)


@pytest.fixture(params=["eu", "asia"])
def one(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> One:
    """Its waits are as long as they are said to be."""
    monkeypatch.setattr("replicator.compute.waits._JITTER", 0.0)
    return One(request.param)


async def reading(session: Session, work: Work) -> Image:
    return await session.read(work)


async def reading_back(session: Session, work: Work) -> Image:
    return await session.read_back(work)


async def reading_what_shows(session: Session, work: Work) -> Image:
    return await session.read_back(work, lambda image: image.description == "new")


async def describing(session: Session, work: Work) -> None:
    patch = session.calls.compute.patch
    await session.change(
        work,
        lambda request_id: patch(work.replica.ref, description="new", request_id=request_id),
        doing="Describing it",
    )


class TestSaying:
    def test_a_state_and_a_line(self, one: One) -> None:
        async def say(session: Session, work: Work) -> None:
            session.say(work, "copying", "copying (operation-1)")
            session.say(work, "verified")

        one.play(say)
        assert one.cloud.lines == [one.line("copying", "copying (operation-1)"), one.line("verified", "verified")]
        assert one.work.state == "verified"

    @pytest.mark.parametrize(
        ("error", "state", "outcome"),
        [
            (errors.Drift("It differs"), "failed", Outcome.FAILED),
            (errors.Deadline("It is late"), "interrupted", Outcome.INTERRUPTED),
        ],
    )
    def test_an_end(self, one: One, error: errors.ReplicaError, state: str, outcome: Outcome) -> None:
        async def fail(session: Session, work: Work) -> float:
            await asyncio.sleep(7)
            session.fail(work, error)
            await asyncio.sleep(7)
            return asyncio.get_running_loop().time()

        assert one.play(fail) == (one.work.ended or 0) + 7
        assert (one.work.error, one.work.state, one.work.outcome) == (error, state, outcome)
        assert one.cloud.lines == [one.line(state, error.what)]


class TestReading:
    def test_for_the_first_time(self, one: One) -> None:
        assert one.play(reading) == one.image
        assert one.work.image == one.image
        assert one.cloud.asked == [f"get {one.ref.name}"]

    def test_again(self, one: One) -> None:
        """Whatever changed, it is the same image as long as its id is."""
        one.work.image = make.copy(one.location, description="old", labels={})
        assert one.play(reading) == one.image
        assert one.work.image == one.image

    def test_another_image_by_now(self, one: One) -> None:
        """It looks the same, and is not touched."""
        one.work.image = make.copy(one.location, id="8")
        error = one.fails(reading)
        assert (error.reason, error.what) == ("drift", f"{one.ref} was replaced by someone else during the run")
        assert error.todo == (
            "Another image has its name now: find out who makes it, or choose another name_template; then run this "
            "again."
        )
        assert one.work.image.id == "8"

    def test_a_refusal(self, one: One) -> None:
        one.cloud.refused["get"] = refusal("get")
        assert one.fails(reading).what == f"Reading {one.ref} was refused: No, said the test."
        assert one.work.image is None

    def test_it_is_told_where_it_waits(self, one: One) -> None:
        one.cloud.coming["get"] = [refusal("get", 503, "backendError")]
        one.play(reading)
        assert one.cloud.told == [(one.location, f"Reading {one.ref}: No, said the test. Next try in 1 s.")]


class TestReadingBack:
    def test_what_is_there_is_read_once(self, one: One) -> None:
        assert one.play(reading_back) == one.image
        assert (one.cloud.asked, one.cloud.seconds) == ([f"get {one.ref.name}"], 0)

    @pytest.mark.parametrize(("reads", "seconds"), [(1, 0), (2, 1), (3, 3), (4, 7), (5, 15)])
    @pytest.mark.parametrize("late", ["missing", "old"])
    def test_a_late_read_is_repeated(self, one: One, reads: int, seconds: int, late: str) -> None:
        """A read may lag behind the copy, or behind a change."""
        missing = refusal("get", 404, "notFound")
        one.cloud.coming["get"] = [missing if late == "missing" else None] * (reads - 1)
        one.cloud.coming["get"].append(one.edit(description="new"))
        found = one.play(reading_what_shows)
        assert (found, one.work.image) == (make.copy(one.location, description="new"),) * 2
        assert one.cloud.asked == [f"get {one.ref.name}"] * reads
        assert one.cloud.seconds == seconds
        # Waits of a few seconds are nobody's business.
        assert (one.cloud.told, one.cloud.lines) == ([], [])

    def test_what_never_shows_is_returned(self, one: One) -> None:
        """The caller says what is wrong with it."""
        assert one.play(reading_what_shows) == one.image
        assert (len(one.cloud.asked), one.cloud.seconds) == (5, 15)

    def test_what_never_comes_is_told(self, one: One) -> None:
        one.cloud.images.clear()
        assert one.fails(reading_back).what == f"Reading {one.ref} found nothing: No, said the test."
        assert (len(one.cloud.asked), one.cloud.seconds) == (5, 15)

    def test_another_refusal_is_final(self, one: One) -> None:
        one.cloud.coming["get"] = [refusal("get", 404, "notFound"), refusal("get", 403)]
        assert one.fails(reading_what_shows).reason == "forbidden"
        assert len(one.cloud.asked) == 2

    def test_another_image_is_told_at_once(self, one: One) -> None:
        one.work.image = make.copy(one.location, id="8")
        assert one.fails(reading_what_shows).reason == "drift"
        assert len(one.cloud.asked) == 1


class TestChanging:
    def test_a_request_and_its_operation(self, one: One) -> None:
        one.play(describing)
        assert one.cloud.asked == [f"patch {one.ref.name}", "wait operation-1"]
        assert one.cloud.images[one.ref].description == "new"
        assert (one.work.changed, one.work.operation) == (True, "operation-1")
        assert [UUID(each).version for each in one.cloud.request_ids] == [4]

    def test_the_operation_to_look_for(self, one: One) -> None:
        """Is the last one, but of a copy the one that made it."""

        async def twice(session: Session, work: Work) -> None:
            await describing(session, work)
            await describing(session, work)

        one.play(twice)
        assert one.work.operation == "operation-2"
        one.work.made, one.work.operation = True, "the-copy"
        one.play(twice)
        assert one.work.operation == "the-copy"

    def test_a_refusal(self, one: One) -> None:
        """Whether it came through nobody knows, so it counts as a change."""
        one.cloud.refused["patch"] = refusal("patch")
        assert one.fails(describing).what == "Describing it was refused: No, said the test."
        assert one.cloud.asked == [f"patch {one.ref.name}"]
        assert (one.work.changed, one.work.operation) == (True, "")

    def test_what_was_not_answered_is_sent_again(self, one: One) -> None:
        """As the same request, lest it is done twice."""
        one.cloud.coming["patch"] = [refusal("patch", 503, "backendError")]
        one.play(describing)
        assert one.cloud.asked == [*[f"patch {one.ref.name}"] * 2, "wait operation-1"]
        assert len(set(one.cloud.request_ids)) == 1
        assert one.cloud.told == [(one.location, "Describing it: No, said the test. Next try in 1 s.")]

    def test_a_wait_that_is_refused(self, one: One) -> None:
        one.cloud.refused["wait"] = Refusal(
            "compute.globalOperations.wait", project="p1", status=403, message="No, said the test."
        )
        assert one.fails(describing).what == "Describing it was refused: No, said the test."
        assert one.work.operation == "operation-1"
        assert one.cloud.lines == [one.line("failed", "Describing it was refused: No, said the test.")]

    def test_an_operation_that_is_gone(self, one: One) -> None:
        """Operations are kept for a while only: the image shows the rest."""
        one.cloud.refused["wait"] = refusal("wait", 404, "notFound")
        one.play(describing)
        assert one.cloud.asked == [f"patch {one.ref.name}", "wait operation-1"]
        assert one.cloud.lines == [one.line("waiting", "the operation operation-1 is gone; looking at the image")]
        assert one.work.error is None


class TestOperationsThatFail:
    def test_the_service_is_asked_anew(self, one: One) -> None:
        """By a new request: a requestId whose operation failed returns that operation for ever."""
        one.cloud.ends = [BROKEN, BROKEN]
        one.play(describing)
        name = one.ref.name
        assert one.cloud.asked == [
            f"patch {name}", "wait operation-1", f"patch {name}", "wait operation-2", f"patch {name}", "wait operation-3"
        ]  # fmt: skip
        assert len(set(one.cloud.request_ids)) == 3
        assert one.work.operation == "operation-3"
        assert one.cloud.seconds == sum(WAITS[:2])
        said = "Describing it: Sorry, said the operation."
        assert [(where, text.partition(", at ")[0]) for where, text in one.cloud.told] == [
            (one.location, f"{said} Next try in 5 s."), (one.location, f"{said} Next try in 10 s")
        ]  # fmt: skip

    def test_meanwhile_it_is_waiting(self, one: One) -> None:
        states: list[str] = []
        one.cloud.ends = [BROKEN]
        one.cloud.coming["patch"] = [None, lambda: states.append(one.work.state)]
        one.play(describing)
        assert states == ["waiting (operation_failed)"]

    def test_five_times_at_most(self, one: One) -> None:
        one.cloud.ends = [BROKEN] * 9
        error = one.fails(describing)
        assert (len(one.cloud.request_ids), one.cloud.seconds) == (5, sum(WAITS))
        assert error.what == "Describing it failed: Sorry, said the operation. (INTERNAL_ERROR)"
        assert error.todo == "The trouble is Compute Engine's own: run this again later."

    def test_a_rate_as_long_as_there_is_time(self, one: One) -> None:
        one.cloud.ends = [Problem("RATE_LIMIT_EXCEEDED", "Slower.")] * 9
        one.play(describing)
        assert len(one.cloud.request_ids) == 10
        assert one.work.error is None

    @pytest.mark.parametrize(("code", "reason"), [("FORBIDDEN", "forbidden"), ("INVALID_FIELD", "operation_failed")])
    def test_another_error_is_final(self, one: One, code: str, reason: str) -> None:
        one.cloud.ends = [Problem(code, "No, said the operation.")]
        error = one.fails(describing)
        assert one.cloud.asked == [f"patch {one.ref.name}", "wait operation-1"]
        assert (error.reason, error.what) == (reason, f"Describing it failed: No, said the operation. ({code})")
        assert one.cloud.told == []

    def test_the_wait_is_shortened_near_the_deadline(self, one: One) -> None:
        """For one more try, yet never below what the service needs."""
        one.cloud.ends = [BROKEN, BROKEN]
        one.play(describing, minutes=13 / 60)
        # 5 s of 13, then not the 10 s that it would be, of which 5 s would be left for the answer.
        assert one.cloud.seconds == 5 + 5

    def test_no_wait_goes_beyond_the_deadline(self, one: One) -> None:
        one.cloud.ends = [BROKEN, BROKEN]
        error = one.fails(describing, minutes=9 / 60)
        assert (error.reason, one.cloud.seconds) == ("deadline", 5)
        assert error.what == ("Describing it: Sorry, said the operation. Waiting 5 s would go beyond timeout_minutes")
        assert one.work.outcome is Outcome.INTERRUPTED


class TestFinishing:
    RUNNING = Operation(project="p1", name="operation-1", done=False, progress=0)

    def test_progress_is_told(self, one: One) -> None:
        seen: list[int] = []
        answers = iter([40, 90])

        def wait(operation: Operation) -> Any:
            """It is not done at the first times."""
            request = Changing.wait(one.cloud, operation)
            percent = next(answers, None)
            running = Operation(project="p1", name="operation-1", done=False, progress=percent or 0)
            return request if percent is None else type(request)(request.method, "p1", lambda: running)

        async def finish(session: Session, work: Work) -> Operation:
            begun = await session.calls(
                session.calls.compute.patch(work.replica.ref, description="x", request_id="r"), doing="", where=""
            )
            return await session.finish(work, begun, doing="Copying", progress=seen.append)

        one.cloud.wait = wait  # type: ignore[method-assign]
        done = one.play(finish)
        assert (done.done, done.progress, done.problem) == (True, 100, None)
        assert seen == [40, 90, 100]

    def test_one_that_is_gone_is_returned(self, one: One) -> None:
        one.cloud.refused["wait"] = refusal("wait", 404, "notFound")

        async def finish(session: Session, work: Work) -> Operation:
            return await session.finish(work, self.RUNNING, doing="Copying")

        assert one.play(finish) == self.RUNNING

    @pytest.mark.parametrize("status", [403, 405])
    def test_a_refusal_is_final(self, one: One, status: int) -> None:
        one.cloud.refused["wait"] = refusal("wait", status)

        async def finish(session: Session, work: Work) -> Operation:
            return await session.finish(work, self.RUNNING, doing="Copying")

        assert one.fails(finish).what == "Copying was refused: No, said the test."
        assert one.cloud.lines == [one.line("failed", "Copying was refused: No, said the test.")]

    def test_it_is_told_where_it_waits(self, one: One) -> None:
        one.cloud.coming["wait"] = [refusal("wait", 503, "backendError")]
        one.play(describing)
        assert one.cloud.told == [(one.location, "Describing it: No, said the test. Next try in 1 s.")]


class TestWhatIsRaised:
    """It becomes the error of that replica alone."""

    def test_nothing(self, one: One) -> None:
        did: list[Work] = []

        async def act(_session: Session, work: Work) -> None:
            did.append(work)

        one.play(lambda session, work: session.guarded(work, "Making it", act))
        assert (did, one.work.error, one.work.running) == ([one.work], None, True)
        assert one.cloud.lines == []

    def test_an_error(self, one: One) -> None:
        error = errors.Quota("Too many images")
        assert one.fails(raising(error)) is error
        assert one.cloud.lines == [one.line("failed", "Too many images")]

    def test_a_refusal(self, one: One) -> None:
        error = one.fails(raising(refusal("patch", 403)))
        assert (error.reason, error.what) == ("forbidden", "Making it was refused: No, said the test.")
        assert "compute.images.update" in error.todo

    def test_an_operation_that_failed(self, one: One) -> None:
        error = one.fails(raising(Failed("compute.images.patch", "p1", BROKEN)))
        assert error.what == "Making it failed: Sorry, said the operation. (INTERNAL_ERROR)"

    def test_a_sign_in_that_ended(self, one: One) -> None:
        """The token expires in the middle of a run."""
        error = one.fails(raising(SignInFailed(SIGN_IN_EXPIRED, "The token has expired")))
        assert (error.reason, error.what) == ("forbidden", "Making it: The token has expired")
        assert error.todo == SIGN_IN_EXPIRED.remedy

    def test_a_defect(self, one: One) -> None:
        """It is told with all that helps to find it."""
        error = one.fails(raising(ValueError("Oh")))
        assert (error.reason, error.what) == ("internal", "Making it: ValueError: Oh")
        first, *frames, last, end = one.cloud.lines
        assert first == one.line("waiting", "Traceback (most recent call last):")
        assert any(__file__ in frame for frame in frames)
        assert (last, end) == (
            one.line("waiting", "ValueError: Oh"), one.line("failed", "Making it: ValueError: Oh")
        )  # fmt: skip


def raising(error: Exception) -> Callable[[Session, Work], Coroutine[Any, Any, None]]:
    async def act(_session: Session, _work: Work) -> None:
        raise error

    return act


class TestAll:
    """Several replicas at once, until the deadline."""

    @pytest.fixture
    def works(self, one: One) -> list[Work]:
        other = "asia" if one.location == "eu" else "eu"
        return [one.work, Work(step=Step(replica=make.replica(other), action=Action.COPY), began=0)]

    def play(self, works: list[Work], act: Callable[[Session, Work], Awaitable[None]], seconds: float = 60) -> Changing:
        """Act for them with so many seconds left, and wait what happens in an hour."""
        cloud = Changing()

        async def run(session: Session) -> None:
            clock = asyncio.get_running_loop().time
            self.began = clock()
            session.calls.deadline = self.began + seconds
            await session.all_of(works, "Making", act)
            self.took = clock() - self.began
            await asyncio.sleep(3600)

        cloud.carry_out(run, *works)
        return cloud

    def test_nobody(self) -> None:
        assert self.play([], raising(ValueError())).lines == []

    def test_at_the_same_time(self, works: list[Work]) -> None:
        async def act(_session: Session, work: Work) -> None:
            await asyncio.sleep(10)
            work.verified = True

        cloud = self.play(works, act)
        assert [(work.verified, work.error) for work in works] == [(True, None)] * 2
        assert (self.took, cloud.lines) == (10, [])

    def test_one_failure_leaves_the_other(self, works: list[Work]) -> None:
        async def act(_session: Session, work: Work) -> None:
            if work is works[0]:
                raise refusal("patch")
            await asyncio.sleep(10)
            work.verified = True

        self.play(works, act)
        assert works[0].error
        assert works[0].error.what == f"Making {works[0].replica.ref} was refused: No, said the test."
        assert (works[1].verified, works[1].error) == (True, None)

    def test_the_deadline_ends_what_is_under_way(self, works: list[Work]) -> None:
        """And whatever was to be done after it is left undone."""
        did: list[Work] = []

        async def act(session: Session, work: Work) -> None:
            session.say(work, "copying")
            await asyncio.sleep(10 if work is works[1] else 100)
            did.append(work)

        cloud = self.play(works, act)
        assert (self.took, did, works[1].error) == (60, [works[1]], None)
        late = works[0].error
        assert late
        assert (late.reason, late.what) == (
            "deadline", f"timeout_minutes passed while {works[0].replica.ref} was copying"
        )  # fmt: skip
        assert works[0].ended == self.began + 60
        assert (works[0].state, works[0].outcome) == ("interrupted", Outcome.INTERRUPTED)
        assert cloud.lines[2:] == [f"{works[0].replica.location} (interrupted): {late.what}"]

    @pytest.mark.parametrize("late", [0, 0.5, 60])
    def test_after_the_deadline_nothing_is_waited_for(self, works: list[Work], late: float) -> None:
        """Only what needs no wait is done."""

        async def act(_session: Session, work: Work) -> None:
            if work is works[1]:
                await asyncio.sleep(0.25)
            work.verified = True

        self.play(works, act, seconds=-late)
        assert [work.verified for work in works] == [True, False]
        assert self.took == 0
        assert works[0].error is None
        assert isinstance(works[1].error, errors.Deadline)

    def test_the_end_of_the_run_ends_all(self, works: list[Work]) -> None:
        """A signal cancels it; what becomes of the replicas is told by the run."""
        did: list[Work] = []

        async def act(_session: Session, work: Work) -> None:
            await asyncio.sleep(10)
            did.append(work)

        async def run(session: Session) -> None:
            task = asyncio.create_task(session.all_of(works, "Making", act))
            await asyncio.sleep(5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            await asyncio.sleep(3600)

        cloud = Changing()
        cloud.carry_out(run, *works)
        assert (did, cloud.lines, [work.error for work in works]) == ([], [], [None, None])
