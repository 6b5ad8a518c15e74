"""How calls are repeated, on a clock that jumps: when, until when, and what people are told meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.compute import waits
from replicator.compute.rate_limit import Request
from replicator.compute.refusals import Refusal
from replicator.compute.retry import Calls
from replicator.core import errors
from testkit.places import declared
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import tzinfo

LOST: dict[str, Any] = {"status": 503, "message": "Oops."}
RATE: dict[str, Any] = {"status": 403, "codes": ("rateLimitExceeded",), "message": "Slow down."}
#: The same, where the service says itself when to come back.
RATE_SAID: dict[str, Any] = {**RATE, "retry_after": 60.0}
SOURCE_RATE: dict[str, Any] = {"status": 403, "codes": ("RESOURCE_OPERATION_RATE_EXCEEDED",), "message": "Too often."}


class Tried:
    """One call that is refused for so many times, and when it was tried, in seconds."""

    def __init__(self, refusal: dict[str, Any], *, times: int = 10**6, deadline: float = 3600.0) -> None:
        self.at: list[float] = []
        self.lines: list[str] = []
        self.waited: list[dict[str, str]] = []
        """What is said about those who wait, a second after each refusal."""
        self._loop = VirtualLoop()
        self._refusal, self._times = refusal, times
        self._began = self._loop.now
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            self.ended = runner.run(self._go(deadline))

    async def _go(self, deadline: float) -> Exception | None:
        loop = self._loop
        self._calls = Calls(None, deadline=self._began + deadline, tell=lambda _, text: self.lines.append(text))  # type: ignore[arg-type]
        ending = await asyncio.gather(self._call(), return_exceptions=True)
        self.seconds = loop.time() - self._began
        return ending[0] if isinstance(ending[0], Exception) else None

    def _call(self) -> Awaitable[None]:
        method = "compute.images.patch"

        def send() -> None:
            self.at.append(self._loop.time() - self._began)
            if len(self.at) <= self._times:
                self._loop.call_soon_threadsafe(self._loop.call_later, 1.0, self._look)
                raise Refusal(method, **self._refusal)

        return self._calls(Request(method, "p1", send), doing="Copying to eu", where="eu")

    def _look(self) -> None:
        self.waited.append(dict(self._calls.next_try))


class TestLastTry:
    """A wait of ours is shortened so that there is one more try before the deadline; the service's own never is."""

    def test_backoff_ends_in_time_for_one_more(self) -> None:
        tried = Tried(LOST, deadline=50)
        assert isinstance(tried.ended, errors.Deadline)
        assert 44 <= tried.at[6] <= 46
        assert tried.at[-1] <= 50
        assert all(later - earlier >= 1 for earlier, later in zip(tried.at, tried.at[1:], strict=False))

    def test_jitter_costs_no_try(self) -> None:
        tried = Tried(RATE_SAID, deadline=60.5, times=1)
        assert tried.ended is None
        assert 60 <= tried.at[1] <= 60.5

    def test_what_the_service_asks_for_is_kept(self) -> None:
        tried = Tried(SOURCE_RATE, deadline=599)
        assert isinstance(tried.ended, errors.Deadline)
        assert tried.at == [0]
        assert tried.seconds == 0


class TestWhatPeopleSee:
    def test_the_reason_and_the_time_of_the_next_try(self) -> None:
        tried = Tried(SOURCE_RATE, times=1)
        assert re.fullmatch(
            r"Copying to eu: Too often\. An image may be copied about six times an hour\. "
            r"Next try in 6\d\d s, at \d\d:\d\d UTC\.",
            tried.lines[0],
        )

    def test_while_it_lasts(self) -> None:
        tried = Tried(SOURCE_RATE, times=1)
        assert re.fullmatch(r"next try \d\d:\d\d UTC", tried.waited[0]["eu"])
        assert tried._calls.next_try == {}

    def test_short_waits_are_not_worth_a_time_of_day(self) -> None:
        tried = Tried(LOST, times=1)
        assert tried.lines == ["Copying to eu: Oops. Next try in 1 s."]
        assert tried.waited == [{}]


class TestWallClock:
    """A machine's clock may be set while a run goes on; what counts is the time that really passes."""

    def test_its_jumps_change_no_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        years = itertools.cycle([2026, 1970, 2070])

        class Jumping(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Jumping:
                return cls(next(years), 1, 1, tzinfo=tz)

        monkeypatch.setattr(waits, "datetime", Jumping)
        tried = Tried(RATE_SAID, times=3)
        assert tried.ended is None
        assert 180 <= tried.at[-1] <= 198

    def test_it_is_only_shown(self) -> None:
        """No other module asks for the time: it is the event loop's, or handed in by those that talk to other services."""
        package = Path(waits.__file__).parents[1]
        asking = {
            path.relative_to(package).as_posix()
            for path in package.rglob("*.py")
            if re.search(r"datetime\.now|utcnow|time\.time|monotonic|perf_counter", path.read_text(encoding="utf-8"))
        }
        assert asking == {"compute/waits.py", *(name for modules in declared("CLOCKS").values() for name in modules)}


@pytest.mark.parametrize("refusal", [LOST, RATE, SOURCE_RATE])
def test_jobs_do_not_come_back_at_the_same_moment(refusal: dict[str, Any]) -> None:
    assert len({Tried(refusal, times=1).at[1] for _ in range(5)}) > 1


class Project:
    """A project that answers so many changes in a minute of its own, whoever asks."""

    def __init__(self, quota: int) -> None:
        self.refused: Counter[int] = Counter()
        """By the minute."""
        self._quota = quota
        self._asked: Counter[int] = Counter()

    def ask(self, now: float) -> None:
        """Raises Refusal where it is one too many."""
        minute = int(now // 60)
        self._asked[minute] += 1
        if self._asked[minute] > self._quota:
            self.refused[minute] += 1
            raise Refusal("compute.images.patch", project="p1", **RATE)


@pytest.mark.parametrize("jobs", [1, 4])
def test_jobs_that_share_a_project_come_to_share_its_quota(jobs: int) -> None:
    """Each makes 300 changes, of which the project takes 100 a minute: after a few minutes none is refused any more."""
    loop, project, ended = VirtualLoop(), Project(100), list[float]()

    async def one() -> None:
        calls = Calls(None, deadline=loop.now + 10**5, tell=lambda *_: None)  # type: ignore[arg-type]
        change = Request("compute.images.patch", "p1", lambda: project.ask(loop.now))
        await asyncio.gather(*(calls(change, doing="Changing", where=str(number)) for number in range(300)))
        ended.append(loop.now - 1000)

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(jobs)))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(all_of_them())
    first = 1000 // 60
    assert project.refused
    assert max(project.refused) - first <= 6, project.refused
    # Half of what was too much is never less than a quarter of what is granted.
    assert max(ended) <= 60 * (8 + 4 * jobs * 300 / 100), ended
    assert max(ended) <= 2 * min(ended)
