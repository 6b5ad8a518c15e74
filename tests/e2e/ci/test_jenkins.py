"""The shell step of ci-examples/Jenkinsfile, with the variables that Jenkins gives it on a machine of Google's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from testkit.ci.jenkins import Jenkinsfile
from testkit.ci.machine import EXAMPLES, IMAGES, OUR_IMAGE, variables
from testkit.identity import METADATA

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.ci.machine import Machine

FILE = EXAMPLES / "Jenkinsfile"
JENKINS = {"TAG_NAME": "v1", "GIT_COMMIT": "0123456789abcdef", "BUILD_ID": "17", "JENKINS_URL": "https://ci.example/"}


def test_a_tag_is_replicated(around: Machine, tmp_path: Path) -> None:
    pipeline = Jenkinsfile.load(FILE)
    assert pipeline.for_tags
    assert len(pipeline.scripts) == 1
    done = pipeline.run(tmp_path, around.env(tmp_path) | around.metadata() | JENKINS)
    assert done.returncode == 0, done.stdout
    told = variables(tmp_path / "image.env")
    assert {name: told[name] for name in IMAGES} == IMAGES
    index = json.loads((tmp_path / "image-index.json").read_text("utf-8"))
    revision = {"repository": "acme/web", "ref": "refs/tags/v1", "commit": JENKINS["GIT_COMMIT"]}
    assert index["images"][0]["revision"] == revision
    assert set(around.identity.asked) == {METADATA}


def test_it_is_short_and_runs_our_image() -> None:
    text = FILE.read_text("utf-8")
    assert f"image '{OUR_IMAGE}" in text
    assert len([line for line in text.splitlines() if line.strip() and not line.startswith("//")]) <= 18


def test_the_harness_is_strict(tmp_path: Path) -> None:
    for text in ("pipeline {\n  sh '''a'''\n", "pipeline {\n  sh 'a'\n}\n", "pipeline {\n  sh '''a\\q'''\n}\n"):
        (tmp_path / "Jenkinsfile").write_text(text, "utf-8")
        with pytest.raises(ValueError, match=r"closed|three quotes|no escape"):
            Jenkinsfile.load(tmp_path / "Jenkinsfile")
