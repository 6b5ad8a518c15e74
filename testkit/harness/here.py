"""The action's last step inside this process: `main` with everything that it takes from outside handed in.

For tests whose subject is the API and not the runner: starting an interpreter and importing google-cloud-compute costs
seconds each time.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.__main__ import main
from testkit.harness.job import on_emulator, tag_push
from testkit.harness.records import Annotation, read_annotations, read_outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

#: By which `make coverage` finds a process that is given an environment of its own.
MEASURED = "COVERAGE_PROCESS_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What it left behind."""

    exit_code: int
    log: str
    outputs: Mapping[str, str]
    annotations: tuple[Annotation, ...]

    @property
    def images(self) -> dict[str, str]:
        """Location → URI of what is verified."""
        return dict(json.loads(self.outputs["images"]))

    @property
    def replicas(self) -> dict[str, dict[str, Any]]:
        """The output `replicas` by location."""
        return {row["location"]: row for row in json.loads(self.outputs["replicas"])}

    @property
    def index(self) -> bytes:
        """The index's bytes."""
        return Path(self.outputs["index_path"]).read_bytes()


def environment(folder: Path, url: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """The environment of the step on the push of a tag: `folder` is workspace and temporary folder in one."""
    for name in ("output", "summary"):
        (folder / name).write_bytes(b"")
    return {
        **tag_push("v1.2.3").env(),
        **on_emulator(url),
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(folder),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "RUNNER_TEMP": str(folder),
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
        **{name: os.environ[name] for name in (MEASURED,) if name in os.environ},
    }


def finished(folder: Path, exit_code: int, log: str) -> Done:
    """Read back what a run in this folder left."""
    return Done(
        exit_code=exit_code,
        log=log,
        outputs=read_outputs((folder / "output").read_text("utf-8")),
        annotations=tuple(read_annotations(log.splitlines())),
    )


def run_here(folder: Path, url: str, inputs: Mapping[str, str]) -> Done:
    """Run it."""
    stdout = io.StringIO()
    code = main([], environment(folder, url, inputs), stdout)
    return finished(folder, code, stdout.getvalue())
