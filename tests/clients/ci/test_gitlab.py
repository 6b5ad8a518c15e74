"""The GitLab component, from a tag to the next job, by gitlab-ci-local; and what GitLab's schema says of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from replicator.replicas.settings import Settings
from testkit.ci import gitlab
from testkit.ci.gitlab import Pipeline
from testkit.ci.machine import EXAMPLES, IMAGES, machine
from testkit.identity import ACCOUNT, SECRET, STS
from testkit.pages import ACTION

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPONENT = EXAMPLES / "gitlab" / "templates" / "replicate.yml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TAG = {"CI_COMMIT_TAG": "v1", "CI_COMMIT_SHA": COMMIT, "CI_PROJECT_PATH": "acme/web"}
#: The component's own.
OWN = {"stage", "image", "workload_identity_provider", "service_account"}


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    if why := gitlab.missing():
        pytest.skip(why)
    with machine() as around:
        yield Pipeline.make(tmp_path, around)


def test_from_a_tag_to_the_next_job(pipeline: Pipeline) -> None:
    """Signed in by the job's token alone; the next job has the images as variables, and the index."""
    done = pipeline.run(TAG)
    assert done.returncode == 0, done.stdout
    assert f"machines in Europe boot from {IMAGES['IMAGE_EU']}" in done.stdout
    index: Any = pipeline.index()
    revision = {"repository": "acme/web", "ref": "refs/tags/v1", "commit": COMMIT}
    assert index["images"][0]["revision"] == revision
    assert set(pipeline.machine.identity.asked) == {STS, ACCOUNT}
    told = pipeline.artifact(".gitlab-ci-reports/dotenv/image.env")
    assert f"IMAGE_ASIA={IMAGES['IMAGE_ASIA']}\n" in told
    artifacts = pipeline.folder / ".gitlab-ci-local" / "artifacts"
    kept = "".join(path.read_text("utf-8") for path in artifacts.rglob("*") if path.is_file())
    assert "eyJ" not in kept + done.stdout
    assert SECRET not in kept + done.stdout


def test_a_branch_makes_no_job(pipeline: Pipeline) -> None:
    done = pipeline.run({"CI_COMMIT_BRANCH": "main"})
    assert (done.returncode, "json schema validated" in done.stdout) == (0, True), done.stdout
    assert "replicate-image" not in done.stdout
    assert not pipeline.machine.emulator.journal()


def test_a_failed_job_tells_what_exists(pipeline: Pipeline) -> None:
    refusal = {"kind": "http", "code": 403, "reason": "forbidden", "message": "Required 'x' permission"}
    fault = {"method": "compute.images.insert", "match": "web-v1-asia", "times": None, "action": refusal}
    pipeline.machine.emulator.faults([fault])
    done = pipeline.run(TAG)
    assert done.returncode == 1
    assert "FAILED_LOCATIONS=asia\n" in pipeline.artifact(".gitlab-ci-reports/dotenv/image.env")
    assert "machines in Europe" not in done.stdout


def test_what_an_input_holds_is_no_shell(pipeline: Pipeline) -> None:
    path = pipeline.folder / ".gitlab-ci.yml"
    text = path.read_text("utf-8")
    evil = "us $(touch evil) `touch evil`; touch evil"
    path.write_text(text.replace("required_locations: all", f'required_locations: "{evil}"'), "utf-8")
    subprocess.run(["git", "-C", str(pipeline.folder), "add", "--all"], check=True)
    done = pipeline.run(TAG)
    assert done.returncode != 0
    assert "'$(touch' is not among locations" in done.stdout
    assert not list(pipeline.folder.rglob("evil"))


def test_inputs_are_the_actions() -> None:
    """With the defaults of the action, but for the commit, which GitLab always knows."""
    head, _ = yaml.safe_load_all(COMPONENT.read_text("utf-8"))
    inputs, ours = head["spec"]["inputs"], ACTION["inputs"]
    assert set(inputs) == set(Settings.model_fields) | OWN
    for name in Settings.model_fields:
        wanted = "auto" if name == "revision" else ours[name].get("default", "")
        assert (name, inputs[name]["default"]) == (name, wanted)
        assert inputs[name]["description"].strip() == ours[name]["description"].strip()


def test_the_schema(tmp_path: Path) -> None:
    """GitLab's own takes one document, and a component has two."""
    _, job = yaml.safe_load_all(COMPONENT.read_text("utf-8"))
    (tmp_path / "job.yml").write_text(yaml.safe_dump(job), "utf-8")
    check = [str(Path(sys.prefix) / "bin" / "check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci"]
    for path in (tmp_path / "job.yml", EXAMPLES / "gitlab" / ".gitlab-ci.yml"):
        done = subprocess.run([*check, str(path)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
