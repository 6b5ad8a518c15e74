"""Other people's repositories: workflows that use the action, and read what it gives in every way that workflows can."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from testkit.harness import manifest
from testkit.harness.callers import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OURS = "gce-image-replicator/gce-image-replicator@v1"
STAND_INS = Path(__file__).parent / "stand_ins"
CALLER = "caller.yml"

DISPATCH = {"inputs": {"distribute": {"type": "boolean", "default": False}}}
EVENTS = {
    "push": None,
    "pull_request": None,
    "pull_request_target": None,
    "workflow_dispatch": DISPATCH,
    "schedule": [{"cron": "0 4 * * 1"}],
    "release": None,
    "repository_dispatch": None,
    "workflow_run": {"workflows": ["Build"]},
    "merge_group": None,
    "issue_comment": None,
}

#: What a test may ask of the machine before it ends: to keep what the action set up there.
KEEP = {"if": "env.KEEP != ''", "run": 'mv "$RUNNER_TEMP"/replicator-* "$KEEP"'}

Workflow = dict[str, Any]


def repository(folder: Path, workflows: Mapping[str, str]) -> Path:
    """A git repository on branch main with these workflows, and whatever the folder held before."""
    for name, text in workflows.items():
        path = folder / ".github" / "workflows" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    me = ("-c", "user.name=A consumer", "-c", "user.email=consumer@example.org", "-c", "commit.gpgsign=false")
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "Begin"]):
        subprocess.run(["git", *me, *words], cwd=folder, check=True)
    return folder


def caller(inputs: Mapping[str, str], *, uses: str = OURS) -> Workflow:
    """A workflow that uses the action; later steps and later jobs leave what they read of it in the witness folder."""
    return {"name": "Caller", "on": EVENTS, "jobs": {"image": image_job(inputs, uses), **reading_jobs("image")}}


def image_job(inputs: Mapping[str, str], uses: str = OURS) -> Workflow:
    """The job that replicates, with every output of the action as an output of its own."""
    return {
        "runs-on": "ubuntu-24.04",
        "outputs": {name: f"${{{{ steps.replicate.outputs.{name} }}}}" for name in sorted(OUTPUTS)},
        "steps": [
            # What `uses: ./` needs; both engines copy the repository themselves.
            {"uses": "actions/checkout@v4"},
            {"id": "replicate", "uses": uses, "with": dict(inputs)},
            _witness("step", "${{ toJSON(steps.replicate.outputs) }}", condition="always()"),
            _witness("outcome", "${{ toJSON(steps.replicate.outcome) }}", condition="always()"),
            _witness(
                "images",
                "${{ toJSON(fromJSON(steps.replicate.outputs.images)) }}",
                condition="steps.replicate.outputs.decision == 'replicate'",
            ),
            _witness("failure", "${{ toJSON(steps.replicate.outputs.failed_locations) }}", condition="failure()"),
            {"if": "always()", "run": 'ls -A "$RUNNER_TEMP" >"$WITNESS/temp"'},
            KEEP,
        ],
    }


def reading_jobs(needed: str) -> Workflow:
    """Two jobs after one that has the action's outputs: one reads them all, one runs only after a complete success."""
    return {
        "after": {
            "runs-on": "ubuntu-24.04",
            "needs": needed,
            "if": "always()",
            "steps": [_witness("needs", f"${{{{ toJSON(needs.{needed}) }}}}")],
        },
        "announce": {
            "runs-on": "ubuntu-24.04",
            "needs": needed,
            "if": f"needs.{needed}.outputs.result == 'complete'",
            "steps": [_witness("announced", f"${{{{ toJSON(needs.{needed}.outputs.image_eu) }}}}")],
        },
    }


def reusable(inputs: Mapping[str, str]) -> dict[str, Workflow]:
    """A workflow that others call, and its caller, by file name."""
    job = image_job({**inputs, "distribute": "${{ inputs.distribute }}"})
    shared = {
        "name": "Shared",
        "on": {
            "workflow_call": {
                "inputs": {"distribute": {"type": "string"}},
                "outputs": {name: {"value": f"${{{{ jobs.image.outputs.{name} }}}}"} for name in sorted(OUTPUTS)},
            }
        },
        "jobs": {"image": job},
    }
    call = {"uses": "./.github/workflows/shared.yml", "with": {"distribute": "${{ inputs.distribute }}"}}
    return {
        CALLER: {"name": "Caller", "on": EVENTS, "jobs": {"shared": call, **reading_jobs("shared")}},
        "shared.yml": shared,
    }


def _witness(name: str, expression: str, condition: str = "success()") -> Workflow:
    return {"if": condition, "env": {"SEEN": expression}, "run": f'printf %s "$SEEN" >"$WITNESS/{name}.json"'}


def text(workflow: Any) -> str:
    """A workflow, or a part of one, as a file."""
    return yaml.safe_dump(workflow, sort_keys=False)


def stand_ins(folder: Path, workflow: str) -> dict[str, Path]:
    """Local actions for those of others that a workflow uses, each under the very commit that the workflow names."""
    served = {}
    for step in _steps(yaml.safe_load(workflow)):
        action = step.get("uses", "").partition("@")[0]
        if (STAND_INS / action / "action.yml").exists():
            served[step["uses"]] = shutil.copytree(STAND_INS / action, folder / action, dirs_exist_ok=True)
    for packer in folder.glob("*/setup-packer/bin"):
        manifest.put(packer)
    return served


def _steps(workflow: Workflow) -> Sequence[Workflow]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]
