"""Runs the page "Packer and tags": its step, by the manifest that Packer wrote, for each event of its table."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from replicator.__main__ import main
from testkit.harness import manifest
from testkit.outputs import read_outputs
from testkit.pages import page

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.action import Action

PAGE = page("packer-and-tags.md")
(STEP,) = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0])
#: What happens, by the words of the page's table → the runner's variables.
EVENTS = {
    "a push of the tag `v1.2.0`": [{"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.2.0"}],
    "a push of the tag `nightly`, of a branch": [
        {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/nightly"},
        {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"},
    ],
    "a pull request": [{"GITHUB_EVENT_NAME": "pull_request", "INPUT_DISTRIBUTE": "true"}],
    "a run by hand": [
        {"GITHUB_EVENT_NAME": "workflow_dispatch"},
        {"GITHUB_EVENT_NAME": "workflow_dispatch", "INPUT_DISTRIBUTE": "false"},
    ],
}
ROWS = dict(re.findall(r"^\| (a .+?) \| (.+?) \|$", PAGE, re.MULTILINE))


def step(action: Action, folder: Path, event: dict[str, str]) -> dict[str, str]:
    """Run the step of the page in a workspace where Packer has built."""
    built = json.loads(manifest.put(folder).read_text("utf-8"))["builds"][-1]
    project = built["custom_data"]["project_id"]
    if action.emulator.image(project, built["artifact_id"]) is None:
        action.emulator.add_image(project=project, name=built["artifact_id"], family="web", public=True)
    env = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_WORKSPACE": str(folder),
        "RUNNER_TEMP": str(folder),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        **{f"INPUT_{name.upper()}": value for name, value in STEP["with"].items()},
        **event,
    }
    said = io.StringIO()
    assert main([], env, said) == 0, said.getvalue()
    return read_outputs(folder / "output")


def test_a_page_of_one_screen() -> None:
    assert PAGE.count("\n") < 60
    assert list(ROWS) == list(EVENTS)


def test_the_template_is_that_of_the_manifest() -> None:
    """What the step needs of Packer: where the manifest is, and the project in its custom data."""
    assert "custom_data = { project_id = var.project_id }" in PAGE
    assert STEP["with"] == {"packer_manifest": "packer-manifest.json"}


def test_a_tag_makes_a_release(action: Action, tmp_path: Path) -> None:
    (event,) = EVENTS["a push of the tag `v1.2.0`"]
    told = step(action, tmp_path, event)
    assert (told["decision"], told["result"]) == ("replicate", "complete")
    families = {row["location"]: row["promoted"] for row in json.loads(told["replicas"])}
    assert families == {"us": True, "eu": True, "asia": True}


@pytest.mark.parametrize("what", [what for what, does in ROWS.items() if does.startswith("nothing")])
def test_other_events_do_nothing(action: Action, tmp_path: Path, what: str) -> None:
    for event in EVENTS[what]:
        assert step(action, tmp_path, event)["decision"] == "skip"
        (tmp_path / "output").unlink()
    assert action.calls() == []


def test_a_run_by_hand_that_says_so(action: Action, tmp_path: Path) -> None:
    event = {"GITHUB_EVENT_NAME": "workflow_dispatch", "INPUT_DISTRIBUTE": "true"}
    assert step(action, tmp_path, event)["result"] == "complete"
