"""A source that is held back (marked DEPRECATED) puts a release live nowhere, and people are told what resolves where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from testkit.faults import meanwhile
from testkit.signing.release import KEY, Release, families

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.action import Action, Finished

REASON = "source_deprecated"


def deprecate(action: Action, name: str, state: str = "DEPRECATED") -> None:
    """As its owner does, by hand or by rolling back."""

    def mark() -> None:
        image = action.emulator.compute.state.image("p1", name, 9e9)
        assert image is not None
        assert isinstance(image.fields, dict)
        image.fields["deprecated"] = {"state": state} if state else {}

    action.emulator.run(mark)


def heads(action: Action) -> dict[str, str]:
    """What the families of each location resolve to: the youngest image that is not deprecated."""
    found: dict[str, str] = {}
    for image in sorted(action.emulator.state()["images"], key=lambda each: each["creationTimestamp"]):
        state = image.get("deprecated", {}).get("state", "ACTIVE")
        if image.get("family") and state == "ACTIVE":
            found[image["family"]] = image["name"]
    return found


def held(done: Finished) -> dict[str, str]:
    return {place: row["reason"] for place, row in done.replicas.items() if row["reason"]}


@pytest.mark.parametrize("template", ["{family}-{location}", "{family}", "fixed-{location}"])
@pytest.mark.parametrize("promote", ["true", "false"])
def test_replicas_are_made_and_get_no_family(action: Action, template: str, promote: str) -> None:
    deprecate(action, "web-1")
    done = action(family_template=template, promote=promote)
    assert (done.exit_code, done.result) == (0, "complete")
    assert heads(action) == {}
    made = {place for place, row in done.replicas.items() if row["outcome"] == "created"}
    assert made >= {"eu", "asia"}
    assert held(done) == dict.fromkeys(made, REASON)
    assert not action.calls("patch")
    (warning,) = [text for level, title, text in done.annotations if (level, title) == ("warning", "Plan")]
    assert "is marked DEPRECATED: it was held back, rolled back or retired" in warning
    assert "the family web resolves to nothing" in warning
    assert action(family_template=template).result == "complete"
    assert heads(action) == {}


def test_a_rerun_after_a_rollback_moves_no_family(action: Action) -> None:
    """Also for a location that the first run had missed, and for a replica that had lost its family."""
    add = action.emulator.add_image
    add(project="p1", name="web-0", family="web", public=True, created=100)
    old = {"source_image": "projects/p1/global/images/web-0", "locations": "us, eu, asia"}
    action(**old)
    action(locations="us, eu")
    for name in ("web-1", "web-1-eu"):
        deprecate(action, name)
    before = heads(action)
    assert (before["web"], before["web-eu"], before["web-asia"]) == ("web-0", "web-0-eu", "web-0-asia")
    done = action(required_locations="all")
    assert (done.exit_code, done.result, heads(action)) == (0, "complete", before)
    assert done.column("promoted") == {"us": True, "eu": True, "asia": False}
    assert held(done) == {"asia": REASON}
    assert "The family web-asia resolves to projects/p1/global/images/web-0-asia." in done.replicas["asia"]["message"]
    assert "The family web resolves to projects/p1/global/images/web-0." in done.replicas["us"]["message"]
    assert "the family web-eu resolves to projects/p1/global/images/web-0-eu" in done.log


def test_what_a_replica_carries_stays(action: Action) -> None:
    """A source that was deprecated by hand alone leaves its replicas live: the result says so."""
    action(locations="us, eu")
    deprecate(action, "web-1")
    done = action(locations="us, eu")
    assert (done.column("promoted"), held(done)) == ({"us": True, "eu": True}, {})
    assert "The family web-eu resolves to projects/p1/global/images/web-1-eu." in done.replicas["eu"]["message"]


def test_a_source_that_is_given_back_is_promoted(action: Action) -> None:
    deprecate(action, "web-1")
    action(locations="eu")
    deprecate(action, "web-1", "")
    assert action(locations="eu").column("promoted") == {"eu": True}


def test_a_source_that_is_held_back_during_the_run(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies take a while: what was decided before them is looked at again before a family moves."""
    slow = {
        "kind": "http",
        "code": 503,
        "reason": "backendError",
        "message": "Later.",
        "headers": {"Retry-After": "90"},
    }
    action.emulator.faults([{"method": "compute.images.insert", "match": "-asia", "action": slow}])
    meanwhile(monkeypatch, "insert", lambda _: deprecate(action, "web-1"), name="-asia")
    done = action()
    assert (done.result, held(done)) == ("complete", {"eu": REASON, "asia": REASON})
    assert heads(action) == {}


def test_required_and_held_back(action: Action) -> None:
    """What is told is what keeps the families even when the location is mended."""
    deprecate(action, "web-1")
    no = {"kind": "http", "code": 403, "reason": "quotaExceeded", "message": "Used up."}
    action.emulator.faults([{"method": "compute.images.insert", "match": "-eu", "action": no}])
    done = action(required_locations="all")
    assert (done.exit_code, held(done)) == (1, {"eu": "quota", "asia": REASON})


@pytest.mark.parametrize("code", [403, 503])
def test_a_head_that_can_not_be_read_decides_nothing(action: Action, code: int) -> None:
    deprecate(action, "web-1")
    no = {"kind": "http", "code": code, "reason": "forbidden", "message": "No."}
    action.emulator.faults([{"method": "compute.images.getFromFamily", "times": None, "action": no}])
    done = action()
    assert (done.result, held(done)) == ("complete", {"eu": REASON, "asia": REASON})
    assert "resolves to" not in done.log


def test_the_plan_says_so(action: Action) -> None:
    action(promote="false")
    deprecate(action, "web-1")
    done = action(dry_run="true")
    assert "warning: The source projects/p1/global/images/web-1 is marked DEPRECATED" in done.log
    assert "repair     family" not in done.log


class TestMerge:
    @pytest.fixture(params=["off", "key"])
    def release(self, action: Action, tmp_path: Path, request: pytest.FixtureRequest) -> Release:
        action.emulator.delete_image("p1", "web-1")
        action.env["SIGNING_KEY"] = KEY
        return Release(action, tmp_path / "fragments", request.param)

    @pytest.mark.parametrize("name", ["web-a", "web-b"])
    @pytest.mark.parametrize("dry_run", ["false", "true"])
    def test_one_image_that_is_held_back_holds_the_release(self, release: Release, name: str, dry_run: str) -> None:
        release.build_all()
        deprecate(release.action, name)
        done = release.merge(dry_run=dry_run)
        assert (done.exit_code, families(release)) == (0, set()), done.log
        rows: list[dict[str, Any]] = json.loads(done.outputs["replicas"])
        assert {row["reason"] for row in rows} == ({REASON} if dry_run == "false" else {""})
        assert [text for level, _, text in done.annotations if level == "warning" and f"{name} is marked" in text]
