"""What is lost or odd without a failure is told: other roles, deleted accounts, old manifests, empty inputs, one name."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.replicate import run
from testkit.action import Action

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running
    from testkit.action import Finished

READER = "roles/compute.imageUser"
EVERYBODY = ["allAuthenticatedUsers"]
GROUP = ["group:customers@example.com"]
CUSTOM = "projects/p1/roles/imageConsumer"
GONE = "deleted:serviceAccount:ci@p1.iam.gserviceaccount.com?uid=1"
PRIVATE = "The replicas are private"
MEMBERS = (
    f"The replicas aren't public: they are for the same members of {READER} as the source "
    "projects/p1/global/images/web-1: set access: public"
)
LIKE = f"{PRIVATE}, like the source projects/p1/global/images/web-1: set access: public"


@pytest.fixture
def act(emulator: Running, tmp_path: Path) -> Action:
    return Action(emulator, tmp_path)


def access_notes(done: Finished) -> list[str]:
    return [text for level, title, text in done.annotations if (level, title) == ("notice", "Access")]


@pytest.mark.parametrize(
    ("policy", "says", "unsaid"),
    [
        ([], [LIKE], ["over"]),
        ([{"role": READER, "members": GROUP}], [MEMBERS], ["over", GROUP[0]]),
        ([{"role": READER, "members": EVERYBODY, "condition": {"title": "x", "expression": "y"}}], [MEMBERS], ["over"]),
        ([{"role": READER, "members": GROUP}, {"role": CUSTOM, "members": EVERYBODY}],
         [MEMBERS, f"not carried over: {EVERYBODY[0]} by {CUSTOM}."], [PRIVATE]),
        ([{"role": READER, "members": EVERYBODY}], [], []),
        ([{"role": READER, "members": EVERYBODY}, {"role": "roles/compute.viewer", "members": EVERYBODY}],
         ["not carried over: allAuthenticatedUsers by roles/compute.viewer."], [PRIVATE]),
        ([{"role": CUSTOM, "members": GROUP}],
         [f"{PRIVATE}: set access", f"not carried over: {GROUP[0]} by {CUSTOM}."], ["like the source"]),
        ([{"role": "roles/viewer", "members": [*GROUP, GONE]}], [f"{GROUP[0]} by roles/viewer."], ["like the source"]),
        ([{"role": READER, "members": [GONE]}], [LIKE, f"so they were left out: {GONE}."], ["over"]),
        ([{"role": READER, "members": [*GROUP, GONE]}], [MEMBERS, f"so they were left out: {GONE}."], ["over"]),
    ],
    ids=["nobody", "a group", "on a condition", "a group, and another role", "public", "public by another role too",
         "a custom role", "viewers", "a deleted account", "a deleted account and a group"],
)  # fmt: skip
def test_what_the_source_has_and_replicas_do_not_get(
    emulator: Running, act: Action, policy: list[Any], says: list[str], unsaid: list[str]
) -> None:
    emulator.add_image(project="p1", name="web-1", policy=policy)
    told = access_notes(act(locations="us, eu"))
    assert len(told) == bool(says)
    for words in says:
        assert words in told[0]
    for words in unsaid:
        assert not told or words not in told[0]


@pytest.mark.parametrize(("wanted", "notes"), [("public", 1), ("private", 0)])
def test_who_asks_for_an_access_gets_that(emulator: Running, act: Action, wanted: str, notes: int) -> None:
    """Whom else a source is open to is told unless nobody was to get it."""
    emulator.add_image(project="p1", name="web-1", policy=[{"role": CUSTOM, "members": GROUP}])
    told = access_notes(act(locations="eu", access=wanted))
    assert len(told) == notes
    assert PRIVATE not in str(told)


def test_a_deleted_account_stops_no_copy(emulator: Running, act: Action) -> None:
    """Writing a policy that names one is refused, so the living get theirs without it."""
    policy = [{"role": READER, "members": [*GROUP, GONE]}]
    emulator.add_image(project="p1", name="web-1", policy=policy)
    no = {"kind": "http", "code": 400, "reason": "invalid", "message": "deleted"}
    emulator.faults([{"method": "compute.images.setIamPolicy", "match": "deleted:", "times": None, "action": no}])
    done = act(locations="us, eu")
    emulator.faults([])
    assert done.result == "complete"
    (binding,) = emulator.policy("p1", "web-1-eu")["bindings"]
    assert binding["members"] == GROUP


def as_action(act: Action, **variables: str) -> Finished:
    """One run as a step of the action, whose inputs the runner hands on in variables."""
    act.env.update(variables)
    given = {name.removeprefix("INPUT_").lower(): text for name, text in variables.items()}
    done = act.carry_out(partial(run.run, of_action=True), {"source_image": "projects/p1/global/images/web-1", **given})
    for name in variables:
        del act.env[name]
    return done


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"INPUT_LOCATIONS": ""}, {"locations": "us, eu, asia"}),
        ({"INPUT_ACCESS": " \n"}, {"access": "source"}),
        ({"INPUT_LOCATIONS": "", "INPUT_ACCESS": ""}, {"locations": "us, eu, asia", "access": "source"}),
        ({"INPUT_LOCATIONS": "us, eu, asia", "INPUT_ACCESS": "source", "INPUT_REPLICA_PROJECT": ""}, {}),
        ({}, {}),
    ],
    ids=["where", "for whom", "both", "the defaults that the runner hands on", "not of a runner"],
)
def test_an_empty_input_is_told(action: Action, variables: dict[str, str], told: dict[str, str]) -> None:
    done = as_action(action, **variables)
    assert done.result == "complete"
    found = {title: text for level, title, text in done.annotations if level == "warning"}
    assert set(found) == {f"Input {name}" for name in told}
    for name, default in told.items():
        assert found[f"Input {name}"].startswith(f"{name}: is empty, so that its default counts: {default}. ")


def test_locations_beside_a_config_file_may_be_empty(action: Action, tmp_path: Path) -> None:
    (tmp_path / "places.yml").write_text("locations: {eu: {}}\n")
    action.env["GITHUB_WORKSPACE"] = str(tmp_path)
    done = as_action(action, INPUT_LOCATIONS="", INPUT_CONFIG="places.yml")
    assert [title for level, title, _ in done.annotations if level == "warning"] == []


@pytest.mark.parametrize(("days", "warned"), [(0, False), (0.5, False), (3, True), (2000, True)])
def test_an_old_manifest_is_told(action: Action, tmp_path: Path, days: float, warned: bool) -> None:
    built = int(time.time() - days * 86400)
    action.emulator.add_image(project="p1", name="web-old", family="web", public=True, created=built)
    build = {"builder_type": "googlecompute", "artifact_id": "web-old", "packer_run_uuid": "U", "build_time": built}
    path = tmp_path / "packer-manifest.json"
    path.write_text(json.dumps({"builds": [{**build, "custom_data": {"project_id": "p1"}}], "last_run_uuid": "U"}))
    action.env["GITHUB_WORKSPACE"] = str(tmp_path)
    done = action(source_image="", packer_manifest=path.name, locations="eu")
    assert done.result == "complete"
    assert [title for level, title, _ in done.annotations if level == "warning"] == ["Input packer_manifest"] * warned


@pytest.mark.parametrize("locations", ["us, eu", "us, eu, asia"])
def test_a_source_made_anew_under_one_name(emulator: Running, act: Action, locations: str) -> None:
    """`packer build -force` every night: the former replica is left alone, and there is a way that can be followed."""
    emulator.add_image(project="p1", name="web-1", family="web", public=True)
    first = act(locations=locations).replicas
    emulator.delete_image("p1", "web-1")
    anew = emulator.add_image(project="p1", name="web-1", family="web", public=True)
    before = len(act.mutations())
    done = act(locations=locations)
    assert len(act.mutations()) == before
    row = done.replicas["eu"]
    assert (row["reason"], row["id"]) == ("unproven", first["eu"]["id"])
    assert f"that name has the id {anew['id']} now), and carries the family web-eu still. " in row["message"]
    assert "Give each build a name of its own (with its date, say)" in row["message"]
    assert "`gcloud compute images describe web-1-eu --project p1`" in row["message"]
    assert "which is gone" not in row["message"]
    assert "nobody can tell" not in row["message"]
    assert "there is an image in eu" in done.outputs["reason"]
