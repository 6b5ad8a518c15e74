"""`list` in worlds drawn at random, beside an oracle written from the specification; and every read failed in each way."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from emulator.testing import Running, running
from testkit.lifecycle import oracle
from testkit.lifecycle.listing import listed
from testkit.lifecycle.worlds import World, draw
from testkit.swarm import Swarm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SWARM = Swarm(6)
DAY = 86400.0


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """One for all: each world begins with nothing."""
    with running(copy_seconds=0.005, wait_seconds=0.05) as emulator:
        yield emulator


def judged(emulator: Running, world: World) -> None:
    world.put(emulator)
    found = listed(emulator, world.given)
    now = datetime.now(UTC)
    wanted = oracle.expected(world, emulator.state()["images"], now)
    assert found.exit_code == 0, found.log
    rows = found.rows
    assert {name: row["status"] for (line, name), row in rows.items() if not line} == wanted.lineless
    rows = {key: row for key, row in rows.items() if key[0]}
    assert {key: row["status"] for key, row in rows.items()} == {
        (each.line, each.root["name"]): each.status for each in wanted.releases
    }
    for each in wanted.releases:
        row = rows[each.line, each.root["name"]]
        assert row["version"] == each.version
        assert (row["hold"], row["critical"]) == (each.marked("hold"), each.marked("critical"))
        assert {image["id"] for image in row["images"]} == {image["id"] for image in each.members}
        assert {image["id"] for image in row["images"] if image["head"]} <= wanted.heads
        for image in row["images"]:
            assert image["head"] is (image["id"] in wanted.heads)
    assert found.document["default"] == wanted.default
    assert {each["id"] for each in found.document["strangers"]} == wanted.strangers
    lost = [each for each in found.document["releases"] if each["status"] == "sourceless"]
    assert {image["id"] for each in lost for image in each["images"]} == wanted.sourceless
    assert {entry["method"].rpartition(".")[2] for entry in emulator.journal()} <= {"list", "getFromFamily"}


@pytest.mark.parametrize("seed", range(200))
def test_the_oracle_agrees(emulator: Running, seed: int, record_property: Callable[[str, object], None]) -> None:
    record_property("counted", "lists beside the oracle")
    judged(emulator, draw(Random(seed), time.time()))


@SWARM
@given(seed=st.integers(0, 10**9))
def test_the_oracle_agrees_in_any_world(emulator: Running, seed: int) -> None:
    SWARM.note()
    note(f"draw(Random({seed}), …)")
    judged(emulator, draw(Random(seed), time.time()))


#: What may happen to one read. True: the answer must be as without, for it is asked again. A part that is missing without
#: a word is noticed only where a family that the rest carries, or the builds' own, resolves to it.
WAYS: dict[str, tuple[dict[str, Any], bool]] = {
    "503 once": ({"kind": "http", "code": 503, "reason": "backendError"}, True),
    "429 once": ({"kind": "http", "code": 429, "reason": "rateLimitExceeded"}, True),
    "cut off once": ({"kind": "drop", "when": "during", "how": "reset"}, True),
    "closed once": ({"kind": "drop"}, True),
    "a page of a proxy": ({"kind": "body", "status": 200, "text": "<html>"}, True),
    "an empty object": ({"kind": "body", "status": 200, "text": "{}"}, True),
    "a list": ({"kind": "body", "status": 200, "text": "[]"}, True),
    "a warning": ({"kind": "partial", "part": 0.5}, True),
    "a warning with all": ({"kind": "partial", "part": 1, "warning": "PARTIAL_SUCCESS"}, True),
    "403": ({"kind": "http", "code": 403, "reason": "forbidden"}, False),
    "404": ({"kind": "http", "code": 404, "reason": "notFound"}, False),
    "400": ({"kind": "http", "code": 400, "reason": "invalid"}, False),
    "nothing without a word": ({"kind": "partial", "part": 0, "warning": ""}, False),
}
#: The same, again and again.
FOR_EVER = ("503 once", "cut off once", "a page of a proxy", "an empty object", "a warning", "a warning with all")
OPTIONS = {"families": "web, web-arm64", "project_id": "p1", "replica_project": "acme-{location}", "locations": "us,eu"}


def small(emulator: Running) -> None:
    """Two lines, three projects; the newest of each project, by name, are heads."""
    images: list[dict[str, Any]] = []
    for line in ("web", "web-arm64"):
        for number in (1, 2):
            at, name = time.time() - (40 - 10 * number) * DAY, f"{line}-v{number}"
            images.append({"project": "p1", "name": name, "family": line, "created": at})
            images += [
                {
                    "project": f"acme-{place}",
                    "name": f"{name}-{place}",
                    "family": f"{line}-{place}",
                    "location": place,
                    "created": at + 60,
                    "source": ("p1", name),
                }
                for place in ("us", "eu")
            ]
    World(given={}, images=images).put(emulator)


@pytest.mark.parametrize(("way", "times"), [*((way, 1) for way in WAYS), *((way, None) for way in FOR_EVER)], ids=str)
@pytest.mark.parametrize("method", ["list", "getFromFamily"])
def test_every_read_failed_in_each_way(
    emulator: Running, method: str, way: str, times: int | None, record_property: Callable[[str, object], None]
) -> None:
    """Exit 3 with nothing listed, or the same as without."""
    small(emulator)
    usual = listed(emulator, OPTIONS)
    assert usual.exit_code == 0, usual.log
    reads = [entry["target"] for entry in emulator.journal() if entry["method"].endswith(f".{method}")]
    assert len(reads) == (3 if method == "list" else 6)
    action, repeated = WAYS[way]
    if action["kind"] == "partial" and method != "list":
        return
    record_property("counted", ("reads failed in each way", len(reads)))
    for target in reads:
        fault = {"method": f"compute.images.{method}", "match": f"{target}$", "times": times, "action": action}
        emulator.faults([fault])
        found = listed(emulator, OPTIONS)
        emulator.assert_faults_used()
        emulator.faults([])
        assert found.exit_code == (0 if repeated and times else 3), (target, found.log)
        assert found.document["releases"] == (usual.document["releases"] if found.exit_code == 0 else [])
        assert found.exit_code == 0 or "Traceback" not in found.log
        assert found.document["exit_code"] == found.exit_code
    assert not [entry for entry in emulator.journal() if entry["committed"]]


@pytest.mark.parametrize("method", ["list", "getFromFamily"])
@pytest.mark.parametrize("project", ["p1", "acme-us", "acme-eu"])
def test_a_stale_read_is_noticed_or_true_of_before(emulator: Running, method: str, project: str) -> None:
    """The newest head of a project's is what a stale answer lacks: its list and its family disagree then."""
    small(emulator)
    place = project.removeprefix("acme-").removeprefix("p1")
    name, family = "web-v3" + (f"-{place}" if place else ""), "web" + (f"-{place}" if place else "")
    emulator.add_image(project=project, name=name, family=family, location=place or "us")
    usual = listed(emulator, OPTIONS)
    match = f"projects/{project}/global/images" + ("$" if method == "list" else f"/family/{family}$")
    emulator.faults([{"method": f"compute.images.{method}", "match": match, "action": {"kind": "stale"}}])
    found = listed(emulator, OPTIONS)
    emulator.assert_faults_used()
    emulator.faults([])
    assert found.exit_code in {0, 3}
    if method == "list":
        assert found.exit_code == 3, found.log
    elif found.exit_code == 0:
        # The head of a moment before, of which the list knows, too.
        assert [row["version"] for row in found.document["releases"]] == [
            row["version"] for row in usual.document["releases"]
        ]
