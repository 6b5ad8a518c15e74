"""Runs a cloudbuild.yaml as Cloud Build does: substitutions, then the steps in turn, over one folder as /workspace.

build = CloudBuild.load(path)
done = build.run(folder, machine, {"TAG_NAME": "v1", …})

From Cloud Build's documentation ("Build configuration file schema", "Substitute variable values"): user-defined
substitutions begin with `_`; `$$` is a dollar sign; a built-in that the build doesn't have is empty; an unknown one is an
error; steps get the variables that `env` names and no others; the first step that fails ends the build. Keys that this
harness doesn't know are errors.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from testkit.ci.machine import OUR_IMAGE, Machine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BUILT_IN = frozenset(
    {
        "PROJECT_ID", "BUILD_ID", "PROJECT_NUMBER", "LOCATION", "TRIGGER_NAME", "COMMIT_SHA", "REVISION_ID", "SHORT_SHA",
        "REPO_NAME", "REPO_FULL_NAME", "BRANCH_NAME", "TAG_NAME", "REF_NAME", "TRIGGER_BUILD_CONFIG_PATH",
        "SERVICE_ACCOUNT_EMAIL", "SERVICE_ACCOUNT",
    }
)  # fmt: skip
_KEYS = frozenset({"steps", "substitutions", "timeout", "serviceAccount", "options"})
_STEP_KEYS = frozenset({"id", "name", "args", "env"})
_LONGEST_STEP = 120.0


class HarnessError(Exception):
    """The file asks for something that Cloud Build would refuse, or that this harness doesn't know."""


@dataclass
class Built:
    """What a build did."""

    exit_code: int = 0
    ran: list[str] = field(default_factory=list)
    log: str = ""


@dataclass(frozen=True, slots=True)
class CloudBuild:
    """A build's configuration."""

    document: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> CloudBuild:
        """Read a file. Raises HarnessError for keys that aren't known."""
        document = yaml.safe_load(path.read_text("utf-8"))
        strange = {*document} - _KEYS | {key for step in document["steps"] for key in step} - _STEP_KEYS
        if strange:
            raise HarnessError(f"unknown keys: {', '.join(sorted(strange))}")
        return cls(document)

    def run(self, workspace: Path, machine: Machine, given: Mapping[str, str], home: Path) -> Built:
        """Run the steps; `given` are the substitutions of the trigger, built-in or with `_`."""
        known = {**dict.fromkeys(_BUILT_IN, ""), **self.document.get("substitutions", {}), **given}
        whole = _substituted(self.document["steps"], known)
        for key in ("serviceAccount", "timeout", "options"):
            _substituted(self.document.get(key), known)
        done = Built()
        for step in whole:
            done.ran.append(step["id"])
            words = [word.replace("/workspace", str(workspace)) for word in step["args"]]
            if step["name"].startswith(OUR_IMAGE):
                words = ["gce-image-replicator", *words]
            elif step["name"] != "ubuntu":
                raise HarnessError(f"nobody has the image {step['name']}")
            env = machine.env(home) | machine.metadata() | dict(line.split("=", 1) for line in step.get("env", ()))
            ran = subprocess.run(
                words,
                cwd=workspace,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_LONGEST_STEP,
                check=False,
            )
            done.log += ran.stdout
            done.exit_code = ran.returncode
            if ran.returncode:
                break
        return done


def _substituted(node: Any, known: Mapping[str, str]) -> Any:
    """Every text below a node with its substitutions made."""
    if isinstance(node, dict):
        return {key: _substituted(value, known) for key, value in node.items()}
    if isinstance(node, list):
        return [_substituted(item, known) for item in node]
    if not isinstance(node, str):
        return node

    def put(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return "$"
        if name not in known:
            raise HarnessError(f"{name} isn't a substitution")
        return known[name]

    return re.sub(r"\$\$|\$(_?[A-Z][A-Z0-9_]*)|\$\{(_?[A-Z][A-Z0-9_]*)\}", put, node)
