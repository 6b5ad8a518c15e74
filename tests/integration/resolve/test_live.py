"""`resolve` against an emulator: one call where all is right; what is wrong is passed over, or ends the run, as said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
from replicator.index import image_index
from testkit import client
from testkit.resolve import resolving
from testkit.resolve.resolving import Told
from testkit.virtual import JointLoop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emulator.testing import Running

#: For europe-west9: tier 1, then tier 2, then tier 3.
THERE = ("eu", "europe-west4", "us")
PLACE = "europe-west9"
FAMILY = "projects/p1/global/images/family/web"
NEXT = "https://www.googleapis.com/compute/v1/projects/p1/global/images/web-2"


def told_of(emulator: Running, index: Path, **given: str) -> Told:
    return Told(emulator, index=str(index), **{"region": PLACE, **given})


@pytest.fixture
def index(emulator: Running, tmp_path: Path) -> Path:
    return resolving.write(resolving.published(emulator, THERE), tmp_path)


def test_one_call_where_all_is_right(emulator: Running, index: Path) -> None:
    told = told_of(emulator, index)
    assert (told.exit_code, told.calls) == (0, ["get"])
    assert (told.document["location"], told.document["verified"], told.passed_over) == ("eu", True, {})
    assert told.document["reason"] == f"eu holds {PLACE}"
    assert told.log == f"eu holds {PLACE}; the image was read and is right.\n"


def source_id(emulator: Running) -> str:
    source = emulator.image("p1", "web-1")
    assert source
    return str(source["id"])


def gone(emulator: Running, location: str) -> None:
    emulator.delete_image("p1", f"web-1-{location}")


def impostor(emulator: Running, location: str) -> None:
    """Another copy of the same source, under the same name."""
    gone(emulator, location)
    made: Any = {"source_image": resolving.URI, "source_image_id": source_id(emulator), "created": 86400.0}
    emulator.add_image(project="p1", name=f"web-1-{location}", location=location, public=True, **made)


def marked(state: str) -> Callable[[Running, str], None]:
    def spoil(emulator: Running, location: str) -> None:
        path = f"{client.ROOT}/images/web-1-{location}/deprecate"
        body = {"state": state, "replacement": NEXT}
        assert client.Client(emulator).send("POST", path, body).status == 200

    return spoil


def settled(status: Any) -> Callable[[Running, str], str]:
    """The image that the index means, but in another state; its id is returned."""

    def spoil(emulator: Running, location: str) -> str:
        gone(emulator, location)
        made: Any = {"location": location, "source_image": resolving.URI, "source_image_id": source_id(emulator)}
        return str(emulator.add_image(project="p1", name=f"web-1-{location}", status=status, **made)["id"])

    return spoil


#: Spoiling → what is done to a replica, and why it is passed over.
SPOILINGS: dict[str, tuple[Callable[[Running, str], str | None], str]] = {
    "gone": (gone, "it does not exist"),
    "impostor": (impostor, "another image has its name now, made 1970-01-02 00:00 UTC"),
    "OBSOLETE": (
        marked("OBSOLETE"),
        f"it is marked OBSOLETE, and {NEXT} is named in its place",
    ),
    "DELETED": (marked("DELETED"), f"it is marked DELETED, and {NEXT} is named in its place"),
    "DEPRECATED": (
        marked("DEPRECATED"),
        f"it is marked DEPRECATED, and {NEXT} is named in its place",
    ),
    "PENDING": (settled("PENDING"), "it is PENDING"),
    "FAILED": (settled("FAILED"), "it is FAILED"),
}
#: (replicas that are spoiled, fallback) → the location that is chosen; nothing: none is.
CHOSEN = {
    (1, "none"): "",
    (1, "continent"): "europe-west4",
    (1, "nearest"): "europe-west4",
    (2, "none"): "",
    (2, "continent"): "",
    (2, "nearest"): "us",
    (3, "nearest"): "",
}
TIERS = {"none": 1, "continent": 2, "nearest": 3}


@pytest.mark.parametrize("name", SPOILINGS)
@pytest.mark.parametrize(("count", "fallback"), CHOSEN)
def test_what_is_not_right_is_passed_over(emulator: Running, index: Path, name: str, count: int, fallback: str) -> None:
    spoil, why = SPOILINGS[name]
    document = json.loads(index.read_bytes())
    for location in THERE[:count]:
        if number := spoil(emulator, location):
            document["images"][0]["locations"][location]["id"] = number
    index.write_bytes(image_index.to_bytes(document))
    told = told_of(emulator, index, fallback=fallback, deprecated="skip")
    asked = THERE[: TIERS[fallback]]
    chosen, passed = CHOSEN[count, fallback], asked[:count]
    assert told.document["location"] == chosen
    assert told.passed_over == dict.fromkeys(passed, why)
    assert told.calls == ["get"] * (len(passed) + bool(chosen))
    for location in passed:
        assert f"projects/p1/global/images/web-1-{location} was passed over: {why}." in told.log
    if chosen:
        assert (told.exit_code, told.document["result"]) == (0, "resolved")
        assert "there is no usable replica nearer" in told.document["reason"]
    else:
        assert (told.exit_code, told.document["result"]) == (1, "passed_over_all")
        assert told.document["image"] == ""
        told_why = f"No image that could serve {PLACE} is right"
        others = "" if fallback == "nearest" else f", and fallback: {fallback} allows no other"
        assert told.document["reason"].startswith(f"{told_why}{others}: eu: projects/p1/global/images/web-1-eu: {why}")


@pytest.mark.parametrize(("deprecated", "warned"), [("warn", True), ("allow", False)])
def test_a_deprecated_one_is_used_with_a_warning(
    emulator: Running, index: Path, deprecated: str, *, warned: bool
) -> None:
    marked("DEPRECATED")(emulator, "eu")
    told = told_of(emulator, index, deprecated=deprecated)
    assert (told.exit_code, told.document["location"], told.calls) == (0, "eu", ["get"])
    assert (told.document["deprecated"], told.document["replacement"]) == (
        "DEPRECATED",
        NEXT,
    )
    assert ("warning: Held back: " in told.log) is warned


@pytest.mark.parametrize("field", ["source_image_id", "architecture"])
def test_an_index_that_lies_about_an_image_is_not_believed(emulator: Running, index: Path, field: str) -> None:
    document = json.loads(index.read_bytes())
    entry = document["images"][0]
    if field == "architecture":
        entry["architecture"] = "ARM64"
    else:
        entry["locations"]["eu"]["source_image_id"] = "1"
    index.write_bytes(image_index.to_bytes(document))
    told = told_of(emulator, index, fallback="none")
    assert (told.exit_code, told.document["result"]) == (1, "passed_over_all")
    says = "its architecture is X86_64, not ARM64" if field == "architecture" else "it is a copy of another image"
    assert says in told.passed_over["eu"]


def fault(code: int, reason: str, message: str, times: int | None = None) -> dict[str, Any]:
    action = {"kind": "http", "code": code, "reason": reason, "message": message}
    return {"method": "compute.images.get", "times": times, "action": action}


FORBIDDEN = "Required 'compute.images.get' permission for 'projects/p1/global/images/web-1-eu'"


@pytest.mark.parametrize(
    ("answer", "code", "result", "says"),
    [
        (fault(403, "forbidden", FORBIDDEN), 3, "error", "Grant this step's identity compute.images.get"),
        (fault(403, "accessNotConfigured", "off"), 3, "error", "gcloud services enable compute.googleapis.com"),
        (fault(404, "notFound", "The resource 'projects/p1' was not found"), 3, "error", "project"),
        (fault(503, "backendError", "busy"), 4, "unreachable", "with an index, offline asks nobody"),
        (fault(500, "internalError", "oops"), 4, "unreachable", "offline asks nobody"),
        (fault(429, "rateLimitExceeded", "slow down"), 4, "unreachable", "seconds of a look-up"),
    ],
)
def test_what_cannot_be_read_ends_the_run(
    emulator: Running, index: Path, answer: dict[str, Any], code: int, result: str, says: str
) -> None:
    """Another location's answer would come from the same API."""
    emulator.faults([answer])
    told = told_of(emulator, index)
    assert (told.exit_code, told.document["result"], told.document["image"]) == (code, result, ""), told.log
    assert says.lower() in told.log.lower()
    assert told.passed_over == {}


def test_a_passing_fault_is_waited_for(emulator: Running, index: Path) -> None:
    emulator.faults([fault(503, "backendError", "busy", times=3)])
    told = told_of(emulator, index)
    assert (told.exit_code, told.document["location"], told.calls) == (0, "eu", ["get"] * 4)


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("compute.images.get", {"index": "image-index.json"}),
        ("compute.images.getFromFamily", {"family": FAMILY}),
        ("compute.images.list", {"family": FAMILY}),
    ],
)
def test_an_endless_answer_ends_within_the_bound(tmp_path: Path, method: str, given: dict[str, str]) -> None:
    """No time passes but that of the emulator, which waits for ever."""
    with running(driven=True) as emulator:
        path = resolving.write(resolving.published(emulator, THERE), tmp_path)
        given = {"region": PLACE, **given, **({"index": str(path)} if "index" in given else {})}
        emulator.faults([{"method": method, "times": None, "action": {"kind": "hang"}}])
        loops: list[JointLoop] = []

        def loop() -> JointLoop:
            loops.append(JointLoop(emulator))
            return loops[0]

        told = Told(emulator, loop, **given)
        emulator.faults([])
    assert (told.exit_code, told.document["result"], told.document["image"]) == (4, "unreachable", "")
    assert "Compute Engine gave no whole answer in the 120 seconds of a look-up" in told.log
    assert loops[0].now - 1000 == pytest.approx(120)
    assert told.calls[-1] == method.rpartition(".")[2]


def test_nothing_is_asked_where_nothing_is_near_enough(emulator: Running, index: Path) -> None:
    told = told_of(emulator, index, region="me-west1", fallback="continent")
    assert (told.exit_code, told.document["result"], told.calls) == (1, "no_replica", [])
