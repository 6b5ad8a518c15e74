"""Instance templates, global and regional, as far as they name images; lists that hold a part only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
from testkit.client import Client

if TYPE_CHECKING:
    from testkit.client import Response

GLOBAL, REGION = "/instanceTemplates", "/compute/v1/projects/p1/regions/us-west1"
AGGREGATED = "/compute/v1/projects/p1/aggregated/instanceTemplates"
LIST, ALL = "compute.images.list", "compute.instanceTemplates.aggregatedList"


def body(name: str, image: str = "global/images/web") -> dict[str, Any]:
    disks = [{"boot": True, "initializeParams": {"sourceImage": image}}]
    return {"name": name, "properties": {"disks": disks, "machineType": "e2-micro"}}


def named(answer: Response) -> dict[str, list[str]]:
    return {
        scope: [each["name"] for each in there.get("instanceTemplates", [])]
        for scope, there in answer.json["items"].items()
    }


def aggregated(client: Client, query: str = "") -> Response:
    return client.send("GET", AGGREGATED + query)


def test_both_kinds_from_making_to_deleting(still: Client) -> None:
    for path in (f"/compute/v1/projects/p1/global{GLOBAL}", f"{REGION}{GLOBAL}"):
        made = still.send("POST", path, body("batch"))
        assert (made.status, made.json["operationType"]) == (200, "insert")
        still.advance(1)
        place = path.removesuffix(GLOBAL)
        operation = f"{place}/operations/{made.json['name']}"
        assert still.send("GET", operation).json["status"] == "DONE"
        assert still.send("POST", f"{operation}/wait").json["selfLink"].endswith(operation.removeprefix("/compute/v1"))
        shown = still.send("GET", f"{path}/batch").json
        assert shown["properties"]["disks"][0]["initializeParams"]["sourceImage"] == "global/images/web"
        assert shown["id"] == made.json["targetId"]
        assert still.send("GET", f"{path}/{shown['id']}").json == shown
        assert [each["name"] for each in still.send("GET", path).json["items"]] == ["batch"]
        assert still.send("POST", path, body("batch")).status == 409
    assert named(aggregated(still)) == {"global": ["batch"], "regions/us-central1": [], "regions/us-west1": ["batch"]}
    assert aggregated(still).json["items"]["regions/us-central1"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
    assert [each["project"] for each in still.emulator.state()["instance_templates"]] == ["p1", "p1"]
    regional = still.send("POST", f"{REGION}{GLOBAL}", body("other")).json
    assert regional["region"].endswith("/regions/us-west1")
    # Each operation in its own place.
    assert still.get(f"/operations/{regional['name']}").status == 404
    assert [each["operationType"] for each in still.get("/operations").json["items"]] == ["insert"]
    scopes = still.send("GET", "/compute/v1/projects/p1/aggregated/operations").json["items"]
    assert {scope: len(there["operations"]) for scope, there in scopes.items()} == {"global": 1, "regions/us-west1": 2}
    assert still.send("DELETE", f"{REGION}{GLOBAL}/batch").json["operationType"] == "delete"
    assert still.send("GET", f"{REGION}{GLOBAL}/batch").status == 404
    assert still.get(f"{GLOBAL}/batch").status == 200
    targets = {entry["target"] for entry in still.emulator.journal() if entry["method"].endswith("Templates.insert")}
    assert targets == {
        "projects/p1/global/instanceTemplates/batch",
        "projects/p1/regions/us-west1/instanceTemplates/batch",
        "projects/p1/regions/us-west1/instanceTemplates/other",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "batch"},
        {**body("Batch")},
        {**body("batch"), "colour": 1},
        {**body("batch"), "id": "1"},
        {"properties": {}},
    ],
)
def test_wrong_ones_are_refused(still: Client, wrong: dict[str, Any]) -> None:
    assert still.post(GLOBAL, wrong).status == 400


def test_pages_go_through_all_scopes(still: Client) -> None:
    for number in range(7):
        region = "us-west1" if number % 2 else None
        still.emulator.add_template(project="p1", name=f"t-{number}", region=region, images=["global/images/web"])
    still.emulator.add_template(project="p2", name="other")
    found: list[str] = []
    query = "?maxResults=3"
    for _ in range(3):
        page = aggregated(still, query)
        found += [name for names in named(page).values() for name in names]
        query = f"?maxResults=3&pageToken={page.json.get('nextPageToken', '')}"
    assert sorted(found) == [f"t-{number}" for number in range(7)]


@pytest.mark.parametrize(("leaves", "made"), [("nothing", False), ("ready", True)])
def test_an_operation_that_fails(still: Client, leaves: str, made: bool) -> None:
    still.emulator.faults([{"action": {"kind": "operation", "code": "X", "leaves": leaves}}])
    still.post(GLOBAL, body("batch"))
    assert (still.get(f"{GLOBAL}/batch").status == 200) is made


def test_a_stale_list_of_templates(still: Client) -> None:
    still.emulator.faults([{"method": ALL, "action": {"kind": "stale"}}])
    assert named(aggregated(still))["global"] == []
    still.emulator.add_template(project="p1", name="first")
    still.emulator.add_template(project="p1", name="second")
    assert named(aggregated(still))["global"] == ["first"]
    assert named(aggregated(still))["global"] == ["first", "second"]


def test_of_a_scenario_and_for_principals() -> None:
    given = [
        {"project": "p1", "name": "batch", "region": "us-west1", "images": ["projects/p1/global/images/web"]},
        {"project": "p1", "name": "batch"},
    ]
    principals = {"t": ["compute.instanceTemplates.list"], "u": ["compute.instanceTemplates.create"]}
    with running(scenario={"instance_templates": given, "principals": principals}) as emulator:
        for token, statuses in (("t", [200, 200, 403]), ("u", [403, 403, 200])):
            client = Client(emulator)
            client.headers["Authorization"] = f"Bearer {token}"
            asked = (aggregated(client), client.get(GLOBAL), client.post(GLOBAL, body("new")))
            assert [answer.status for answer in asked] == statuses
        emulator.reset()
        assert len(emulator.state()["instance_templates"]) == 2
    with (
        pytest.raises(ValueError, match=r"instance_templates\.1: .* exists already"),
        running(scenario={"instance_templates": [given[1], given[1]]}),
    ):
        pass


class TestPartial:
    """A list that lacks some of its items."""

    def test_of_images(self, still: Client) -> None:
        for number in range(3):
            still.emulator.add_image(project="p1", name=f"web-{number}")
        still.emulator.faults([{"method": LIST, "times": 2, "action": {"kind": "partial"}}])
        assert still.get("/images/web-1").status == 200
        page = still.get("/images").json
        assert [image["name"] for image in page["items"]] == ["web", "web-0"]
        assert page["warning"]["code"] == "UNREACHABLE"
        assert "nextPageToken" in still.get("/images", maxResults=2).json
        assert "warning" not in still.get("/images").json

    def test_without_a_warning(self, still: Client) -> None:
        still.emulator.faults([{"method": LIST, "action": {"kind": "partial", "part": 0, "warning": ""}}])
        page = still.get("/images").json
        assert (page["items"], "warning" in page) == ([], False)

    def test_of_one_scope(self, still: Client) -> None:
        still.emulator.add_template(project="p1", name="batch", region="us-west1")
        still.emulator.add_template(project="p1", name="batch")
        action = {"kind": "partial", "part": 1, "warning": "PARTIAL_SUCCESS", "scope": "regions/us-west1"}
        still.emulator.faults([{"action": action}])
        page = aggregated(still).json
        assert page["items"]["regions/us-west1"]["warning"]["code"] == "PARTIAL_SUCCESS"
        assert "warning" not in page
        assert page["items"]["global"]["instanceTemplates"][0]["name"] == "batch"

    def test_only_lists_meet_it(self, still: Client) -> None:
        still.emulator.faults([{"action": {"kind": "partial"}}])
        for path in ("/images/web", "/images/family/web", "/nowhere"):
            assert "items" not in still.get(path).json
        assert still.emulator.faults()[0]["fired"] == 0
        assert still.get("/images", filter="(").status == 400

    @pytest.mark.parametrize("wrong", [{"part": 2}, {"part": "half"}, {"warning": 1}, {"scope": 1}, {"items": 1}])
    def test_wrong_ones_are_refused(self, still: Client, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"action: |unknown"):
            still.emulator.faults([{"action": {"kind": "partial", **wrong}}])


def test_a_copy_of_what_is_deprecated_warns(still: Client) -> None:
    still.emulator.add_image(project="p1", name="base")
    assert "warnings" not in still.insert("first").json
    still.post("/images/web/deprecate", {"state": "DEPRECATED", "replacement": "global/images/base"})
    (warning,) = still.insert("second").json["warnings"]
    assert warning["code"] == "DEPRECATED_RESOURCE_USED"
    assert "A suggested replacement is 'projects/p1/global/images/base'" in warning["message"]


def test_answers_are_dated_by_the_emulator_s_clock(still: Client) -> None:
    first = still.get("/images").headers["date"]
    still.advance(86400)
    later = still.get("/images").headers["date"]
    assert first.endswith(" GMT")
    assert first != later
    fault = {"kind": "http", "code": 503, "reason": "x", "headers": {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}}
    still.emulator.faults([{"action": fault}])
    assert still.get("/images").headers["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
