"""How images are deprecated and come back, under each answer that the service may give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.core.clock import DrivenClock
from emulator.testing import running
from testkit.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = {
    "state": "OBSOLETE",
    "replacement": "projects/p2/global/images/next",
    "deprecated": "2026-01-01T00:00:00Z",
    "obsolete": "2999-01-01T00:00:00Z",
    "deleted": "2999-02-01",
}
KEPT = {**WHOLE, "replacement": "https://www.googleapis.com/compute/v1/projects/p2/global/images/next"}


def client(**switches: str) -> Iterator[Client]:
    clock = DrivenClock(1_800_000_000.0)
    images = [{"project": "p1", "name": "web-1", "family": "web"}, {"project": "p1", "name": "web-2", "family": "web"}]
    with running(clock=clock, scenario={"images": images, "switches": switches}) as emulator:
        yield Client(emulator, clock)


def deprecate(client: Client, body: dict[str, Any], name: str = "web-2") -> int:
    answer = client.post(f"/images/{name}/deprecate", body)
    client.advance(1)
    return answer.status


def shown(client: Client, name: str = "web-2") -> Any:
    return client.get(f"/images/{name}").json.get("deprecated")


def head(client: Client) -> Any:
    return client.get("/images/family/web").json.get("name")


def test_the_whole_deprecation_is_replaced() -> None:
    for here in client():
        assert deprecate(here, WHOLE) == 200
        assert shown(here) == KEPT
        assert head(here) == "web-1"
        deprecate(here, {"state": "DEPRECATED"})
        assert shown(here) == {"state": "DEPRECATED"}


def test_dates_change_no_state() -> None:
    """An image that is ACTIVE with dates, past ones too, stays its family's head, and stays there."""
    for here in client():
        deprecate(here, {"state": "ACTIVE", "deprecated": "2020-01-01", "deleted": "2020-01-02T00:00:00Z"})
        assert (head(here), shown(here)["state"]) == ("web-2", "ACTIVE")
        deprecate(here, {"state": "DEPRECATED", "deleted": "2027-01-16T00:00:00Z"})
        here.advance(10**8)
        assert shown(here)["state"] == "DEPRECATED"


@pytest.mark.parametrize("form", [{}, {"state": "ACTIVE"}], ids=["empty", "ACTIVE"])
@pytest.mark.parametrize("switch", ["clear", "body_only", "refuse"])
def test_undeprecate(switch: str, form: dict[str, str]) -> None:
    for here in client(undeprecate=switch):
        deprecate(here, WHOLE)
        status, works = deprecate(here, form), switch == "clear" or (switch == "body_only" and not form)
        assert status == (400 if switch == "refuse" else 200)
        assert (shown(here) or {"state": "ACTIVE"}) == ({"state": "ACTIVE"} if works else KEPT)
        assert head(here) == ("web-2" if works else "web-1")
        # What is not deprecated can be said to be ACTIVE, and given dates.
        assert deprecate(here, {"state": "ACTIVE", "deleted": "2999-01-01T00:00:00Z"}, "web-1") == 200
        assert deprecate(here, {}, "web-1") == 200
        # From one state to another is no way back.
        deprecate(here, {"state": "OBSOLETE"})
        assert deprecate(here, {"state": "DEPRECATED"}) == 200


@pytest.mark.parametrize(
    ("switch", "refused"), [("any", []), ("existing", ["none", "p2"]), ("same_project", ["p2", "there"])]
)
def test_replacement(switch: str, refused: list[str]) -> None:
    named = {
        "own": "global/images/web-1",
        "none": "projects/p1/global/images/none",
        "p2": "projects/p2/global/images/next",
        "there": "https://localhost:1/compute/v1/projects/p2/global/images/there",
    }
    for here in client(replacement=switch):
        here.emulator.add_image(project="p2", name="there")
        states = {name: deprecate(here, {"state": "DEPRECATED", "replacement": uri}) for name, uri in named.items()}
        assert {name for name, status in states.items() if status == 400} == set(refused)
        assert deprecate(here, {"state": "DEPRECATED", "replacement": "no image"}) == 400


@pytest.mark.parametrize("switch", ["any", "rfc3339"])
@pytest.mark.parametrize(
    ("text", "is_rfc"),
    [
        ("2999-01-01T00:00:00Z", True),
        ("2999-01-01T00:00:00.000-00:00", True),
        ("2999-01-01T00:00:00", False),
        ("2999-01-01", False),
        ("2999-13-01T00:00:00Z", False),
        ("soon", False),
    ],
)
@pytest.mark.parametrize("field", ["deleted", "deprecated", "obsolete"])
def test_date_form(switch: str, text: str, field: str, *, is_rfc: bool) -> None:
    for here in client(date_form=switch):
        accepted = switch == "any" or is_rfc
        assert deprecate(here, {"state": "DEPRECATED", field: text}) == (200 if accepted else 400)
        assert shown(here) == ({"state": "DEPRECATED", field: text} if accepted else None)


@pytest.mark.parametrize("switch", ["accept", "refuse"])
@pytest.mark.parametrize(
    ("text", "past"), [("2027-01-15T07:59:59Z", True), ("2027-01-15T08:00:02Z", False), ("soon", False)]
)
def test_past_dates(switch: str, text: str, *, past: bool) -> None:
    """The emulator's time is 2027-01-15T08:00:00Z."""
    for here in client(past_dates=switch):
        refused = switch == "refuse" and past
        assert deprecate(here, {"state": "DEPRECATED", "deleted": text}) == (400 if refused else 200)


@pytest.mark.parametrize("switch", ["accept", "refuse"])
def test_image_by_id(switch: str) -> None:
    """In every path that names an image."""
    for here in client(image_by_id=switch):
        key = here.get("/images/web-2").json["id"]
        asked = [
            here.get(f"/images/{key}"),
            here.post(f"/images/{key}/deprecate", {"state": "DEPRECATED"}),
            here.patch(f"/images/{key}", {"description": "d"}),
            here.get(f"/images/{key}/getIamPolicy"),
            here.delete(f"/images/{key}"),
        ]
        assert {answer.status for answer in asked} == {200 if switch == "accept" else 404}
        assert here.delete(f"/images/{int(key) + 10**6}").status == 404


def test_the_operation_tells_which_image_it_met() -> None:
    for here in client():
        image = here.get("/images/web-2").json
        assert here.delete(f"/images/{image['id']}").json["targetId"] == image["id"]
        assert here.emulator.journal()[-1]["target"].endswith(image["id"])
