from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.compute.refusals import Refusal
from replicator.core.replicas import Action as Doing
from replicator.core.replicas import Held, Plan, Step
from replicator.replicas import families
from replicator.replicas import work as promote
from replicator.replicas.work import Work
from testkit.action import Action
from testkit.conformance.events import replaced
from testkit.faults import meanwhile
from testkit.make import copy, image, replica

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from emulator.testing import Running
    from replicator.core.images import Image

AGES = st.integers(0, 6)


def plan(source: Image, lead: str = "") -> Plan:
    leads = {("p1", "web-eu"): lead} if lead else {}
    return Plan(source=source, source_policy=None, readers=(), steps=(), leads=leads, promote=True)


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
def test_never_backwards(ours: int, source: int, head: int | None, origin: int | None, expected: Held | None) -> None:
    found = families.held(
        plan(image(age=source)),
        replica(),
        copy(age=ours),
        head=None if head is None else copy(id="8", age=head),
        head_source=None if origin is None else image(id="9", age=origin),
        lead=None,
    )
    assert found is expected


def test_the_head_itself() -> None:
    ours = copy(age=5)
    assert families.held(plan(image(age=1)), replica(), ours, head=ours, head_source=image(age=3), lead=None) is None


@pytest.mark.parametrize(("ours", "lead", "held"), [(3, 4, False), (4, 4, True), (5, 4, True), (3, None, True)])
def test_never_away_from_the_lead(ours: int, lead: int | None, held: bool) -> None:
    found = families.held(
        plan(image(), lead="us"),
        replica(),
        copy(age=ours),
        head=None,
        head_source=None,
        lead=None if lead is None else copy("us", id="7", age=lead),
    )
    assert found is (Held.WOULD_TAKE_FAMILY if held else None)


def test_the_lead_needs_no_lead() -> None:
    assert families.held(plan(image(), "eu"), replica(), copy(), head=None, head_source=None, lead=None) is None


@given(ours=AGES, source=AGES, head=AGES, origin=AGES)
def test_whoever_becomes_head_is_of_no_older_source(ours: int, source: int, head: int, origin: int) -> None:
    mine, theirs = copy(age=ours), copy(id="8", age=head)
    first = image(id="9", age=origin)
    held = families.held(plan(image(age=source)), replica(), mine, head=theirs, head_source=first, lead=None)
    family = [theirs] if held else [theirs, mine]
    youngest = max(family, key=lambda member: member.created)
    if youngest is mine:
        assert source >= origin


@pytest.mark.parametrize(
    ("doing", "verified", "found", "wanted"),
    [
        (Doing.COPY, True, copy(family=""), True),
        (Doing.COPY, True, copy(family="other"), True),
        (Doing.COPY, True, copy(), False),
        (Doing.COPY, False, copy(family=""), False),
        (Doing.COPY, True, None, False),
        (Doing.SERVE, True, copy(family=""), False),
    ],
    ids=["without", "another", "has it", "not verified", "no image", "the source itself"],
)
def test_who_is_still_to_be_promoted(doing: Doing, verified: bool, found: Image | None, wanted: bool) -> None:
    work = Work(step=Step(replica=replica(), action=doing), began=0, image=found, verified=verified)
    assert promote.wants_family(work) is wanted


def fault(method: str, where: str, times: int | None = 1, code: int = 503) -> dict[str, Any]:
    answer = {"kind": "http", "code": code, "reason": "backendError", "message": "Oops."}
    return {"method": f"compute.images.{method}", "match": where, "times": times, "action": answer}


def test_what_is_told_of_a_family(action: Action) -> None:
    """What is done when it has to be repeated, and that it was done."""
    action.emulator.faults([fault("getFromFamily", "web-eu"), fault("patch", "web-1-asia")])
    done = action(required_locations="all")
    assert done.column("promoted") == {"us": True, "eu": True, "asia": True}
    for told in (
        "eu: Reading the head of the family web-eu: Oops. Next try in",
        "asia: Moving the family web-asia to projects/p1/global/images/web-1-asia: Oops. Next try in",
        "eu: carries the family web-eu\n",
        "asia: carries the family web-asia\n",
    ):
        assert told in done.log


def test_what_was_being_done_when_it_was_refused(action: Action) -> None:
    action.emulator.faults([fault("getFromFamily", "web-eu", None, 400), fault("patch", "web-1-asia", None, 400)])
    rows = action().replicas
    for place in ("eu", "asia"):
        assert f"Promoting projects/p1/global/images/web-1-{place} was refused: Oops." in rows[place]["message"]


def test_what_is_told_of_a_family_that_is_newer(emulator: Running, tmp_path: Path) -> None:
    action = Action(emulator, tmp_path)
    for name in ("web-10", "web-11"):
        emulator.add_image(project="p1", name=name, family="web", public=True)
    older = {"source_image": "projects/p1/global/images/web-10", "locations": "eu"}
    newer = {"source_image": "projects/p1/global/images/web-11", "locations": "eu"}
    assert action(**newer).column("promoted") == {"eu": True}
    late = action(**older)
    assert late.column("promoted") == {"eu": False}
    assert "eu: left without the family web-eu (family_is_newer)\n" in late.log


def test_a_family_that_goes_on_to_resolve_to_another_is_noted(emulator: Running, tmp_path: Path) -> None:
    action = Action(emulator, tmp_path)
    for name in ("web-10", "web-11"):
        emulator.add_image(project="p1", name=name, family="web", public=True)
    newer = {"source_image": "projects/p1/global/images/web-11", "locations": "eu"}
    action(**newer, promote="false")
    action(source_image="projects/p1/global/images/web-10", locations="eu")
    assert action(**newer).replicas["eu"]["message"] == (
        "It carries the family web-eu, which still resolves to projects/p1/global/images/web-10-eu, because that is "
        "younger; to change that: `gcloud compute images deprecate web-10-eu --project p1 --state DEPRECATED`."
    )


@pytest.mark.parametrize(
    ("location", "verified", "found", "leads"),
    [
        ("us", True, copy("us", family="web-eu"), True),
        ("us", True, copy("us", family=""), False),
        ("us", True, None, False),
        ("us", False, copy("us", family="web-eu"), False),
        ("asia", True, copy("asia", family="web-eu"), False),
    ],
    ids=["carries it", "does not yet", "no image", "not verified", "is not where it leads"],
)
def test_who_leads_a_shared_family(location: str, verified: bool, found: Image | None, leads: bool) -> None:
    step = Step(replica=replica(location, family="web-eu"), action=Doing.COPY)
    work = Work(step=step, began=0, image=found, verified=verified)
    session: Any = SimpleNamespace(plan=plan(image(), lead="us"), works=[work])
    assert families._lead(session, replica()) is (found if leads else None)


def unmade(name: str) -> dict[str, Any]:
    """A patch whose operation is said to be done at once, and that changes nothing."""
    link = "https://compute.googleapis.com/compute/v1/projects/p1/global/operations/operation-1"
    operation = {"name": "operation-1", "selfLink": link, "operationType": "patch", "status": "DONE", "progress": 100}
    answer = {"kind": "body", "when": "before", "status": 200, "text": json.dumps(operation)}
    return {"method": "compute.images.patch", "match": f"{name}$", "action": answer}


def stale(method: str, where: str, skip: int) -> dict[str, Any]:
    return {"method": f"compute.images.{method}", "match": where, "skip": skip, "action": {"kind": "stale", "reads": 1}}


@pytest.mark.parametrize("template", ["{family}-{location}", "{family}"])
def test_a_family_that_was_not_moved_after_all(action: Action, template: str) -> None:
    """Whatever an operation says: the image that is read back decides."""
    action.emulator.faults([unmade("web-1-eu")])
    done = action(family_template=template)
    assert done.column("outcome") | {"us": ""} == {"us": "", "eu": "failed", "asia": "created"}
    assert done.replicas["eu"]["reason"] == "drift"
    assert done.replicas["eu"]["message"] == (
        "projects/p1/global/images/web-1-eu does not carry its family: "
        f"family: wanted {template.format(family='web', location='eu')}, found nothing. Run this again."
    )
    assert action(family_template=template).result == "complete"


def test_an_image_that_shows_its_family_late_is_read_again(action: Action) -> None:
    action.emulator.faults([stale("get", "web-1-eu$", 1)])
    done = action(family_template="{family}")
    assert done.column("promoted") == {"us": True, "eu": True, "asia": True}
    assert len(action.calls("get", "web-1-eu")) == 3


def test_where_a_family_leads_its_head_tells_and_no_other_call_is_made(action: Action) -> None:
    action(family_template="{family}", locations="us, eu")
    assert len(action.calls("getFromFamily", "family/web")) == 2 + 1
    assert len(action.calls("get", "web-1-us")) == 1


def test_an_image_that_is_replaced_just_before_it_gets_its_family(
    action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Families move by name, so nothing can keep it from that one: people are told, and how to undo it."""
    meanwhile(monkeypatch, "patch", lambda _: replaced(action.emulator, "web-1-eu"))
    row = action().replicas["eu"]
    assert (row["outcome"], row["reason"]) == ("failed", "drift")
    assert row["message"] == (
        "projects/p1/global/images/web-1-eu was replaced by someone else during the run, and the family web-eu "
        "resolves to the new image. Unless that is intended: `gcloud compute images deprecate web-1-eu --project p1 "
        "--state DEPRECATED`; then run this again."
    )


@pytest.mark.parametrize("age", [0, -1], ids=["as old", "older"])
def test_a_head_that_is_not_younger_is_not_noted(emulator: Running, tmp_path: Path, age: int) -> None:
    """Who resolves a family to it now, resolves it to ours in a moment."""
    born = int(time.time())
    for name, copied, made, family in (("web-0", "web-0-eu", born + age, "web-eu"), ("web-1", "web-1-eu", born, "")):
        source = emulator.add_image(project="p1", name=name, family="web", public=True, created=made - 100)
        of = {"source_image": source["selfLink"], "source_image_id": source["id"], "public": True}
        emulator.add_image(project="p1", name=copied, family=family, location="eu", created=made, **of)
    emulator.faults([stale("getFromFamily", "web-eu", 1)])
    done = Action(emulator, tmp_path)(locations="us, eu")
    assert (done.column("promoted"), done.replicas["eu"]["message"]) == ({"us": True, "eu": True}, "")


NEWER = image("web-2", id="5", age=9)
BASE = image("debian", id="9", family="debian")
CHAINED = copy("asia", name="web-2-asia", id="6", source_image_id="5")
REFUSED = Refusal("compute.images.get", status=403)


@pytest.mark.parametrize(
    ("head", "older", "source"),
    [
        (image(), None, image()),
        (copy(id="8"), None, image()),
        (copy(id="8", source_image_id="5"), [NEWER, BASE], NEWER),
        (copy(id="8", source_image_id="6"), [CHAINED, NEWER, BASE], NEWER),
        (copy(id="8", source_image_id="2"), [copy("asia"), image(), BASE], image()),
        (copy(id="8", source_image_id="2"), [copy("asia"), REFUSED], image()),
        (copy(id="8", source_image_id="2"), [copy("asia", source_image_id="7"), image(), BASE], image()),
        (copy(id="8", source_image_id="6"), [image("x", id="6", family=""), BASE], image("x", id="6", family="")),
        (copy(id="8", source_image_id="6"), [image("x", project="p2", id="6", family="web-asia"), BASE],
         image("x", project="p2", id="6", family="web-asia")),
        (copy(id="8", source_image_id="6"), [CHAINED, REFUSED], CHAINED),
        (copy(id="8", source_image_id="6"), [REFUSED], copy(id="8", source_image_id="6")),
        (copy(id="8", source_image_id="6"), [], copy(id="8", source_image_id="6")),
    ],
    ids=[
        "the source", "a copy of it", "a copy of another", "a copy of a copy", "a copy of a copy of it", "the source can't be read",
        "a copy of a copy of a gone one", "a copy of an image without family", "of another project's",
        "no further to be read", "not to be read", "gone",
    ],
)  # fmt: skip
def test_the_source_of_a_heads_release(
    monkeypatch: pytest.MonkeyPatch, head: Image, older: list[Image | Refusal] | None, source: Image
) -> None:
    """What is read of the head's ancestors, None for nothing, → the image by whose age releases are told apart."""

    async def ancestors(_calls: object, of: Image) -> AsyncIterator[Image]:
        assert (of, older is None) == (head, False)
        for found in older or ():
            if isinstance(found, Refusal):
                raise found
            yield found

    monkeypatch.setattr("replicator.compute.lookup.ancestors", ancestors)
    steps = tuple(
        Step(replica=replica(location, **family), action=Doing.COPY)
        for location, family in (("us", {"family": "web"}), ("eu", {}), ("asia", {}), ("me-west1", {"family": ""}))
    )
    session: Any = SimpleNamespace(plan=replace(plan(image()), steps=steps), calls=None)
    assert asyncio.run(families._source_of(session, head)) == source
