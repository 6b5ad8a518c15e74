from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from replicator.core.images import ImageRef
from replicator.inputs import source_reference
from replicator.inputs.source_reference import BadSource, FamilyRef
from testkit.places import DATA

WEB = ImageRef("p1", "web-1")


@pytest.mark.parametrize(
    ("text", "project", "expected"),
    [
        ("web-1", "p1", WEB),
        ("projects/p1/global/images/web-1", "", WEB),
        ("projects/p1/global/images/web-1", "p1", WEB),
        ("/projects/p1/global/images/web-1", "", WEB),
        ("https://www.googleapis.com/compute/v1/projects/p1/global/images/web-1", "", WEB),
        ("https://compute.googleapis.com/compute/beta/projects/p1/global/images/web-1", "", WEB),
        ("http://127.0.0.1:1/projects/p1/global/images/web-1", "", WEB),
        ("projects/example.com:p1/global/images/web-1", "", ImageRef("example.com:p1", "web-1")),
        ("projects/example.com%3Ap1/global/images/web-1", "", ImageRef("example.com:p1", "web-1")),
        ("projects/p1/global/images/family/web", "", FamilyRef("p1", "web")),
    ],
)
def test_references(text: str, project: str, expected: source_reference.SourceRef) -> None:
    assert source_reference.from_reference(text, project, {}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Web",
        "web_1",
        "projects/p1/global/images/",
        "projects/p1/global/images/a/b",
        "projects//global/images/a",
        "projects/p1/zones/z/images/a",
        "projects/p1/global/images/web-1?x=y",
        "projects/p1/global/images/../images/a",
        "projects/P/global/images/a",
        "javascript:projects/p1/global/images/a",
        "web-" + "a" * 60,
        "family/web",
    ],
)
def test_bad_references(text: str) -> None:
    with pytest.raises(BadSource) as caught:
        source_reference.from_reference(text, "p1", {})
    assert caught.value.input == "source_image"


def test_project_of_a_bare_name() -> None:
    env = {"CLOUDSDK_PROJECT": "p5", "GCLOUD_PROJECT": "p2"}
    assert source_reference.from_reference("web-1", "", env) == ImageRef("p2", "web-1")
    assert source_reference.from_reference("web-1", "p9", env) == ImageRef("p9", "web-1")
    for project in ("", "No Project"):
        with pytest.raises(BadSource) as caught:
            source_reference.from_reference("web-1", project, {})
        assert caught.value.input == "project_id"


RUN = "11111111-2222-3333-4444-555555555555"


def written(*builds: dict[str, Any]) -> str:
    return json.dumps({"builds": [{"packer_run_uuid": RUN, **build} for build in builds], "last_run_uuid": RUN})


def built(**fields: Any) -> dict[str, Any]:
    return {"builder_type": "googlecompute", "artifact_id": "web-1", "custom_data": {"project_id": "p1"}, **fields}


def test_an_image_that_is_listed_twice_is_one() -> None:
    text = written(built(), built(custom_data=None))
    assert source_reference.from_manifest(text, "p1", {}) == WEB
    with pytest.raises(BadSource, match=r"made 2 images \(web-1, web-1\)"):
        source_reference.from_manifest(written(built(), built(custom_data={"project_id": "p2"})), "", {})


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (built(builder_type="qemu", artifact_id=""), "its builders: 'qemu'"),
        (built(builder_type=None), "its builders: 'none'"),
        (built(artifact_id=""), "its artifact_id is empty"),
    ],
)
def test_a_manifest_without_an_image_leads_on(build: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSource, match="source_image") as caught:
        source_reference.from_manifest(written(build), "p1", {})
    assert said in str(caught.value)


def test_a_manifest_of_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "packer-manifest.json"
    for encoding in ("utf-16", "utf-16-be"):
        path.write_text("\ufeff" * (encoding == "utf-16-be") + written(built()), encoding=encoding)
        with pytest.raises(BadSource, match="UTF-16, as PowerShell writes it"):
            source_reference.read_manifest(str(path), {})


def test_a_project_that_a_variable_alone_says_is_told() -> None:
    env = {"GOOGLE_CLOUD_PROJECT": "acme-ci"}
    text = written(built(custom_data={"gcp_project": "p1", "commit": "1"}))
    note = source_reference.project_note("", "", text, env)
    assert "taken from the variable GOOGLE_CLOUD_PROJECT: 'acme-ci'" in note
    assert "custom_data has 'gcp_project', 'commit', and no project_id" in note
    assert "GOOGLE_CLOUD_PROJECT" in source_reference.project_note("", "web-1", "", env)
    for project, reference, made, variables in (
        ("p1", "", text, env),
        ("", "projects/p1/global/images/web-1", "", env),
        ("", "", written(built()), env),
        ("", "web-1", "", {}),
    ):
        assert source_reference.project_note(project, reference, made, variables) == ""
    with pytest.raises(BadSource, match=r"custom_data has 'gcp_project', 'commit'"):
        source_reference.from_manifest(text, "", {})


def test_the_manifest_that_packer_wrote() -> None:
    text = source_reference.read_manifest(str(DATA / "packer-manifest.json"), {})
    assert source_reference.from_manifest(text, "", {}) == ImageRef("p1", "web-20261122")
    assert source_reference.from_manifest(text, "p7", {"GOOGLE_CLOUD_PROJECT": "p8"}) == ImageRef("p7", "web-20261122")


def test_other_builders_do_not_count() -> None:
    with pytest.raises(BadSource, match="holds no build of the googlecompute builder"):
        source_reference.from_manifest(source_reference.read_manifest(str(DATA / "null-manifest.json"), {}), "", {})


def manifest(*builds: dict[str, Any], run: str = "U") -> str:
    usual = {"builder_type": "googlecompute", "artifact_id": "web-1", "packer_run_uuid": "U", "custom_data": None}
    return json.dumps({"builds": [{**usual, **build} for build in builds], "last_run_uuid": run})


def test_project_of_a_manifest() -> None:
    env = {"GOOGLE_CLOUD_PROJECT": "p3"}
    assert source_reference.from_manifest(manifest({}), "", env) == ImageRef("p3", "web-1")
    assert source_reference.from_manifest(manifest({"custom_data": {"project_id": "p2"}}), "", env) == ImageRef(
        "p2", "web-1"
    )
    with pytest.raises(BadSource) as caught:
        source_reference.from_manifest(manifest({}), "", {})
    assert caught.value.input == "project_id"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "isn't valid JSON"),
        ("{", "isn't valid JSON"),
        ("[" * 100_000, "isn't valid JSON"),
        ("[]", "not what Packer's manifest"),
        ("{}", "not what Packer's manifest"),
        ('{"builds": 7, "last_run_uuid": "U"}', "not what Packer's manifest"),
        ('{"builds": [7], "last_run_uuid": "U"}', "not what Packer's manifest"),
        ('{"builds": [], "last_run_uuid": ""}', "last_run_uuid is empty"),
        (manifest(run="V"), "holds no build"),
        (manifest({"packer_run_uuid": "old"}), "holds no build"),
        (manifest({"builder_type": "amazon-ebs"}), "holds no build"),
        (manifest({"builder_type": 7}), "holds no build"),
        (manifest({}, {"artifact_id": "web-2"}), "made 2 images (web-1, web-2)"),
        (manifest({"artifact_id": "Web"}), "isn't a valid image name"),
        (manifest({"artifact_id": 7}), "isn't a valid image name"),
        (manifest({"artifact_id": "a\n::error::x"}), "isn't a valid image name"),
    ],
)
def test_bad_manifests(text: str, says: str) -> None:
    with pytest.raises(BadSource) as caught:
        source_reference.from_manifest(text, "p1", {})
    assert says in str(caught.value)
    assert caught.value.input == "packer_manifest"


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xfa")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(11 * 2**20)
    for name, says in (
        ("missing", "can't be read"),
        ("fifo", "isn't a regular file"),
        (".", "isn't a regular file"),
        ("latin", "not UTF-8"),
        ("huge", "at most 10485760 are read"),
    ):
        with pytest.raises(BadSource, match=says):
            source_reference.read_manifest(str(tmp_path / name), {})
    with pytest.raises(BadSource, match="isn't a regular file"):
        source_reference.read_manifest("/dev/zero", {})
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbf{}")
    assert source_reference.read_manifest(str(tmp_path / "bom"), {}) == "{}"
