"""A release: its version stands in one place, and its workflows, which have not run yet, are sound."""

from __future__ import annotations

import argparse
import re
import tomllib
from typing import TYPE_CHECKING, Any

import packaging.utils
import packaging.version
import pytest
import yaml

import replicator
from scripts.release import Version
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


#: Where others read how the action is named and pinned.
PLACES = ["README.md", "docs/**/*.md", "workflows-examples/*", "action.yml"]


def texts() -> Iterator[tuple[str, str]]:
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            yield str(path.relative_to(ROOT)), path.read_text("utf-8")


class TestTheVersion:
    def test_stands_in_one_place(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        assert project["project"]["dynamic"] == ["version"]
        assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "replicator.__version__"}
        assert str(Version.parse(replicator.__version__)) == replicator.__version__
        said = re.compile(rf"(?<![0-9.]){re.escape(replicator.__version__)}(?![0-9.])")
        assert [name for name, text in texts() if said.search(text)] == []

    def test_the_changelog_agrees(self) -> None:
        text = (ROOT / "CHANGELOG.md").read_text("utf-8")
        headings = re.findall(r"^## \[(.*?)\](.*)$", text, re.MULTILINE)
        assert headings[0] == ("Unreleased", "")
        released = [Version.parse(name) for name, _ in headings[1:]]
        assert released == sorted(released, reverse=True)
        assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", date) for _, date in headings[1:])
        # Between releases the code has the version of the last one.
        assert not released or str(released[0]) == replicator.__version__

    def test_all_examples_name_one_major_version(self) -> None:
        named = {tag for _, text in texts() for tag in re.findall(r"gce-image-replicator@(v\d[^\s`'\"]*)", text)}
        assert named == {"v1"}

    @pytest.mark.parametrize(
        "text", ["1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-beta", "1.2.3-rc.01", "1.2.3\n"]
    )
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="isn't a valid version"):
            Version.parse(text)

    @pytest.mark.parametrize(
        ("text", "python"), [("1.2.3", "1.2.3"), ("1.2.3-rc.1", "1.2.3rc1"), ("0.0.0-rc.12", "0.0.0rc12")]
    )
    def test_as_package_indexes_write_it(self, text: str, python: str) -> None:
        """By the rules that their own library has: the same version, and the names of files that backends give."""
        version = Version.parse(text)
        assert version.package == str(packaging.version.Version(text)) == python
        assert version.packages == {
            f"gce_image_replicator-{python}-py3-none-any.whl",
            f"gce_image_replicator-{python}.tar.gz",
        }
        for name in version.packages:
            parse = (
                packaging.utils.parse_wheel_filename if name.endswith("whl") else packaging.utils.parse_sdist_filename
            )
            assert parse(name)[:2] == ("gce-image-replicator", packaging.version.Version(python))

    def test_order(self) -> None:
        texts = ["0.9.9", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-rc.1"]
        versions = [Version.parse(text) for text in texts]
        assert sorted(versions) == versions
        assert [str(version) for version in versions] == texts


class TestOwnWorkflows:
    """They have not run yet: what can be said of them without running them."""

    FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

    @pytest.fixture(params=FILES, ids=lambda path: path.name)
    def workflow(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(request.param.read_text("utf-8"))
        return loaded

    def test_there_are_some(self) -> None:
        assert [path.name for path in self.FILES] == ["audit.yml", "ci.yml", "release.yml", "smoke.yml"]

    def test_nothing_is_allowed_that_no_job_asks_for(self, workflow: dict[str, Any]) -> None:
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            assert job["permissions"]
            assert "timeout-minutes" in job or "uses" in job

    def test_actions_are_pinned_and_keep_no_credentials(self, workflow: dict[str, Any]) -> None:
        steps = [step for job in workflow["jobs"].values() for step in job.get("steps", [])]
        for step in steps:
            used = step.get("uses", "./")
            assert used == "./" or re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40}", used), used
            if used.startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False

    def test_what_they_call_exists(self) -> None:
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
        for path in self.FILES:
            # Comments show commands with arguments left out.
            text = re.sub(r"(?m)(^| )#.*$", "", path.read_text("utf-8"))
            assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
            for name in re.findall(r"(?:scripts/\w+\.py|locks/[a-z]+\.txt|testkit/data/[\w.-]+)", text):
                assert (ROOT / name).is_file(), name
