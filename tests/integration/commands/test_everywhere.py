"""A release that is everywhere or nowhere, and what is said of the families when it is nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testkit.action import Action
from testkit.faults import operation_error, refuse
from testkit.tiers import few

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running

#: What the README shows: the build leaves the family out, and home gets a copy like every other location.
EVERYWHERE = {"home_copy": "true", "family_template": "web-{location}", "required_locations": "all"}
FAMILIES = {"web-us", "web-eu", "web-asia"}


def unmade(where: str) -> dict[str, Any]:
    """A copy whose operation fails and leaves nothing."""
    return dict(operation_error(where, "SOME_ERROR", leaves="nothing"))


def spoilt(where: str) -> dict[str, Any]:
    """A copy that can't be opened: it stands there READY, and isn't verified."""
    return dict(refuse(where, method="setIamPolicy", times=1))


@pytest.fixture
def act(emulator: Running, tmp_path: Path) -> Action:
    action = Action(emulator, tmp_path)
    emulator.add_image(project="p1", name="web-0", public=True, created=100)
    assert action(source_image="projects/p1/global/images/web-0", **EVERYWHERE).exit_code == 0
    emulator.add_image(project="p1", name="web-1", public=True)
    return action


def heads(emulator: Running) -> dict[str, str]:
    images = sorted(emulator.state()["images"], key=lambda image: image["creationTimestamp"])
    return {image["family"]: image["name"].rpartition("-")[0] for image in images if image.get("family")}


@pytest.mark.parametrize("location", few(["us", "eu", "asia"], "us", "asia"))
@pytest.mark.parametrize("fault", few([refuse, unmade, spoilt], refuse, spoilt))
def test_a_failure_anywhere_leaves_the_last_release_everywhere(
    emulator: Running, act: Action, location: str, fault: Any
) -> None:
    """Home included: no family of any location leads to the new release, and a rerun publishes it in all."""
    emulator.faults([fault(f"web-1-{location}")])
    done = act(**EVERYWHERE)
    assert (done.exit_code, done.result) == (1, "failed")
    assert heads(emulator) == dict.fromkeys(FAMILIES, "web-0")
    assert "this run moved no family" in done.outputs["reason"]
    assert "the build" not in done.outputs["reason"]
    emulator.faults([])
    assert act(**EVERYWHERE).exit_code == 0
    assert heads(emulator) == dict.fromkeys(FAMILIES, "web-1")


@pytest.mark.parametrize("inputs", [{}, {"home_copy": "true"}, {"locations": "eu, asia"}])
@pytest.mark.parametrize("code", few([403, 400], 403))
def test_a_family_that_the_build_had_moved_is_told(action: Action, inputs: dict[str, str], code: int) -> None:
    action.emulator.faults([refuse("-eu", code=code)])
    done = action(required_locations="all", **inputs)
    told = "the family web already points to projects/p1/global/images/web-1: the build moved it"
    assert done.exit_code == 1
    assert done.outputs["reason"].endswith(f"; this run moved no family; {told}")
    assert told in done.log
    assert "the family web already points to" in done.summary


def test_one_that_cannot_be_read_is_told_as_what_the_build_did(action: Action) -> None:
    action.emulator.faults([refuse("-eu"), refuse("family/web$", method="getFromFamily")])
    reason = action(required_locations="all").outputs["reason"]
    assert reason.endswith("the build had put projects/p1/global/images/web-1 into the family web already")


def test_a_release_that_is_no_head_any_more_moved_nothing(action: Action) -> None:
    """The rerun of an old release: its users are led to the newer one."""
    action.emulator.add_image(project="p1", name="web-2", family="web", public=True)
    action.emulator.faults([refuse("-eu")])
    assert action(required_locations="all").outputs["reason"].endswith("; this run moved no family")


def test_all_refused_for_one_reason(action: Action) -> None:
    """The family of the build leads its users to the release, whatever kept the replicas away."""
    action.emulator.faults([refuse("")])
    done = action(required_locations="all")
    assert done.exit_code == 3
    assert done.outputs["reason"].endswith("web-1: the build moved it")


def test_a_family_that_is_refused_after_others_moved(action: Action) -> None:
    action.emulator.faults([refuse("web-1-eu", method="patch")])
    done = action(required_locations="all")
    assert (done.exit_code, done.column("promoted")) == (1, {"us": True, "eu": False, "asia": True})
    assert "in their family: asia" in done.outputs["reason"]
    assert "moved no family" not in done.outputs["reason"]
