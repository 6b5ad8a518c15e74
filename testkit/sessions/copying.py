"""One replica being made, against answers that a test writes down: what is asked and told, on a clock that jumps."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from replicator.commands.replicate import copy_image
from replicator.commands.replicate.schedule import Parent
from replicator.compute.rate_limit import Request
from replicator.compute.refusals import INSERT, Refusal
from replicator.compute.retry import Calls
from replicator.core.images import Operation, Problem
from replicator.core.replicas import Action, Existing, Lineage, Plan, Step
from replicator.replicas.copy_tree import SOURCE
from replicator.replicas.session import Session
from replicator.replicas.work import Work, start
from testkit import make
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from replicator.core.errors import ReplicaError
    from replicator.core.images import Binding, Image, ImageRef

#: A location and an architecture: what holds of one must hold of the other.
WORLDS = (("eu", "X86_64"), ("asia", "ARM64"))
#: Calls, turns and waits of the longest story.
_MOST = 1000
COPYING = Operation(project="p1", name="operation-1", done=False, progress=0)


class Making:
    """What a test sets up before `play`, and what was asked, done and told when it is over."""

    def __init__(self, location: str, architecture: str) -> None:
        self.source = make.image(architecture=architecture)
        self.replica = make.replica(location)
        self.name = self.replica.ref.name
        self.location = location
        self.readers: tuple[Binding, ...] = ()
        self.action = Action.COPY
        self.existing: Existing | None = None
        self.minutes = 1000.0
        self.turns: list[Parent | ReplicaError] = [self.parent(self.source)]
        """What may be copied, one after the other; the last for ever."""
        self.answers: dict[str, list[Any]] = {
            "insert": [COPYING],
            "wait": [ended()],
            "delete": [ended("operation-9")],
            "get": [self.copy()],
            "getIamPolicy": [make.PUBLIC],
        }
        """What each method answers, one after the other, the last for ever; `get web-1-us` is about another image."""
        self.did: list[str] = []
        """Calls, turns taken and given back, and the seconds that passed in between."""
        self.told: list[str] = []
        """What people read: the state that they see, and the line; or of a wait the location, and why."""
        self.inserts: list[dict[str, Any]] = []
        """What each insert was about."""
        self.deletes: list[str] = []
        """The requestId of each deletion."""
        self.seen: list[int | None] = []
        """The progress of the copy whenever people were told of it."""
        self._last = 0.0

    def parent(self, image: Image, origin: str = SOURCE) -> Parent:
        """What a turn gives: the source, or the replica of another location."""
        return Parent(origin, image)

    def from_us(self) -> Image:
        """Let the replica in `us` be copied first, then the source."""
        us = self.copy("us", id="3")
        self.turns = [self.parent(us, "us"), self.parent(self.source)]
        return us

    def copy(self, location: str = "", **fields: Any) -> Image:
        """A right copy of the source, the replica itself by default."""
        return make.copy(location or self.location, architecture=self.source.architecture, **fields)

    def found(self, action: Action, status: str, lineage: Lineage = Lineage.OURS) -> Image:
        """Let the plan have found an image under the replica's name."""
        image = self.copy(status=status)
        self.action, self.existing = action, Existing(image=image, lineage=lineage)
        return image

    def play(self) -> Image:
        """Make the replica, until it is READY."""
        with asyncio.Runner(loop_factory=_AtOnce) as runner:
            return runner.run(self._run())

    async def _run(self) -> Image:
        clock = asyncio.get_running_loop().time
        self._clock, self._last = clock, clock()
        step = Step(replica=self.replica, action=self.action, existing=self.existing)
        plan = Plan(
            source=self.source, source_policy=None, readers=self.readers, steps=(step,), leads={}, promote=True
        )  # fmt: skip
        calls = Calls(cast("Any", self), deadline=clock() + 60 * self.minutes, tell=self._announced)
        (self.work,) = works = start(plan, clock())
        session = Session(plan=plan, calls=calls, works=works, changed=self._changed)
        return await copy_image.make_ready(session, self.work, cast("Any", _Turns(self)))

    @property
    def waits(self) -> list[str]:
        """The seconds that passed, each time that some did."""
        return [each for each in self.did if re.fullmatch(r"[0-9.]+ s", each)]

    @property
    def takes(self) -> list[str]:
        """What was to be copied, each time, without the reason why again."""
        return [each.partition(":")[0] for each in self.did if each.startswith("take")]

    def note(self, what: str) -> None:
        """Write down what was done, and how long after what was done before."""
        assert len(self.did) < _MOST, "This comes to no end."
        now = self._clock()
        if seconds := round(now - self._last, 3):
            self.did.append(f"{seconds:g} s")
        self._last = now
        self.did.append(what)

    def _changed(self, work: Work, text: str) -> None:
        assert work is self.work
        self.told.append(f"{work.state}: {text}")
        self.seen.append(work.percent)

    def _announced(self, where: str, text: str) -> None:
        self.told.append(f"({where}) {re.sub(', at [0-9:]+ UTC', '', text)}")

    def insert(
        self, ref: ImageRef, *, source: ImageRef, request_id: str, **body: str | Mapping[str, str]
    ) -> Request[Operation]:
        assert ref == self.replica.ref
        self.inserts.append({"source": source, "request_id": request_id, **body})
        return self._request("insert", "insert", f"insert from {source.name}")

    def wait(self, operation: Operation) -> Request[Operation]:
        return self._request("globalOperations.wait", "wait", f"wait for {operation.name}")

    def get(self, ref: ImageRef) -> Request[Image]:
        what = "get" if ref == self.replica.ref else f"get {ref.name}"
        return self._request("get", what, what)

    def get_policy(self, ref: ImageRef) -> Request[Any]:
        assert ref == self.replica.ref
        return self._request("getIamPolicy", "getIamPolicy", "getIamPolicy")

    def delete(self, image: Image, *, by_name: bool, request_id: str) -> Request[Operation]:
        assert image.ref == self.replica.ref
        self.deletes.append(request_id)
        return self._request("delete", "delete", "delete by name" if by_name else f"delete {image.id}")

    def _request(self, method: str, key: str, what: str) -> Request[Any]:
        full = f"compute.{method}" if "." in method else f"compute.images.{method}"
        return Request(full, "p1", partial(self._answer, key, what))

    def _answer(self, key: str, what: str) -> Any:
        self.note(what)
        return _next(self.answers[key])


class _AtOnce(VirtualLoop):
    """Calls are answered at once and without a thread, to start which takes longer than all the rest."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        del executor
        answer: asyncio.Future[Any] = self.create_future()
        try:
            answer.set_result(func(*args))
        except Refusal as refusal:
            answer.set_exception(refusal)
        return answer


class _Turns:
    """Stands for the schedule of copies, which has tests of its own."""

    def __init__(self, making: Making) -> None:
        self._making = making

    async def take(self, work: Work, *, of_source: bool = False, because: str = "") -> Parent:
        self._note("take the source" if of_source else "take", work, because)
        return cast("Parent", _next(self._making.turns))

    def give_back(self, work: Work) -> None:
        self._note("give back", work)

    def begun(self, work: Work) -> None:
        self._note("begun", work)

    def place(self, work: Work) -> None:
        self._note("place", work)

    def exhausted(self, parent: Parent, seconds: float) -> None:
        self._making.note(f"{parent.image.ref.name} is exhausted for {seconds:g} s")

    def lost(self, parent: Parent) -> None:
        self._making.note(f"{parent.image.ref.name} is lost")

    def _note(self, what: str, work: Work, because: str = "") -> None:
        assert work is self._making.work
        self._making.note(f"{what}: {because}" if because else what)


def _next(answers: list[Any]) -> Any:
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def ended(name: str = "operation-1", code: str = "", **problem: Any) -> Operation:
    """An operation that is DONE, or ended in error with this code."""
    failed = Problem(code, problem.pop("message", "No, said the test."), **problem) if code else None
    return Operation(project="p1", name=name, done=True, progress=100, problem=failed)


def under_way(percent: int) -> Operation:
    """An operation that goes on."""
    return Operation(project="p1", name="operation-1", done=False, progress=percent)


def refused(status: int | None, code: str = "", *, method: str = INSERT, **told: Any) -> Refusal:
    """Why a call was refused; without a status nobody answered."""
    return Refusal(
        method, project="p1", status=status, codes=(code,) if code else (), message="No, said the test.", **told
    )  # fmt: skip


def gone() -> Refusal:
    """Of a read: there is no such image."""
    return refused(404, "notFound", method="compute.images.get")
