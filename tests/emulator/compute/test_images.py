"""How images come into being and change."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.compute.state import label_fingerprint
from emulator.core.discovery.checks import decoded
from emulator.testing import running
from testkit.client import Client

CANONICAL = "https://www.googleapis.com/compute/v1/projects/p1/global/images/"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            {"rawDisk": {"source": "https://storage.googleapis.com/b/f.tar.gz"}},
            {"rawDisk": {"source": "", "containerType": "TAR"}},
        ),
        (
            {"sourceDisk": "zones/us-east1-b/disks/d"},
            {"sourceDisk": "https://www.googleapis.com/compute/v1/projects/p1/zones/us-east1-b/disks/d"},
        ),
        (
            {"sourceSnapshot": "http://127.0.0.1:1/compute/v1/projects/q/global/snapshots/s"},
            {"sourceSnapshot": "https://www.googleapis.com/compute/v1/projects/q/global/snapshots/s"},
        ),
    ],
)
def test_an_image_of_a_disk_is_ready_within_a_second_and_stored_in_us(
    still: Client, source: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert still.insert("new", "", **source).json["status"] == "PENDING"
    assert still.get("/images/new").json["status"] == "PENDING"
    still.advance(1.0)
    image = still.get("/images/new").json
    assert image["status"] == "READY"
    assert image["storageLocations"] == ["us"]
    assert image["architecture"] == "X86_64"
    assert image["sourceType"] == "RAW"
    assert image.items() >= shown.items()


def test_a_copy_takes_its_time_and_shows_progress(still: Client) -> None:
    operation = still.insert("web-eu", storageLocations=["eu"]).json
    assert (operation["status"], operation["progress"]) == ("PENDING", 0)
    still.advance(6.0)
    half = still.get(f"/operations/{operation['name']}").json
    assert (half["status"], half["progress"]) == ("RUNNING", 60)
    assert "endTime" not in half
    assert still.get("/images/web-eu").json["status"] == "PENDING"
    still.advance(4.0)
    done = still.get(f"/operations/{operation['name']}").json
    assert (done["status"], done["progress"]) == ("DONE", 100)
    assert done["endTime"] > done["insertTime"]
    image = still.get("/images/web-eu").json
    assert (image["status"], image["storageLocations"]) == ("READY", ["eu"])


def test_what_a_copy_inherits_and_what_not(still: Client) -> None:
    source = still.emulator.add_image(
        project="p2",
        name="rich",
        family="rich",
        labels={"a": "b"},
        location="asia",
        disk_size_gb=20,
        archive_size_bytes=123,
        architecture="ARM64",
        guest_os_features=["GVNIC"],
        licenses=["https://www.googleapis.com/compute/v1/projects/l/global/licenses/l"],
        description="of the source",
        public=True,
        deprecated={"state": "DEPRECATED"},
    )
    reference = "http://other.example/compute/v1/projects/p2/global/images/rich"
    still.wait(still.insert("copy", "", sourceImage=reference))
    copy = still.get("/images/copy").json
    for key in ("licenses", "guestOsFeatures", "architecture", "diskSizeGb", "archiveSizeBytes", "storageLocations"):
        assert copy[key] == source[key], key
    assert not {"family", "description", "labels", "deprecated"} & copy.keys()
    assert copy["sourceImage"] == source["selfLink"]
    assert copy["sourceImageId"] == source["id"]
    assert still.emulator.policy("p1", "copy") == {"etag": "ACAB"}


def test_fields_of_the_request_are_kept(still: Client) -> None:
    operation = still.insert(
        "copy",
        family="fam",
        labels={"a": "b"},
        description="d",
        diskSizeGb=30,
        guestOsFeatures=[{"type": "GVNIC"}],
        imageEncryptionKey={"kmsKeyName": "projects/p/locations/us/keyRings/r/cryptoKeys/k", "rawKey": "c2VjcmV0"},
    )
    still.wait(operation)
    copy = still.get("/images/copy").json
    wanted = {"family": "fam", "labels": {"a": "b"}, "description": "d", "diskSizeGb": "30"}
    assert copy.items() >= wanted.items()
    assert copy["guestOsFeatures"] == [{"type": "GVNIC"}]
    assert set(copy["imageEncryptionKey"]) == {"kmsKeyName", "sha256"}


@pytest.mark.parametrize(
    "reference",
    [
        "projects/p1/global/images/web",
        "/compute/v1/projects/p1/global/images/web",
        "https://www.googleapis.com/compute/v1/projects/p1/global/images/web",
        "https://compute.googleapis.com/compute/v1/projects/p1/global/images/web",
        "http://127.0.0.1:9441/projects/p1/global/images/web",
        "global/images/web",
        "projects/p1/global/images/family/web",
        "global/images/family/web",
    ],
)
def test_references_in_every_form_clients_write(still: Client, reference: str) -> None:
    operation = still.insert("copy", "", sourceImage=reference)
    assert operation.status == 200
    assert still.get("/images/copy").json["sourceImage"] == CANONICAL + "web"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"sourceImage": "global/images/none"}, 404, "notFound"),
        ({"sourceImage": "global/images/family/none"}, 404, "notFound"),
        ({"sourceImage": "web"}, 400, "invalid"),
        ({"sourceImage": "projects/p1/global/snapshots/web"}, 400, "invalid"),
        ({}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "sourceDisk": "zones/z/disks/d"}, 400, "invalid"),
        ({"sourceDisk": "disks/d"}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "storageLocations": ["us", "eu"]}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "storageLocations": ["EU"]}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "storageLocations": ["europe-west1-b"]}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "family": "Web"}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "labels": {"A": "b"}}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "labels": {"a": "B"}}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "labels": {"1a": "b"}}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "labels": {"": "b"}}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "labels": {"a": "b" * 64}}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "labels": {f"a{n}": "" for n in range(65)}}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "diskSizeGb": "9"}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "diskSizeGb": "-1"}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "status": "READY"}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "name": "Web"}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "name": "a" * 64}, 400, "invalid"),
        ({"sourceImage": "global/images/web", "name": None}, 400, "required"),
        ({"sourceImage": "global/images/web", "name": "web"}, 409, "alreadyExists"),
    ],
)
def test_refused_inserts_leave_nothing(still: Client, body: dict[str, Any], status: int, reason: str) -> None:
    answer = still.post("/images", {"name": "new", **body})
    assert (answer.status, answer.reason) == (status, reason)
    assert [image["name"] for image in still.emulator.state()["images"]] == ["web"]
    assert not still.emulator.state()["operations"]
    assert not still.emulator.journal()[-1]["committed"]


def test_labels_may_be_of_any_script(still: Client) -> None:
    assert still.insert("copy", labels={"größe": "大", "a": ""}).status == 200


def test_a_source_that_is_not_ready_is_refused(still: Client) -> None:
    still.insert("copy")
    answer = still.insert("copy-of-copy", "copy")
    assert (answer.status, answer.reason) == (400, "resourceNotReady")
    assert answer.message == "The resource 'projects/p1/global/images/copy' is not ready"
    still.emulator.add_image(project="p1", name="broken", status="FAILED")
    assert still.insert("copy-of-broken", "broken").reason == "resourceNotReady"


@pytest.mark.parametrize(
    ("state", "status"), [("ACTIVE", 200), ("DEPRECATED", 200), ("OBSOLETE", 400), ("DELETED", 400)]
)
def test_deprecation_and_copying(still: Client, state: str, status: int) -> None:
    still.wait(still.post("/images/web/deprecate", {"state": state}))
    assert still.insert("copy").status == status


def test_creation_times_grow_and_ids_are_decimal(still: Client) -> None:
    for name in ("a", "b", "c"):
        still.insert(name)
    images = [still.get(f"/images/{name}").json for name in ("web", "a", "b", "c")]
    times = [image["creationTimestamp"] for image in images]
    assert times == sorted(set(times))
    assert times[0].endswith("-08:00")
    assert all(image["id"].isdecimal() for image in images)
    assert still.get(f"/images/{images[1]['id']}").json["name"] == "a"


def test_a_family_is_its_newest_image_that_is_ready_and_not_deprecated(still: Client) -> None:
    still.wait(still.insert("second", family="web", storageLocations=["asia"]))
    assert still.get("/images/family/web").json["name"] == "second"
    still.insert("third", family="web")
    assert still.get("/images/family/web").json["name"] == "second"
    still.advance(10.0)
    assert still.get("/images/family/web").json["name"] == "third"
    still.post("/images/third/deprecate", {"state": "DEPRECATED"})
    assert still.get("/images/family/web").json["name"] == "second"
    still.post("/images/third/deprecate", {})
    assert still.get("/images/family/web").json["name"] == "third"
    view = still.send("GET", "/compute/v1/projects/p1/zones/us-east1-b/imageFamilyViews/web")
    assert view.json["image"]["name"] == "third"
    assert still.get("/images/family/none").reason == "notFound"


def test_moving_a_family_back_does_not_make_an_older_image_its_head(still: Client) -> None:
    still.wait(still.insert("newer", family="web"))
    still.wait(still.patch("/images/web", {"family": "web"}))
    assert still.get("/images/family/web").json["name"] == "newer"


def test_patch_changes_family_and_description_only(still: Client) -> None:
    answer = still.patch("/images/web", {"family": "fam", "description": "d", "deprecated": {"state": "OBSOLETE"}})
    assert answer.json["status"] == "RUNNING"
    assert still.wait(answer)["operationType"] == "patch"
    wanted = {"family": "fam", "description": "d"}
    assert still.get("/images/web").json.items() >= wanted.items()
    assert "deprecated" not in still.get("/images/web").json
    still.wait(still.patch("/images/web", {"family": "", "description": None}))
    assert not {"family", "description"} & still.get("/images/web").json.keys()
    for body in ({"labels": {"a": "b"}}, {"name": "other"}, {"family": "Bad"}, {"status": "READY"}):
        assert still.patch("/images/web", body).reason == "invalid"
    assert still.patch("/images/none", {}).status == 404


def test_labels_are_replaced_with_the_fingerprint_as_read(still: Client) -> None:
    def read() -> Any:
        return still.get("/images/web").json

    first = read()["labelFingerprint"]
    answer = still.post("/images/web/setLabels", {"labels": {"a": "b", "c": "d"}, "labelFingerprint": first})
    assert answer.json["status"] == "DONE"
    assert "endTime" in answer.json
    assert read()["labels"] == {"a": "b", "c": "d"}
    stale = still.post("/images/web/setLabels", {"labels": {}, "labelFingerprint": first})
    assert (stale.status, stale.reason) == (412, "conditionNotMet")
    assert still.post("/images/web/setLabels", {"labels": {"a": "b"}}).status == 412
    still.post("/images/web/setLabels", {"labelFingerprint": read()["labelFingerprint"]})
    assert "labels" not in read()
    wrong = still.post("/images/web/setLabels", {"labels": {"A": ""}, "labelFingerprint": first})
    assert (wrong.status, wrong.reason) == (400, "invalid")


def test_fingerprints_are_accepted_in_the_url_safe_alphabet(still: Client) -> None:
    labels = next(
        {"n": str(number)} for number in range(1000) if set("+/") & set(label_fingerprint({"n": str(number)}))
    )
    still.emulator.add_image(project="p1", name="odd", labels=labels)
    mark = still.get("/images/odd").json["labelFingerprint"]
    safe = mark.replace("+", "-").replace("/", "_").rstrip("=")
    assert safe != mark
    assert decoded(safe) == decoded(mark)
    assert still.post("/images/odd/setLabels", {"labelFingerprint": safe}).status == 200


def test_deprecate_keeps_a_canonical_replacement(still: Client) -> None:
    body = {"state": "DEPRECATED", "replacement": "http://127.0.0.1:1/projects/p1/global/images/next", "deleted": None}
    still.wait(still.post("/images/web/deprecate", body))
    assert still.get("/images/web").json["deprecated"] == {"state": "DEPRECATED", "replacement": CANONICAL + "next"}
    still.wait(still.post("/images/web/deprecate", {}))
    assert "deprecated" not in still.get("/images/web").json
    assert still.post("/images/web/deprecate").reason == "required"
    assert still.post("/images/web/deprecate", {"state": "OLD"}).reason == "invalid"


def test_delete_takes_the_image_and_leaves_its_copies(still: Client) -> None:
    still.wait(still.insert("copy"))
    answer = still.delete("/images/web")
    assert (answer.json["operationType"], answer.json["status"]) == ("delete", "RUNNING")
    assert still.wait(answer)["targetLink"] == CANONICAL + "web"
    missing = still.get("/images/web")
    assert (missing.status, missing.reason) == (404, "notFound")
    assert missing.message == "The resource 'projects/p1/global/images/web' was not found"
    assert still.get("/images/copy").json["sourceImage"] == CANONICAL + "web"
    assert still.delete("/images/web").status == 404
    assert still.insert("web", "", sourceDisk="zones/z/disks/d").status == 200


def test_projects_are_apart_and_may_be_domain_scoped(still: Client) -> None:
    path = "/compute/v1/projects/example.com%3Ap/global/images"
    answer = still.send("POST", path, {"name": "web", "sourceImage": "projects/p1/global/images/web"})
    assert answer.status == 200
    assert "/projects/example.com:p/global/images/web" in answer.json["targetLink"]
    assert still.send("GET", f"{path}/web").json["sourceImage"] == CANONICAL + "web"
    again = {"name": "third", "sourceImage": "projects/example.com%3Ap/global/images/web"}
    still.advance(10.0)
    assert still.send("POST", path, again).status == 200
    assert still.emulator.journal()[0]["project"] == "example.com:p"


STATE = {"pk": {"content": "cGs=", "fileType": "X509"}, "dbxs": [{"content": "ZGJ4", "fileType": "BIN"}]}


def test_a_copy_inherits_keys_codes_and_confidentiality(still: Client) -> None:
    still.emulator.add_image(
        project="p1", name="sealed", license_codes=["42"], shielded_instance_initial_state=STATE, confidential=True
    )
    still.wait(still.insert("copy", "sealed"))
    copy = still.get("/images/copy").json
    assert copy["licenseCodes"] == ["42"]
    assert copy["shieldedInstanceInitialState"] == STATE
    assert copy["enableConfidentialCompute"] is True


def test_an_image_in_several_locations(still: Client) -> None:
    still.emulator.add_image(project="p1", name="wide", locations=["asia", "eu", "us"])
    assert still.get("/images/wide").json["storageLocations"] == ["asia", "eu", "us"]
    still.insert("copy", "wide")
    assert still.get("/images/copy").json["storageLocations"] == ["asia"]


class TestDeleting:
    def test_the_name_is_taken_until_it_is_done(self, still: Client) -> None:
        still.wait(still.insert("copy"))
        answer = still.delete("/images/copy")
        assert still.get("/images/copy").json["status"] == "DELETING"
        assert still.insert("copy").reason == "alreadyExists"
        still.wait(answer)
        assert still.get("/images/copy").status == 404
        assert still.insert("copy").status == 200

    def test_nothing_can_be_done_with_it(self, still: Client) -> None:
        still.delete("/images/web")
        assert still.insert("copy").reason == "resourceNotReady"
        assert still.patch("/images/web", {"family": "new"}).reason == "resourceNotReady"
        assert still.post("/images/web/deprecate", {"state": "OBSOLETE"}).reason == "resourceNotReady"
        assert still.delete("/images/web").reason == "resourceNotReady"

    def test_it_heads_no_family(self, still: Client) -> None:
        still.wait(still.insert("copy", family="web"))
        assert still.get("/images/family/web").json["name"] == "copy"
        still.delete("/images/copy")
        assert still.get("/images/family/web").json["name"] == "web"

    def test_a_deletion_that_fails_leaves_the_image(self, still: Client) -> None:
        still.emulator.faults([{"action": {"kind": "operation", "code": "INTERNAL_ERROR", "leaves": "nothing"}}])
        assert still.wait(still.delete("/images/web"))["error"]["errors"][0]["code"] == "INTERNAL_ERROR"
        assert still.get("/images/web").json["status"] == "READY"

    @pytest.mark.parametrize(("status", "then"), [("DELETING", 404), ("PENDING", 200)])
    def test_for_a_time(self, still: Client, status: Any, then: int) -> None:
        still.emulator.add_image(project="p1", name="other", status=status, status_seconds=30)
        still.advance(29)
        assert still.get("/images/other").json["status"] == status
        still.advance(1)
        assert still.get("/images/other").status == then


def test_a_deprecated_image_with_a_replacement_heads_no_family(still: Client) -> None:
    still.wait(still.insert("second", family="web"))
    for state in ("DEPRECATED", "OBSOLETE", "DELETED"):
        still.post("/images/second/deprecate", {"state": state, "replacement": "global/images/web"})
        assert still.get("/images/family/web").json["name"] == "web"
    dates = {"deprecated": "2026-01-01T00:00:00Z", "replacement": "global/images/web"}
    still.post("/images/second/deprecate", {"state": "ACTIVE", **dates})
    assert still.get("/images/family/web").json["name"] == "second"


def test_an_image_is_read_in_a_region(still: Client) -> None:
    root = "/compute/v1/projects/p1/regions/us-east1/imageViews"
    assert still.send("GET", f"{root}/web").json["image"] == still.get("/images/web").json
    assert [each["image"]["name"] for each in still.send("GET", root).json["items"]] == ["web"]
    missing = still.send("GET", f"{root}/none")
    assert missing.message == "The resource 'projects/p1/regions/us-east1/imageViews/none' was not found"


def test_a_family_that_no_zone_sees(still: Client) -> None:
    missing = still.send("GET", "/compute/v1/projects/p1/zones/us-east1-b/imageFamilyViews/none")
    assert missing.message == "The resource 'projects/p1/zones/us-east1-b/imageFamilyViews/none' was not found"


def test_stale_labels_are_located(still: Client) -> None:
    stale = still.post("/images/web/setLabels", {"labels": {}, "labelFingerprint": "AAAA"})
    assert stale.json["error"]["errors"][0]["location"] == "If-Match"
    assert still.get("/images/web").json["labelFingerprint"] == "42WmSpB8rSM="


def test_a_project_is_named_by_its_number_too() -> None:
    images = [{"project": "p1", "name": "web", "family": "web"}]
    with running(driven=True, scenario={"images": images, "project_numbers": {"p1": "77"}}) as emulator:
        client = Client(emulator, emulator.app.clock)  # type: ignore[arg-type]
        root = "/compute/v1/projects/77/global/images"
        for path in ("web", "family/web"):
            assert client.send("GET", f"{root}/{path}").json["selfLink"] == CANONICAL + "web"
        assert client.send("POST", root, {"name": "copy", "sourceImage": "projects/77/global/images/web"}).status == 200
        assert client.get("/images/copy").json["sourceImage"] == CANONICAL + "web"
        assert [each["name"] for each in client.send("GET", root).json["items"]] == ["copy", "web"]
