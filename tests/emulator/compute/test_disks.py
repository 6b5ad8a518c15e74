"""Blank disks of a zone, their operations, and images that are made of them."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.testing import running
from testkit.client import Client

ZONE = "/compute/v1/projects/p1/zones/us-central1-a"
DISKS = f"{ZONE}/disks"
AGGREGATED = "/compute/v1/projects/p1/aggregated/disks"


def of(name: str, **body: Any) -> dict[str, Any]:
    return {"name": "made", "sourceDisk": f"zones/us-central1-a/disks/{name}", **body}


def test_from_making_to_deleting(still: Client) -> None:
    body = {"name": "blank", "sizeGb": "20", "labels": {"a": "b"}, "architecture": "ARM64"}
    made = still.send("POST", DISKS, body)
    assert (made.status, made.json["operationType"]) == (200, "insert")
    assert made.json["zone"].endswith("/zones/us-central1-a")
    operation = f"{ZONE}/operations/{made.json['name']}"
    still.advance(1)
    assert still.send("GET", operation).json["status"] == "DONE"
    assert still.send("POST", f"{operation}/wait").json["selfLink"].endswith(operation.removeprefix("/compute/v1"))
    assert still.get(f"/operations/{made.json['name']}").status == 404
    shown = still.send("GET", f"{DISKS}/blank").json
    assert (shown["sizeGb"], shown["labels"], shown["status"]) == ("20", {"a": "b"}, "READY")
    assert shown["type"].endswith("/zones/us-central1-a/diskTypes/pd-standard")
    assert still.send("GET", f"{DISKS}/{shown['id']}").json == shown
    assert still.send("POST", DISKS, body).status == 409
    assert [each["project"] for each in still.emulator.state()["disks"]] == ["p1"]
    scopes = still.send("GET", f"{AGGREGATED}?filter=labels.a=b").json["items"]
    assert [each["name"] for each in scopes["zones/us-central1-a"]["disks"]] == ["blank"]
    assert "warning" in still.send("GET", f"{AGGREGATED}?filter=labels.a=c").json["items"]["zones/us-central1-a"]
    targets = {entry["target"] for entry in still.emulator.journal() if entry["method"] == "compute.disks.insert"}
    assert targets == {"projects/p1/zones/us-central1-a/disks/blank"}
    assert still.send("DELETE", f"{DISKS}/blank").json["operationType"] == "delete"
    assert still.send("GET", f"{DISKS}/blank").status == 404
    assert "items" not in still.send("GET", AGGREGATED).json


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"name": "Blank"}, 400),
        ({"name": "blank", "colour": 1}, 400),
        ({"name": "blank", "id": "1"}, 400),
        ({"name": "blank", "sizeGb": "70000"}, 400),
        ({"name": "blank", "labels": {"A": "b"}}, 400),
        ({"name": "blank", "sourceImage": "global/images/web"}, 501),
    ],
)
def test_wrong_ones_are_refused(still: Client, wrong: dict[str, Any], status: int) -> None:
    assert still.send("POST", DISKS, wrong).status == status
    assert still.send("GET", f"{DISKS}/blank").status == 404


def test_an_image_takes_after_its_disk(still: Client) -> None:
    still.send("POST", DISKS, {"name": "blank", "sizeGb": "20", "architecture": "ARM64"})
    disk = still.send("GET", f"{DISKS}/blank").json
    assert still.insert("made", "", sourceDisk=disk["selfLink"], labels={"a": "b"}).status == 200
    still.send("DELETE", f"{DISKS}/blank")
    image = still.get("/images/made").json
    assert (image["diskSizeGb"], image["architecture"], image["sourceDiskId"]) == ("20", "ARM64", disk["id"])
    still.send("POST", DISKS, {"name": "plain", "sizeGb": "10"})
    assert still.post("/images", of("plain") | {"name": "second"}).status == 200
    assert "architecture" not in still.get("/images/second").json


def test_a_disk_must_exist_where_one_was_ever_made(still: Client) -> None:
    assert still.post("/images", of("any")).status == 200
    assert still.get("/images/made").json["architecture"] == "X86_64"
    still.send("POST", DISKS, {"name": "blank"})
    still.send("DELETE", f"{DISKS}/blank")
    refused = still.post("/images", of("blank") | {"name": "late"})
    assert (refused.status, "zones/us-central1-a/disks/blank" in refused.message) == (404, True)
    assert still.post("/images", of("any")).status == 409
    other = {"name": "other", "sourceDisk": "projects/p2/zones/us-central1-a/disks/any"}
    assert still.post("/images", other).status == 200
    still.emulator.reset()
    assert still.post("/images", of("any")).status == 200


def test_for_principals() -> None:
    held = ["compute.disks.create", "compute.images.create", "compute.images.get"]
    rules = {"principals": {"t": held, "all": ["*"]}}
    with running(driven=True, scenario=rules) as emulator:
        client = Client(emulator)
        client.headers["Authorization"] = "Bearer t"
        assert client.send("POST", DISKS, {"name": "blank"}).status == 200
        for verb, path, needed in (
            ("GET", f"{DISKS}/blank", "compute.disks.get"),
            ("DELETE", f"{DISKS}/blank", "compute.disks.delete"),
            ("GET", AGGREGATED, "compute.disks.list"),
            ("POST", f"{ZONE}/operations/o/wait", "compute.zoneOperations.get"),
        ):
            refused = client.send(verb, path)
            assert (refused.status, needed in refused.message) == (403, True), needed
        assert "'compute.disks.useReadOnly'" in client.post("/images", of("blank")).message
        client.headers["Authorization"] = "Bearer all"
        assert client.post("/images", of("blank")).status == 200
