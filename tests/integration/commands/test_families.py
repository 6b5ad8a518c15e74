from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from replicator.core.replicas import Action as Doing
from replicator.core.replicas import Step
from replicator.replicas import work as promote
from replicator.replicas.work import Work
from testkit.action import Action
from testkit.conformance.events import replaced
from testkit.faults import meanwhile
from testkit.make import copy, replica

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running
    from replicator.core.images import Image


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
    assert rows["eu"]["message"].startswith("Reading the head of the family web-eu was refused: Oops.")
    moving = "Moving the family web-asia to projects/p1/global/images/web-1-asia was refused: Oops."
    assert rows["asia"]["message"].startswith(moving)


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
