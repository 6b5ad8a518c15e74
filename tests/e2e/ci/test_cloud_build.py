"""ci-examples/cloudbuild.yaml, step by step: no key, credentials from the metadata server, results in /workspace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.ci.cloud_build import CloudBuild, HarnessError
from testkit.ci.machine import EXAMPLES, IMAGES, variables
from testkit.identity import METADATA, SECRET

if TYPE_CHECKING:
    from testkit.ci.machine import Machine

FILE = EXAMPLES / "cloudbuild.yaml"
TRIGGER = {
    "PROJECT_ID": "my-project",
    "BUILD_ID": "0f0e0d0c-0b0a-0908-0706-050403020100",
    "LOCATION": "europe-west1",
    "TRIGGER_NAME": "release",
    "REPO_FULL_NAME": "acme/web",
    "TAG_NAME": "v1",
    "COMMIT_SHA": "0123456789abcdef0123456789abcdef01234567",
}


def folders(tmp_path: Path) -> tuple[Path, Path]:
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    workspace.mkdir()
    home.mkdir()
    return workspace, home


def test_a_tag_is_replicated_and_verified(around: Machine, tmp_path: Path) -> None:
    workspace, home = folders(tmp_path)
    done = CloudBuild.load(FILE).run(workspace, around, TRIGGER, home)
    assert (done.exit_code, done.ran) == (0, ["open-workspace", "replicate", "verify"]), done.log
    told = variables(workspace / "image.env")
    assert {name: told[name] for name in IMAGES} == IMAGES
    index = json.loads((workspace / "image-index.json").read_text("utf-8"))
    commit = TRIGGER["COMMIT_SHA"]
    assert index["images"][0]["revision"] == {"repository": "acme/web", "ref": "refs/tags/v1", "commit": commit}
    assert set(around.identity.asked) == {METADATA}
    assert None not in {entry["principal"] for entry in around.emulator.journal()}
    assert SECRET not in done.log + (workspace / "image.env").read_text("utf-8")


def test_a_build_by_hand_is_told_what_is_missing(around: Machine, tmp_path: Path) -> None:
    """Cloud Build fills what it doesn't know with nothing."""
    by_hand = {name: TRIGGER[name] for name in ("PROJECT_ID", "BUILD_ID", "LOCATION")}
    done = CloudBuild.load(FILE).run(*folders(tmp_path)[:1], around, by_hand, tmp_path)
    assert (done.exit_code, done.ran[-1]) == (2, "replicate")
    assert "what Cloud Build says of repository (REPO_FULL_NAME), ref (TAG_NAME or BRANCH_NAME)" in done.log
    assert not around.emulator.journal()


def test_a_location_that_fails_ends_the_build_with_results(around: Machine, tmp_path: Path) -> None:
    workspace, home = folders(tmp_path)
    refusal = {"kind": "http", "code": 403, "reason": "forbidden", "message": "Required 'x' permission"}
    around.emulator.faults(
        [{"method": "compute.images.insert", "match": "web-v1-asia", "times": None, "action": refusal}]
    )
    done = CloudBuild.load(FILE).run(workspace, around, TRIGGER, home)
    assert (done.exit_code, done.ran[-1]) == (1, "replicate"), done.log
    told = variables(workspace / "image.env")
    assert (told["RESULT"], told["FAILED_LOCATIONS"], told["IMAGE_ASIA"]) == ("failed", "asia", "")


def test_the_schema() -> None:
    check = [str(Path(sys.prefix) / "bin" / "check-jsonschema"), "--builtin-schema", "vendor.cloudbuild", str(FILE)]
    assert subprocess.run(check, check=False, capture_output=True).returncode == 0


def test_the_harness_is_strict(around: Machine, tmp_path: Path) -> None:
    build = CloudBuild({"steps": [{"id": "a", "name": "ubuntu", "args": ["echo", "$NOBODY"]}]})
    with pytest.raises(HarnessError, match="NOBODY isn't a substitution"):
        build.run(tmp_path, around, {}, tmp_path)
    build = CloudBuild({"steps": [{"id": "a", "name": "ubuntu", "args": ["echo", "$$HOME ${_X}"]}]})
    assert build.run(tmp_path, around, {"_X": "y"}, tmp_path).log == "$HOME y\n"
