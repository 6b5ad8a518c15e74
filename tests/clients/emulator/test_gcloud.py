"""Unmodified gcloud, pointed at the emulator by environment alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GCLOUD = shutil.which("gcloud")
pytestmark = pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")


@pytest.fixture(scope="module")
def gcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Callable[..., Any]]]:
    folder = tmp_path_factory.mktemp("gcloud")
    with running(copy_seconds=0.5) as emulator:
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

        yield emulator, run


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
