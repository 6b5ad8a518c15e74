"""Unmodified gcloud, pointed at the emulator by environment alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from replicator.commands.lifecycle import dates, in_use
from replicator.compute import connect
from replicator.core.images import ImageRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GCLOUD = shutil.which("gcloud")
pytestmark = pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")


def pointed_at(emulator: Running, folder: Path) -> Callable[..., Any]:
    """Runs gcloud against an emulator; `fails` is a part of what it says where it must fail."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CLOUDSDK_CONFIG": str(folder),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{emulator.url}/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": "p1",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }

    def run(*arguments: str, fails: str = "") -> Any:
        command = [str(GCLOUD), "compute", *arguments, "--format=json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == bool(fails), done.stderr
        assert fails in done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


@pytest.fixture(scope="module")
def gcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Callable[..., Any]]]:
    with running(copy_seconds=0.5) as emulator:
        yield emulator, pointed_at(emulator, tmp_path_factory.mktemp("gcloud"))


def test_it_makes_and_copies_images(gcloud: tuple[Running, Callable[..., Any]]) -> None:
    emulator, run = gcloud
    run(
        "images",
        "create",
        "src",
        "--source-uri=gs://b/f.tar.gz",
        "--family=fam",
        "--labels=a=b",
        "--storage-location=us",
    )
    (copy,) = run("images", "create", "dst", "--source-image-family=fam", "--family=fam", "--storage-location=eu")
    assert (copy["status"], copy["storageLocations"]) == ("READY", ["eu"])
    assert copy["sourceImageId"] == emulator.state()["images"][0]["id"]
    run(
        "images",
        "create",
        "dst",
        "--source-image=src",
        fails="The resource 'projects/p1/global/images/dst' already exists",
    )
    listed = run("images", "list", "--no-standard-images", "--filter=family=fam AND name:dst")
    assert [image["name"] for image in listed] == ["dst"]
    assert run("images", "describe-from-family", "fam")["name"] == "dst"


def test_it_changes_images(gcloud: tuple[Running, Callable[..., Any]]) -> None:
    emulator, run = gcloud
    emulator.reset()
    emulator.add_image(project="p1", name="dst", family="fam", labels={"a": "b"})
    run("images", "update", "dst", "--family=fam3", "--description=dd", "--update-labels=z=z")
    image = emulator.image("p1", "dst")
    assert image is not None
    assert (image["family"], image["description"], image["labels"]) == ("fam3", "dd", {"a": "b", "z": "z"})
    role = "--role=roles/compute.imageUser"
    run("images", "add-iam-policy-binding", "dst", "--member=allAuthenticatedUsers", role)
    condition = "--condition=expression=true,title=t"
    policy = run("images", "add-iam-policy-binding", "dst", "--member=user:a@b.c", role, condition)
    assert [binding["members"] for binding in policy["bindings"]] == [["allAuthenticatedUsers"], ["user:a@b.c"]]
    run("images", "deprecate", "dst", "--state=DEPRECATED", "--replacement=next")
    assert run("images", "describe", "dst")["deprecated"]["replacement"].endswith("projects/p1/global/images/next")
    assert {each["operationType"] for each in run("operations", "list")} == {"setLabels", "patch", "deprecate"}
    run("images", "delete", "dst", "--quiet")
    run("images", "describe", "dst", fails="was not found")
    assert not any(entry["unsupported"] for entry in emulator.journal())


def test_it_shows_what_an_operation_failed_with(gcloud: tuple[Running, Callable[..., Any]]) -> None:
    emulator, run = gcloud
    emulator.reset()
    emulator.add_image(project="p1", name="src")
    action = {"kind": "operation", "code": "RESOURCE_OPERATION_RATE_EXCEEDED", "http_status": 403}
    emulator.faults([{"action": action}])
    run("images", "create", "dst", "--source-image=src", fails="Too frequent operations from the source resource")
    assert emulator.faults()[0]["left"] == 0


def test_it_makes_and_lists_instance_templates(gcloud: tuple[Running, Callable[..., Any]]) -> None:
    """Global and regional ones, of an image and of a family: the product reads what gcloud wrote."""
    emulator, run = gcloud
    emulator.reset()
    emulator.add_image(project="p1", name="web", family="web")
    of = ("instance-templates", "create")
    run(*of, "batch", "--image=web", "--image-project=p1")
    run(*of, "latest", "--image-family=web", "--image-project=p1")
    run(*of, "west", "--image=web", "--image-project=p1", "--instance-template-region=us-west1")
    run(*of, "batch", "--image=web", "--image-project=p1", fails="already exists")
    assert {template["name"] for template in run("instance-templates", "list")} == {"batch", "latest", "west"}
    shown = run("instance-templates", "describe", "west", "--region=us-west1")
    assert shown["region"].endswith("/regions/us-west1")
    templates, _ = connect.connect(emulator.url, {}, anonymous=True).list_templates("p1", "").send()
    web = connect.connect(emulator.url, {}, anonymous=True).get(ImageRef("p1", "web")).send()
    assert sorted(each.name for each in in_use.users(web, templates)) == [
        "global/instanceTemplates/batch",
        "regions/us-west1/instanceTemplates/west",
    ]
    run("instance-templates", "delete", "west", "--region=us-west1")
    run("instance-templates", "delete", "batch", "latest")
    assert run("instance-templates", "list") == []
    run("instance-templates", "delete", "batch", fails="was not found")
    assert not any(entry["unsupported"] for entry in emulator.journal())


def test_it_makes_an_image_of_a_blank_disk(gcloud: tuple[Running, Callable[..., Any]]) -> None:
    emulator, run = gcloud
    emulator.reset()
    zone = "--zone=us-central1-a"
    made = run("disks", "create", "blank", zone, "--size=10GB", "--type=pd-standard", "--labels=a=b")
    assert [(disk["sizeGb"], disk["labels"]) for disk in made] == [("10", {"a": "b"})]
    assert [disk["name"] for disk in run("disks", "list")] == ["blank"]
    (image,) = run(
        "images", "create", "web", "--source-disk=blank", f"--source-disk-{zone[2:]}", "--storage-location=us"
    )
    assert (image["status"], image["sourceDiskId"]) == ("READY", made[0]["id"])
    run("disks", "delete", "blank", zone)
    run("disks", "describe", "blank", zone, fails="was not found")
    run("images", "create", "late", "--source-disk=blank", f"--source-disk-{zone[2:]}", fails="was not found")
    # gcloud asks whether the zone is deprecated, and goes on without an answer.
    assert {entry["method"] for entry in emulator.journal() if entry["unsupported"]} == {"compute.zones.get"}


@pytest.mark.parametrize(
    ("undeprecate", "says"), [("clear", ""), ("body_only", ""), ("refuse", "cannot become ACTIVE again")]
)
def test_it_deprecates_with_dates_and_undeprecates(tmp_path: Path, undeprecate: str, says: str) -> None:
    """gcloud clears by `ACTIVE`, which is what one of the switches ignores; its dates have no zone."""
    with running(scenario={"switches": {"undeprecate": undeprecate}}) as emulator:
        run = pointed_at(emulator, tmp_path)
        emulator.add_image(project="p1", name="web", family="web")
        run("images", "deprecate", "web", "--state=DEPRECATED", "--delete-in=7d", "--replacement=next")
        marked = run("images", "describe", "web")["deprecated"]
        assert marked["state"] == "DEPRECATED"
        assert datetime.fromisoformat(marked["deleted"]).tzinfo is None
        assert dates.latest(marked["deleted"]) is not None
        assert run("images", "list", "--no-standard-images") == []
        (listed,) = run("images", "list", "--no-standard-images", "--show-deprecated")
        assert listed["name"] == "web"
        run("images", "deprecate", "web", "--state=ACTIVE", fails=says)
        after = run("images", "describe", "web")["deprecated"]
        assert after == ({"state": "ACTIVE"} if undeprecate == "clear" else marked)


def test_a_warned_list_looks_whole_to_it(gcloud: tuple[Running, Callable[..., Any]]) -> None:
    """gcloud prints what there is and exits with 0, which is why the product reads the warning itself."""
    emulator, run = gcloud
    emulator.reset()
    for name in ("batch", "other"):
        emulator.add_template(project="p1", name=name)
    emulator.faults([{"method": "compute.instanceTemplates.aggregatedList", "action": {"kind": "partial"}}])
    assert [template["name"] for template in run("instance-templates", "list")] == ["batch"]
    emulator.assert_faults_used()
