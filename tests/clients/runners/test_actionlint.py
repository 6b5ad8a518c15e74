"""actionlint reads every workflow that we show or run; it holds each use of the action against `action.yml`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from testkit.places import ROOT
from testkit.runners import consumer

ACTIONLINT = ROOT / "build" / "engines" / "actionlint"
FOLDERS = (ROOT / "workflows-examples", ROOT / ".github" / "workflows")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```ya?ml\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(
    not ACTIONLINT.exists(), reason="actionlint is not built: `make test-runners` builds it where Go is"
)


def whole(shown: str) -> str:
    """The workflow around what a page shows: a workflow, steps, inputs or permissions. Empty if it is none of these."""
    match yaml.safe_load(shown):
        case {"jobs": _}:
            return shown
        case {"distribute": _} as inputs:
            job = {"runs-on": "ubuntu-24.04", "steps": [{"uses": consumer.OURS, "with": inputs}]}
        case {"permissions": permissions}:
            job = {"runs-on": "ubuntu-24.04", "permissions": permissions, "steps": [{"uses": consumer.OURS}]}
        case [*steps]:
            named = any(step.get("id") == "replicate" for step in steps)
            before = [] if named else [{"id": "replicate", "uses": consumer.OURS}]
            if "steps.merge." in shown and not any(step.get("id") == "merge" for step in steps):
                before.append({"id": "merge", "uses": consumer.OURS.replace("@", "/merge@")})
            job = {"runs-on": "ubuntu-24.04", "steps": [*before, *steps]}
        case _:
            return ""
    return consumer.text({"on": {"push": None, "workflow_dispatch": consumer.DISPATCH}, "jobs": {"image": job}})


SHOWN = [
    pytest.param(workflow, id=f"{page.name}:{page.read_text('utf-8')[: block.start()].count(chr(10)) + 1}")
    for page in PAGES
    for block in _BLOCK.finditer(page.read_text("utf-8"))
    if (workflow := whole(block[1]))
]


def lint(folder: Path, workflows: dict[str, str]) -> None:
    """Raises AssertionError where actionlint finds anything in workflows of one repository, with what it found."""
    shutil.copy(ROOT / "action.yml", folder)
    # For an action of the repository itself it knows the inputs and the outputs.
    ours = re.compile(r"gce-image-replicator/gce-image-replicator@\w+")
    repository = consumer.repository(folder, {name: ours.sub("./", text) for name, text in workflows.items()})
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    linted = subprocess.run(
        # Gitea and Forgejo take the whole address of an action, which actionlint doesn't know.
        [ACTIONLINT, "-no-color", "-ignore", 'specifying action "https://'],
        cwd=repository,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_folder(folder: Path, tmp_path: Path) -> None:
    workflows = {path.name: path.read_text("utf-8") for path in folder.glob("*.yml")}
    assert workflows
    lint(tmp_path, workflows)


@pytest.mark.parametrize("workflow", SHOWN)
def test_shown(workflow: str, tmp_path: Path) -> None:
    lint(tmp_path, {"shown.yml": workflow})


@pytest.mark.parametrize("expression", ["${{ inputs.distribute }}", "${{ inputs.distribute || 'true' }}"])
def test_callers_of_the_other_tests(expression: str, tmp_path: Path) -> None:
    workflow = consumer.text(consumer.caller({"source_image": "web", "distribute": expression}))
    lint(tmp_path, {"shown.yml": workflow})


@pytest.mark.parametrize(
    "step", [{"uses": consumer.OURS, "with": {"location": "eu"}}, {"run": "echo ${{ steps.replicate.outputs.image }}"}]
)
def test_notices_what_the_action_does_not_have(step: Any, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"location|image"):
        lint(tmp_path, {"shown.yml": whole(consumer.text([step]))})
