"""What serves the source's own location: as public as asked, as many locations as it is stored in, its family or none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from testkit.action import Action

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running

READER = "roles/compute.imageUser"
EVERYBODY = ["allAuthenticatedUsers"]
SOURCE = "projects/p1/global/images/web-1"


@pytest.fixture
def act(emulator: Running, tmp_path: Path) -> Action:
    return Action(emulator, tmp_path)


@pytest.mark.parametrize(
    "policy",
    [
        [],
        [{"role": READER, "members": ["group:g@example.com"]}],
        [{"role": READER, "members": EVERYBODY, "condition": {"title": "t", "expression": "true"}}],
        [{"role": "roles/compute.viewer", "members": EVERYBODY}],
    ],
    ids=["nobody", "a group", "everybody on a condition", "everybody by another role"],
)
@pytest.mark.parametrize("locations", ["us, eu", "us"])
def test_public_means_home_too(emulator: Running, act: Action, policy: list[Any], locations: str) -> None:
    emulator.add_image(project="p1", name="web-1", family="web", policy=policy)
    wanted = {"access": "public", "locations": locations}
    before = emulator.policy("p1", "web-1")
    done = act(**wanted)
    assert (done.exit_code, done.result) == (0, "complete")
    assert done.images["us"] == f"{SOURCE}-us"
    assert set(done.column("access").values()) == {"public"}
    for name in done.images.values():
        (binding,) = emulator.policy("p1", name.rpartition("/")[2])["bindings"]
        assert (binding["role"], binding["members"]) == (READER, EVERYBODY)
    assert emulator.policy("p1", "web-1") == before
    (note,) = [text for level, title, text in done.annotations if (level, title) == ("notice", "Plan")]
    assert note.startswith(f"The source {SOURCE} is not public by its own policy, and stays as it is")
    assert json.loads(done.index)["images"][0]["locations"]["us"]["public"] is True
    changes = len(act.mutations())
    assert (act(**wanted).result, len(act.mutations())) == ("complete", changes)


def test_a_policy_that_can_not_be_read_counts_as_not_public(emulator: Running, act: Action) -> None:
    emulator.add_image(project="p1", name="web-1", family="web", public=True)
    no = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
    emulator.faults([{"method": "compute.images.getIamPolicy", "match": "web-1$", "times": None, "action": no}])
    done = act(access="public", locations="us")
    assert done.images == {"us": f"{SOURCE}-us"}
    assert "can't be seen to be public" in done.log


def test_a_public_source_serves_its_home(emulator: Running, act: Action) -> None:
    emulator.add_image(project="p1", name="web-1", family="web", public=True)
    assert act(access="public", locations="us, eu").column("outcome") == {"us": "source", "eu": "created"}


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({}, {"us": "", "eu": "", "asia": ""}),
        ({"family_template": "x-{family}"}, {"us": "", "eu": "", "asia": ""}),
        ({"family_template": "web-{location}"}, {"us": "", "eu": "web-eu", "asia": "web-asia"}),
        (
            {"family_template": "web-{location}", "home_copy": "true"},
            {"us": "web-us", "eu": "web-eu", "asia": "web-asia"},
        ),
        ({"family_template": "stable", "locations": "eu"}, {"eu": "stable"}),
    ],
    ids=["usual", "needs one", "needs none", "needs none, with a home copy", "one location"],
)
def test_a_source_without_family(emulator: Running, act: Action, inputs: dict[str, str], found: dict[str, str]) -> None:
    """A template that needs no family of the source is used as it is; of one that does, the plan says what it gives."""
    emulator.add_image(project="p1", name="web-1", public=True)
    done = act(**inputs)
    assert done.result == "complete"
    families = {place: act.image(uri.rpartition("/")[2]).get("family", "") for place, uri in done.images.items()}
    assert families == found
    assert done.column("promoted") == {place: bool(family) for place, family in found.items()}
    copies = [place for place in found if place != "us" or inputs.get("home_copy")]
    without = [place for place in copies if not found[place]]
    assert ("no family in eu, asia: the source has none" in done.log) is bool(without)


def test_a_family_of_the_config_file(emulator: Running, act: Action, tmp_path: Path) -> None:
    emulator.add_image(project="p1", name="web-1", public=True)
    config = tmp_path / "places.yml"
    config.write_text("locations:\n  eu: {family: web-in-eu}\n  asia: {family: '{family}-asia'}\n")
    act.env["GITHUB_WORKSPACE"] = str(tmp_path)
    assert act(config="places.yml").column("promoted") == {"eu": True, "asia": False}
    assert act.image("web-1-eu")["family"] == "web-in-eu"


def test_a_source_in_several_locations_serves_each_itself(emulator: Running, act: Action) -> None:
    source = emulator.add_image(project="p1", name="web-1", family="web", public=True)
    shown = json.dumps({**source, "storageLocations": ["us", "eu"]})
    answer = {"kind": "body", "status": 200, "text": shown}
    emulator.faults([{"method": "compute.images.get", "match": "web-1$", "times": None, "action": answer}])
    done = act()
    assert done.result == "complete"
    assert done.column("outcome") == {"us": "source", "eu": "source", "asia": "created"}
    assert (done.images["us"], done.images["eu"]) == (SOURCE, SOURCE)
    assert [call["target"] for call in act.calls("insert")] == [f"{SOURCE}-asia"]
