"""A swarm: any settings, any faults anywhere, then none. The rules hold all the while, the second run heals, the third
one changes nothing.

`make soak MINUTES=10` runs it at length, with other seeds.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from emulator.testing import Running, running
from replicator.compute import client
from testkit.action import Action, Finished
from testkit.crash.stories import CONTENT, TOLD, of, release
from testkit.harness.records import read_annotations
from testkit.outputs import OUTPUTS
from testkit.swarm import Swarm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SWARM = Swarm(40)

LOCATIONS = ("us", "eu", "asia", "us-west1")
SOURCE, BYSTANDER = "web-1", "web-0"
READER = "roles/compute.imageUser"

METHODS = (
    *(f"compute.images.{verb}" for verb in ("get", "list", "getIamPolicy", "getFromFamily")),
    *(f"compute.images.{verb}" for verb in ("insert", "patch", "setLabels", "setIamPolicy", "delete")),
    "compute.globalOperations.wait",
)
ERRORS = (
    *((400, reason) for reason in ("invalid", "failedPrecondition", "resourceNotReady")),
    (401, "authError"),
    *((403, reason) for reason in ("forbidden", "rateLimitExceeded", "quotaExceeded", "accessNotConfigured")),
    *((404, "notFound"), (408, "timeout"), (409, "alreadyExists"), (412, "conditionNotMet"), (429, "tooMany")),
    *((500, "internalError"), (502, "badGateway"), (503, "backendError"), (504, "gatewayTimeout")),
)
OPERATION_ERRORS = (
    *(
        ("RESOURCE_OPERATION_RATE_EXCEEDED", 403),
        ("QUOTA_EXCEEDED", 403),
        ("CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", 403),
    ),
    *(("INTERNAL_ERROR", 500), ("SOME_ERROR", None)),
)
PAGES = ("<html>A proxy's page</html>", "{}", "[]", '{"error": {"code": 5', "")


def action(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"kind": st.just(kind), **fields})


WHEN = st.sampled_from(["before", "after"])
ACTIONS = st.one_of(
    st.builds(
        lambda error, when, after: {
            "kind": "http", "code": error[0], "reason": error[1], "message": "No.", "when": when,
            "headers": {"Retry-After": str(after)} if after else {},
        },
        st.sampled_from(ERRORS), WHEN, st.sampled_from([0, 0, 7, 200]),
    ),
    action("drop", when=st.sampled_from(["before", "after", "during"]), how=st.sampled_from(["close", "reset"])),
    action("body", when=WHEN, status=st.sampled_from([200, 404, 502]), text=st.sampled_from(PAGES)),
    action("delay", seconds=st.sampled_from([0.01, 0.05])),
    action("stale", reads=st.integers(1, 3)),
    action("operation", state=st.sampled_from(["stuck", "gone"])),
    st.builds(
        lambda error, leaves: {
            "kind": "operation", "code": error[0], "message": "No.", "http_status": error[1], "leaves": leaves,
        },
        st.sampled_from(OPERATION_ERRORS), st.sampled_from(["nothing", "failed", "ready"]),
    ),
    action("hang"),
)  # fmt: skip


@st.composite
def faults(draw: st.DrawFn) -> dict[str, Any]:
    does = draw(ACTIONS)
    often = [1] if does["kind"] in {"hang", "delay"} else [1, 1, 2, 5, None]
    return {
        "method": draw(st.sampled_from(METHODS)),
        "match": draw(st.sampled_from(["", "", *LOCATIONS])),
        "skip": draw(st.sampled_from([0, 0, 1, 2])),
        "times": draw(st.sampled_from(often)),
        "action": does,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is asked for, what stands there already (location → which), and what goes wrong."""

    inputs: Mapping[str, str]
    existing: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()
    stuck_become: str = "READY"
    """What becomes of copies that the first run left stuck."""

    @property
    def required(self) -> set[str]:
        said = self.inputs["required_locations"]
        return {*LOCATIONS} if said == "all" else {*said.split(",")} - {""}


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    locations = draw(st.lists(st.sampled_from(LOCATIONS), min_size=1, unique=True))
    required = draw(st.one_of(st.just(["all"]), st.lists(st.sampled_from(locations), unique=True)))
    project = draw(st.sampled_from(["", "", "acme", "acme-{location}"]))
    kinds = st.sampled_from(["spoilt", "failed", "right"])
    return Trial(
        inputs={
            "source_image": f"projects/p1/global/images/{SOURCE}",
            "locations": ",".join(locations),
            "required_locations": ",".join(required),
            "replica_project": project,
            "family_template": draw(st.sampled_from(["", "", "{family}"])),
            "home_copy": draw(st.sampled_from(["auto", "true"])),
            "access": draw(st.sampled_from(["source", "public", "private"])),
            "promote": draw(st.sampled_from(["true", "true", "false"])),
            "replace_failed": draw(st.sampled_from(["true", "false"])),
            "copies_per_source": draw(st.sampled_from(["", "", "1", "2"])),
            "labels": draw(st.sampled_from(["", "release=1"])),
            "timeout_minutes": draw(st.sampled_from(["2", "15"])),
        },
        existing={} if project else draw(st.dictionaries(st.sampled_from(LOCATIONS[1:]), kinds, max_size=2)),
        faults=tuple(draw(st.lists(faults(), min_size=1, max_size=6))),
        stuck_become=draw(st.sampled_from(["READY", "FAILED"])),
    )


def begin(emulator: Running, trial: Trial) -> None:
    emulator.reset()
    for name in (BYSTANDER, SOURCE):
        release(emulator, name)
    how: dict[str, dict[str, Any]] = {
        "spoilt": {"labels": {"mine": "kept"}, "description": "Old", "public": False},
        "failed": {"status": "FAILED"},
        "right": {"family": None},
    }
    for location, kind in trial.existing.items():
        named = {"project": "p1", "name": f"{SOURCE}-{location}", "location": location}
        emulator.add_image(**{**named, **CONTENT, **TOLD, **of(emulator, SOURCE), **how[kind]})


def heal(emulator: Running, trial: Trial) -> None:
    """No more faults; what got stuck comes to an end, as the service sees to some day."""
    emulator.faults([])
    state = emulator.compute.state
    stuck = [(image.project, image.name) for image in state.images(None, 0.0) if math.isinf(image.settles)]
    for project, name in stuck:
        emulator.settle_image(project, name, trial.stuck_become)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.02, wait_seconds=0.02) as emulator, pytest.MonkeyPatch.context() as patch:
        # Time jumps while nobody is asked, but an answer that never comes takes as long as the client waits for it.
        patch.setattr(client.Compute._request, "__defaults__", (1.0,))
        patch.setattr(client.Compute._send, "__defaults__", (1.0,))
        patch.setattr("replicator.compute.client._WAIT_SECONDS", 1.5)
        yield emulator


@SWARM
@given(trial=trials())
def test_the_second_run_heals_and_the_third_changes_nothing(emulator: Running, trial: Trial) -> None:
    SWARM.note()
    begin(emulator, trial)
    untouched = {name: standing(emulator, name) for name in (BYSTANDER, SOURCE)}
    emulator.faults(trial.faults)
    with tempfile.TemporaryDirectory() as folder:
        act = Action(emulator, Path(folder))
        runs = []
        for number in range(3):
            if number == 1:
                heal(emulator, trial)
            seen = len(emulator.journal())
            done = act(**trial.inputs)
            journal = emulator.journal()[seen:]
            note(f"run {number + 1}: {done.exit_code} {done.outputs['reason']}")
            rules_hold(trial, emulator, done, journal)
            assert {name: standing(emulator, name) for name in untouched} == untouched
            runs.append((done, journal))
    (_, _), (second, _), (third, third_journal) = runs
    assert_healed(trial, emulator, second)
    assert not [entry for entry in third_journal if mutating(entry)]
    assert (third.exit_code, third.result, third.index) == (second.exit_code, second.result, second.index)


def rules_hold(trial: Trial, emulator: Running, done: Finished, journal: list[dict[str, Any]]) -> None:
    """What is true after every run, whatever went wrong in it."""
    state = emulator.state()
    images = {f"projects/{image['project']}/global/images/{image['name']}": image for image in state["images"]}
    changes = [entry for entry in journal if mutating(entry)]
    results_are_valid(trial, done)
    results_are_true(trial, done, images)
    only_replicas_are_changed(trial, changes, state["operations"])
    families_hold_what_is_verified(trial, done, images, changes)
    copies_are_made_once(changes, state["operations"])


def results_are_valid(trial: Trial, done: Finished) -> None:
    assert list(done.outputs) == OUTPUTS
    assert done.exit_code in {0, 1, 3}, done.log
    assert done.result == "failed" or done.exit_code == 0
    read_annotations(done.log.splitlines())
    # Waits are bounded, by a minute more for the families.
    assert done.seconds <= 60 * float(trial.inputs["timeout_minutes"]) + 61


def results_are_true(trial: Trial, done: Finished, images: Mapping[str, dict[str, Any]]) -> None:
    for location in done.images:
        row = done.replicas[location]
        assert as_wanted(trial, images, row["uri"], location), row
    assert all(images[row["uri"]]["family"] for row in done.replicas.values() if row["promoted"])


def only_replicas_are_changed(trial: Trial, changes: list[dict[str, Any]], operations: list[dict[str, Any]]) -> None:
    # Images are deleted by id, of which the operation tells the name.
    named = [entry["target"] for entry in changes if not entry["method"].endswith(".delete")]
    deleted = [each["targetLink"] for each in operations if each["operationType"] == "delete"]
    assert all(target.split("/")[-1].startswith(f"{SOURCE}-") for target in (*named, *deleted))
    if trial.inputs["replace_failed"] == "false":
        assert len(named) == len(changes)


def families_hold_what_is_verified(
    trial: Trial, done: Finished, images: Mapping[str, dict[str, Any]], changes: list[dict[str, Any]]
) -> None:
    """And they move as a set: when one did, every required replica was verified."""
    for uri, image in images.items():
        if image["name"].startswith(f"{SOURCE}-") and image.get("family"):
            assert as_wanted(trial, images, uri, image["storageLocations"][0]), image
    given = [entry for entry in changes if "family" in (entry["body"] or {})]
    assert all(entry["method"].endswith(".patch") for entry in given)
    if given:
        assert trial.inputs["promote"] == "true"
        required = [row for location, row in done.replicas.items() if location in trial.required]
        assert all(as_wanted(trial, images, row["uri"], row["location"]) for row in required)


def copies_are_made_once(changes: list[dict[str, Any]], operations: list[dict[str, Any]]) -> None:
    """Save where one failed and went away."""
    made = Counter(entry["target"] for entry in changes if entry["method"].endswith(".insert") and entry["committed"])
    for target, count in made.items():
        failed = [each for each in operations if each["targetLink"].endswith(f"/{target}") and "error" in each]
        assert count <= 1 + len(failed)


def assert_healed(trial: Trial, emulator: Running, done: Finished) -> None:
    """Everything is as wanted, save copies that failed and that nobody allowed to replace."""
    failed = {
        image["storageLocations"][0] for image in emulator.state()["images"] if image["status"] == "FAILED"
    } & set(done.replicas)
    assert not failed or trial.inputs["replace_failed"] == "false"
    assert set(done.replicas) - set(done.images) == failed, done.log
    assert (done.result == "complete") is (not failed)
    if failed & trial.required:
        assert done.exit_code == 1
        return
    for location, row in done.replicas.items():
        if location in failed:
            assert row["reason"] == "image_failed"
        elif trial.inputs["promote"] == "false":
            assert row["outcome"] == "source" or row["reason"] == "promote_off"
        elif row["reason"] == "would_take_family":
            assert trial.inputs["family_template"] == "{family}"
        else:
            assert row["promoted"] is True, row


def as_wanted(trial: Trial, images: Mapping[str, Mapping[str, Any]], uri: str, location: str) -> bool:
    """Whether a verified replica in that location stands there, or the source itself."""
    image, source = images[uri], images[f"projects/p1/global/images/{SOURCE}"]
    if image is source:
        return True
    readers = {m for b in image["policy"].get("bindings", []) if b["role"] == READER for m in b["members"]}
    labels = {**source["labels"], **({"release": "1"} if trial.inputs["labels"] else {})}
    return (
        image["status"] == "READY"
        and image["storageLocations"] == [location]
        and copied_from(images, image) == source["id"]
        and image["description"] == source["description"]
        and labels.items() <= image["labels"].items()
        and (trial.inputs["access"] == "private" or "allAuthenticatedUsers" in readers)
    )


def copied_from(images: Mapping[str, Mapping[str, Any]], image: Mapping[str, Any]) -> str | None:
    """The id at the beginning of a chain of copies."""
    origin: str | None = image.get("sourceImageId")
    parents = [parent for parent in images.values() if parent["id"] == origin and "sourceImageId" in parent]
    return copied_from(images, parents[0]) if parents else origin


def mutating(entry: Mapping[str, Any]) -> bool:
    return entry["method"].split(".")[-1] in {"insert", "patch", "setLabels", "setIamPolicy", "delete", "deprecate"}


def standing(emulator: Running, name: str) -> str:
    return json.dumps([emulator.image("p1", name), emulator.policy("p1", name)], sort_keys=True)
