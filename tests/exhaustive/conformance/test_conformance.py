"""Every cell of the table: a fault at a call, once, twice and for ever."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from google.auth.credentials import Credentials

from emulator.testing import Running, running
from testkit.action import MUTATING, Action, Finished
from testkit.conformance.calls import RIGHT, Guard, Stage, pending, unseen
from testkit.conformance.faults import Class
from testkit.conformance.verdicts import CELLS, EXAMINATION, EXCEPTIONS, GRID, JITTER, OFTEN, Cell
from testkit.conformance.wire import Wire, happening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from testkit.conformance.calls import Call

#: Seconds of a run's default timeout_minutes.
DEADLINE = 3600.0
#: Shortened waits before the deadline may make so many tries more.
LAST_TRIES = 4
#: Reasons that are about the set-up: where they meet every replica, the run ends with 3.
SET_UP = {"forbidden", "api_disabled", "project_not_found"}


class Token(Credentials):
    """Credentials that can be renewed, like those of a real identity."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = "the-first"

    def refresh(self, request: Any) -> None:
        self.token = f"{self.token}-renewed"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.0, wait_seconds=0.002) as emulator:
        yield emulator


class World:
    """One emulator in which a call's world is made anew, and runs in it."""

    def __init__(self, emulator: Running, folder: Path, call: Call) -> None:
        self.emulator, self.call = emulator, call
        emulator.reset()
        self.source = emulator.add_image(project="p1", name="web-1", family="web", public=True, **RIGHT)
        call.world(emulator, self.source)
        self.action = Action(emulator, folder, env={"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": ""})

    def run(self, **more: str) -> Finished:
        return self.action(**{"locations": "us, eu, asia", **self.call.given, **more})

    def journal(self) -> list[dict[str, Any]]:
        """Whatever was answered too late has come to its end, too."""
        while True:
            found = self.emulator.journal()
            if all(entry["answered"] is not None or entry["dropped"] for entry in found):
                return found

    def state(self) -> list[dict[str, Any]]:
        """All images as they are for their users: without what differs from run to run."""
        passing = {"id", "creationTimestamp", "selfLink", "labelFingerprint", "sourceImageId"}
        images = without(passing, self.emulator.state()["images"])
        for image in images:
            image["policy"].pop("etag")
        return sorted(images, key=lambda image: (image["project"], image["name"]))


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.auth, "default", lambda **_: (Token(), None))


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, list[dict[str, Any]]]:
    """What a call's world looks like after a run without faults, by the call's name."""
    return {}


def background(call: Call) -> list[dict[str, Any]]:
    """Faults that belong to a call's world."""
    if call.world is not unseen:
        return []
    return [{"method": "compute.images.list", "action": {"kind": "stale", "reads": 1}}]


@contextmanager
def ended_by_others(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A copy that somebody else has begun is READY once asia has been opened, which is before eu is read again."""
    opening = Wire(lambda method, target, _: method.endswith("setIamPolicy") and target.endswith("-asia"))
    settle = partial(world.emulator.settle_image, "p1", "web-1-eu")
    with happening(monkeypatch, opening, event=settle) if world.call.world is pending else nullcontext():
        yield


class TestTheTable:
    def test_is_total(self) -> None:
        missing = [(kind, guard) for kind in Class for guard in Guard if guard not in GRID.get(kind, {})]
        assert not missing

    def test_every_exception_is_about_a_cell(self) -> None:
        cells = {(cell.call.name, fault) for cell in CELLS for fault in (cell.fault.name, "*")}
        assert not set(EXCEPTIONS) - cells
        assert all(exception.why for exception in EXCEPTIONS.values())


@pytest.mark.parametrize("often", OFTEN)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(
    cell: Cell,
    often: str,
    emulator: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, list[dict[str, Any]]],
    record_property: Any,
) -> None:
    call, fault, times = cell.call, cell.fault, OFTEN[often]
    if call.name not in undisturbed:
        (tmp_path / "calm").mkdir()
        calm = World(emulator, tmp_path / "calm", call)
        emulator.faults(background(call))
        with ended_by_others(calm, monkeypatch):
            assert calm.run().replicas["eu"]["outcome"] == call.outcome
        undisturbed[call.name] = calm.state()

    world = World(emulator, tmp_path, call)
    where = {"method": call.method, "match": call.target, "skip": call.skip, "times": times}
    ordered = [{"id": "it", **where, "action": fault.action}] if fault.action else []
    emulator.faults([*ordered, *background(call)])
    wire = Wire(call.is_for, skip=call.skip, times=times)
    required = {"required_locations": "eu"} if times is None else {}
    with happening(monkeypatch, wire, fault.wire), ended_by_others(world, monkeypatch):
        done = world.run(**required)
    met = emulator.faults()[0]["fired"] if ordered else wire.met
    check_end(cell, done, times, required=bool(required))
    check_tries(cell, done, met, times)
    check_requests(cell, world.journal(), met)

    heal(world, cell)
    again = world.run(**({"replace_failed": "true"} if fault.leaves_failed else {}))
    assert again.result == "complete", again.log
    before = len(world.action.mutations())
    assert world.run().result == "complete"
    assert len(world.action.mutations()) == before, "a run that has nothing to do changed something"
    if not fault.leaves_failed:
        differs = {"sourceImage"} if cell.treatment.elsewhere else set()
        assert without(differs, world.state()) == without(differs, undisturbed[call.name])
    assert emulator.image("p1", "web-1") == world.source
    record_property("counted", ("conformance cells", 1))


def without(keys: set[str], images: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Images but for what is of no account."""
    return [{key: value for key, value in image.items() if key not in keys} for image in images]


def compact(body: object) -> str:
    """A body as faults see it."""
    return "" if body is None else json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def heal(world: World, cell: Cell) -> None:
    """The trouble is over: no faults any more, nobody hangs, and what never ended has ended."""
    world.emulator.faults([])
    world.emulator.run(world.emulator.app.free)
    image = world.emulator.image("p1", "web-1-eu")
    if cell.fault.kind is Class.OPERATION_STUCK and image and image["status"] == "PENDING":
        world.emulator.settle_image("p1", "web-1-eu")


def check_end(cell: Cell, done: Finished, times: int | None, *, required: bool) -> None:
    """Outcome, result, exit code, and the reason wherever people look for it."""
    stage, reason = cell.call.stage, cell.reason(times)
    if not reason:
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        assert done.column("outcome") == {
            "us": done.replicas["us"]["outcome"],
            "eu": cell.call.outcome,
            "asia": "created",
        }
        assert all(row["promoted"] for row in done.replicas.values())
        return
    if stage is Stage.RUN or (stage is Stage.LOOK_UP and reason in {"unreachable", "deadline"}):
        assert (done.exit_code, done.result, done.replicas) == (3, "failed", {}), done.log
        assert done.outputs["reason"]
        return
    everywhere = stage is Stage.LOOK_UP
    set_up = reason in SET_UP or cell.fault.of_setup
    wanted = 3 if everywhere and set_up else int(required)
    assert (done.exit_code, done.result) == (wanted, "failed" if wanted or everywhere else "partial"), done.log
    for location in ("eu", "asia") if everywhere else ("eu",):
        row = done.replicas[location]
        assert (row["outcome"], row["reason"]) == ("interrupted" if reason == "deadline" else "failed", reason), (
            done.log
        )
        assert stage is Stage.EXAMINATION or row["promoted"] is False
        assert location not in done.images
        assert location in done.outputs["failed_locations"]
        level, _, message = next(
            item for item in done.annotations if location in item[1].replace("%2C", ",").split(", ")
        )
        assert level == ("error" if required and location == "eu" else "warning")
        assert row["message"][:60] in message
    if not everywhere:
        asia = done.replicas["asia"]
        held = required and stage in {Stage.REPLICA, Stage.EXAMINATION}
        assert (asia["outcome"], asia["reason"]) == ("created", "required_failed" if held else ""), done.log


def check_tries(cell: Cell, done: Finished, met: int, times: int | None) -> None:
    """How often the call was made, and how long the run waited in between."""
    fault, treatment = cell.fault, cell.treatment
    if treatment.harmless:
        assert met >= 1
        return
    if not cell.reason(times):
        assert met == times, done.log
        assert done.seconds >= (0 if treatment.elsewhere else met * fault.waits)
        return
    low, high = tries_for_ever(cell)
    most = high if times is None else times
    assert min(low, most) <= met <= most, done.log
    assert done.seconds <= DEADLINE + 120


def tries_for_ever(cell: Cell) -> tuple[int, int]:
    """How often a call is made, at least and at most, where the fault is never over."""
    low, high = cell.treatment.tries
    stage, fault = cell.call.stage, cell.fault
    if not high:
        time = EXAMINATION if stage is Stage.EXAMINATION else DEADLINE
        return int(time / (fault.longest * JITTER)), int(time / fault.waits) + LAST_TRIES
    hurried = stage in {Stage.RUN, Stage.LOOK_UP, Stage.EXAMINATION}
    return (5, 7) if hurried and cell.treatment.for_ever == "unreachable" else (low, high)


def check_requests(cell: Cell, journal: list[dict[str, Any]], met: int) -> None:
    """What arrived: the same request again, or a new one; done at most once; the source never a target."""
    mine = [entry for entry in journal if cell.call.is_for(entry["method"], entry["target"], compact(entry["body"]))]
    if cell.call.guard is Guard.REQUEST_ID and met > 1:
        ids = {entry["query"]["requestId"] for entry in mine if entry["fault"] == "it"}
        wanted = 1 if cell.treatment.same_request else met
        assert len(ids) == (wanted if cell.fault.action else 0)
    if cell.call.guard is not Guard.READ:
        commits = sum(entry["committed"] for entry in mine)
        assert commits <= (1 if cell.treatment.same_request else met + 1), [e["query"] for e in mine]
    assert not [e for e in journal if e["method"].rpartition(".")[2] in MUTATING and e["target"].endswith("/web-1")]
