"""A release that is everywhere or nowhere, through the real `action.yml`: a failure at each location, home included."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from testkit.faults import refuse

if TYPE_CHECKING:
    from testkit.harness.callers import Caller

#: As README and workflows-examples/gce-image-build.yml say.
INPUTS = {"required_locations": "all", "home_copy": "true", "family_template": "web-{location}"}
MADE = {"us": "web-20261122-us", "eu": "web-20261122-eu", "asia": "web-20261122-asia"}


def families(caller: Caller) -> dict[str, str]:
    return {image["family"]: image["name"] for image in caller.emulator.state()["images"] if image.get("family")}


@pytest.mark.parametrize("location", MADE)
def test_everywhere_or_nowhere(caller: Caller, location: str) -> None:
    """The build leaves the family out, so that nothing leads users to the release before all of it is verified."""
    caller.emulator.delete_image("p1", "web-20261122")
    caller.emulator.add_image(project="p1", name="web-20261122", public=True)
    caller.emulator.faults([refuse(f"{MADE[location]}$", code=400, reason="invalid")])
    failed = caller.replicate(INPUTS)
    assert (failed.exit_code, failed.conclusion) == (1, "failure")
    assert failed.outputs["failed_locations"] == location
    assert "this run moved no family" in failed.outputs["reason"]
    assert "the build" not in failed.outputs["reason"]
    assert families(caller) == {}
    caller.emulator.faults([])
    done = caller.replicate(INPUTS)
    assert (done.exit_code, json.loads(done.outputs["image_names"])) == (0, MADE)
    assert families(caller) == {f"web-{place}": name for place, name in MADE.items()}


def test_the_family_that_the_build_had_moved_is_told(caller: Caller) -> None:
    caller.emulator.faults([refuse("web-20261122-eu", code=400, reason="invalid")])
    failed = caller.replicate({"required_locations": "all"})
    assert failed.outputs["reason"].endswith(
        "; this run moved no family; the family web already points to projects/p1/global/images/web-20261122: the "
        "build moved it"
    )
