"""A source that isn't found: images and families of a similar name are named, at the cost of one list call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from testkit.action import Action, Finished

LIST = "compute.images.list"


def missing(action: Action, wrong: str) -> Finished:
    """Run with a source that doesn't exist. The emulator has web-1 of the family web, and what the test adds."""
    done = action(source_image=wrong)
    assert (done.exit_code, done.result) == (3, "failed")
    return done


def lists(action: Action) -> int:
    return sum(call["method"] == LIST for call in action.emulator.journal())


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("projects/p1/global/images/wbe-1", "Did you mean projects/p1/global/images/web-1?"),
        ("projects/p1/global/images/web", "Did you mean projects/p1/global/images/family/web or"),
        ("projects/p1/global/images/family/weeb", "Did you mean projects/p1/global/images/family/web or"),
        ("projects/p1/global/images/family/web-1", "Did you mean projects/p1/global/images/web-1 or"),
        ("projects/p1/global/images/family/debian", ""),
        ("projects/other/global/images/web-1", ""),
    ],
)
def test_the_nearest_is_named(action: Action, wrong: str, meant: str) -> None:
    action.emulator.add_image(project="p1", name="database-9", family="database")
    done = missing(action, wrong)
    assert meant in done.outputs["reason"]
    assert ("Did you mean" in done.outputs["reason"]) is bool(meant)
    assert "that this step runs after the build" in done.outputs["reason"]
    assert lists(action) == 1


def test_the_newest_images_are_looked_at(action: Action) -> None:
    """In one call, however many images the project has."""
    for number in range(505):
        action.emulator.add_image(project="p1", name=f"aaa-{number:03}")
    action.emulator.add_image(project="p1", name="web-20261129")
    assert (
        "Did you mean projects/p1/global/images/web-20261129?"
        in missing(action, "projects/p1/global/images/web-20261192").outputs["reason"]
    )
    assert lists(action) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "http", "code": 403, "reason": "forbidden", "message": "Required 'compute.images.list' permission"},
        {"kind": "http", "code": 503, "reason": "backendError", "message": "Later."},
        {"kind": "body", "status": 200, "text": "<html>a proxy's page</html>"},
        {"kind": "drop"},
    ],
)
def test_no_answer_changes_nothing_but_the_question(action: Action, fault: dict[str, Any]) -> None:
    action.emulator.faults([{"method": LIST, "times": None, "action": fault}])
    done = missing(action, "projects/p1/global/images/wbe-1")
    assert "Did you mean" not in done.outputs["reason"]
    assert "that this step runs after the build" in done.outputs["reason"]
    assert lists(action) == 1


def test_a_source_that_is_there_costs_no_list_of_all(action: Action) -> None:
    action(locations="us", dry_run="true")
    assert not [call for call in action.emulator.journal() if call["query"].get("orderBy")]
