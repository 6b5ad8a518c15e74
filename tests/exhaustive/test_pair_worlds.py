"""The rules in worlds that differ in pairs, each thing once and with nothing by chance; the swarm draws them mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.testing import Running, running
from testkit.pairs import oracle
from testkit.pairs.case import is_change
from testkit.pairs.events import Event
from testkit.pairs.run import carried_out
from testkit.pairs.worlds import EACH, EXISTING, HEADS, LOCATIONS, OTHER, POLICIES, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from testkit.pairs.run import Done

AWAY = LOCATIONS[1:]
KINDS = list(EXISTING)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """One for all: each world begins with nothing."""
    with running(copy_seconds=0.005, wait_seconds=0.05) as emulator:
        yield emulator


def judged(emulator: Running, folder: Path, world: World, happens: Sequence[Event] = ()) -> Done:
    """Two runs, by the rules, and a third that changes nothing."""
    first = carried_out(emulator, folder, world, happens)
    again = carried_out(emulator, folder, world, build=False)
    for done in (first, again):
        assert (oracle.broken(done.case), done.wrong()) == ([], []), done.finished.log
    third = carried_out(emulator, folder, world, build=False)
    assert not [call for call in third.case.calls if is_change(call)]
    return first


@pytest.mark.parametrize("project", ["", EACH])
@pytest.mark.parametrize(("architecture", "replace_failed"), [("X86_64", True), ("ARM64", False), ("ARM64", True)])
@pytest.mark.parametrize("number", range(0, len(KINDS), 4))
def test_whatever_stands_there(
    emulator: Running, tmp_path: Path, number: int, architecture: str, replace_failed: bool, project: str
) -> None:
    """Each kind of image under a replica's name, four at a time, each in another location for each architecture."""
    kinds = KINDS[number : number + 4]
    at = AWAY if architecture == "X86_64" else (*AWAY[2:], *AWAY[:2])
    world = World(
        locations=LOCATIONS,
        architecture=architecture,
        existing=dict(zip(at, kinds, strict=False)),
        project=project,
        replace_failed=replace_failed,
        policy="condition",
        labels="tier=middle",
    )
    judged(emulator, tmp_path, world)


@pytest.mark.parametrize("where", LOCATIONS)
@pytest.mark.parametrize("kind", ["a licence lacking", "a copy of one gone", "failed", "pending, smaller"])
def test_one_required_location_holds_all_families(emulator: Running, tmp_path: Path, where: str, kind: str) -> None:
    world = World(locations=LOCATIONS, required=(where,), existing={where: kind}, home_copy="true")
    done = judged(emulator, tmp_path, world)
    assert done.finished.exit_code == 1
    assert not [call for call in done.case.calls if call["method"].endswith(".patch")]


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
@pytest.mark.parametrize("existing", [{}, dict.fromkeys(AWAY, "right")])
@pytest.mark.parametrize("first", [0, 2, 4])
def test_whatever_leads_the_families(
    emulator: Running, tmp_path: Path, first: int, existing: dict[str, str], architecture: str
) -> None:
    heads = dict(zip(AWAY, [*HEADS, *HEADS][first:], strict=False))
    judged(emulator, tmp_path, World(locations=LOCATIONS, existing=existing, heads=heads, architecture=architecture))


@pytest.mark.parametrize("template", ["{family}", "stable"])
@pytest.mark.parametrize("project", ["", OTHER])
@pytest.mark.parametrize("locations", [("asia", "eu", "us-west1"), ("us-west1", "us", "eu"), ("eu", "asia", "us")])
@pytest.mark.parametrize("existing", [{}, {"eu": "pending"}, {"asia": "right", "us": "a label's value"}])
def test_several_carry_one_family(
    emulator: Running, tmp_path: Path, template: str, project: str, locations: tuple[str, ...], existing: dict[str, str]
) -> None:
    judged(emulator, tmp_path, World(locations=locations, template=template, project=project, existing=existing))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("access", "times"), [("source", 2), ("public", 1), ("private", 3)])
def test_what_others_grant_and_label_meanwhile_stays(
    emulator: Running, tmp_path: Path, policy: str, access: str, times: int
) -> None:
    """Fingerprints and etags are stale once, twice and three times, in one of two locations."""
    existing = {"eu": "their readers", "asia": "a label's value", "us-west1": "a label lacking"}
    happens = [
        Event(what="granted", location="eu", before="setIamPolicy", times=times),
        Event(what="granted", location="europe-west1", before="setIamPolicy", times=times),
        Event(what="relabelled", location="asia", before="setLabels", times=times),
    ]
    world = World(locations=LOCATIONS, existing=existing, policy=policy, access=access)
    assert judged(emulator, tmp_path, world, happens).finished.result == "complete"


@pytest.mark.parametrize("what", ["replaced", "deleted", "relabelled", "described", "given a family", "granted"])
@pytest.mark.parametrize("kind", ["failed", "pending", "a label's value", ""])
@pytest.mark.parametrize("before", ["get", "setLabels"])
def test_what_others_do_in_each_state(emulator: Running, tmp_path: Path, what: str, kind: str, before: str) -> None:
    happens = [Event(what=what, location=at, before=before) for at in ("asia", "us-west1")]
    existing = dict.fromkeys(("eu", "asia"), kind) if kind else {}
    judged(emulator, tmp_path, World(locations=LOCATIONS, existing=existing, replace_failed=True), happens)


@pytest.mark.parametrize("template", ["{family}-{location}", "{family}", "stable"])
@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_a_withdrawn_source_moves_no_family(
    emulator: Running, tmp_path: Path, template: str, architecture: str
) -> None:
    """Not for what is made, nor for what is repaired, or was there already."""
    existing = {"eu": "right", "asia": "a label's value", "us-west1": "pending"}
    world = World(locations=LOCATIONS, existing=existing, template=template, architecture=architecture, withdrawn=True)
    done = judged(emulator, tmp_path, world)
    assert not [call for call in done.case.calls if "family" in (call["body"] or {})]


@pytest.mark.parametrize("kind", ["pending, smaller", "pending, other architecture", "a licence lacking", "failed"])
@pytest.mark.parametrize("copies", ["1", "2"])
def test_only_what_is_verified_is_copied_on(emulator: Running, tmp_path: Path, kind: str, copies: str) -> None:
    existing = {"asia": kind, "eu": kind}
    judged(emulator, tmp_path, World(locations=LOCATIONS, existing=existing, copies_per_source=copies))


@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize("what", ["replaced", "deleted", "relabelled", "obsolete"])
def test_what_others_do_to_the_source(emulator: Running, tmp_path: Path, what: str, skip: int) -> None:
    """Before the first copy, the second and the third: a copy of what stands there now is no copy of the source."""
    world = World(locations=LOCATIONS, existing={"asia": "a label's value"})
    happens = [Event(what=what, location="source", before="insert", skip=skip)]
    done = carried_out(emulator, tmp_path, world, happens)
    assert (oracle.broken(done.case), done.wrong()) == ([], []), done.finished.log
