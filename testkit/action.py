"""Runs the action in this process against an emulator, on a clock that jumps, and reads what it left."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.replicate import run
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.testing import Running


#: Of a run, in the order in which they are written.
OUTPUTS = [
    "decision",
    "reason",
    "result",
    "images",
    "image_names",
    "image_us",
    "image_eu",
    "image_asia",
    "failed_locations",
    "replicas",
    "index_path",
    "index_digest",
    "bundle_path",
    "attestation_path",
]
MUTATING = ("insert", "patch", "setLabels", "setIamPolicy", "delete", "deprecate")

RECORD = re.compile(r"^(?P<name>[^<\n]+)<<(?P<end>\S+)\n(?P<value>.*?)\n?(?P=end)$", re.MULTILINE | re.DOTALL)


@dataclass
class Finished:
    """What a run of the action left behind."""

    exit_code: int
    log: str
    outputs: dict[str, str]
    summary: str
    index: bytes
    seconds: float

    @property
    def result(self) -> str:
        return self.outputs["result"]

    @property
    def images(self) -> dict[str, str]:
        return dict(json.loads(self.outputs["images"]))

    @property
    def replicas(self) -> dict[str, dict[str, Any]]:
        return {row["location"]: row for row in json.loads(self.outputs["replicas"])}

    def column(self, name: str) -> dict[str, Any]:
        return {location: row[name] for location, row in self.replicas.items()}

    @property
    def annotations(self) -> list[tuple[str, str, str]]:
        found = re.findall(r"^::(notice|warning|error) (?:.*?)title=([^:,]*)::(.*)$", self.log, re.MULTILINE)
        return [(level, title, message) for level, title, message in found]


@dataclass
class Action:
    """Runs replications against one emulator; inputs not given have their defaults."""

    emulator: Running
    folder: Path
    runs: int = 0
    env: dict[str, str] = field(default_factory=dict)
    make_loop: Callable[[], VirtualLoop] = VirtualLoop
    loop: VirtualLoop | None = None
    """Of the run that goes on, or of the last one: its clock is the run's."""

    def __call__(self, **inputs: str) -> Finished:
        return self.carry_out(run.run, {"source_image": "projects/p1/global/images/web-1", **inputs})

    def carry_out(self, act: Callable[..., int], given: dict[str, str]) -> Finished:
        """One run of any kind with these inputs."""
        self.runs += 1
        temp = self.folder / f"temp{self.runs}"
        temp.mkdir()
        env = {
            "GITHUB_OUTPUT": str(temp / "output"),
            "GITHUB_STEP_SUMMARY": str(temp / "summary"),
            "RUNNER_TEMP": str(temp),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{self.emulator.url}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            **self.env,
        }
        stdout = io.StringIO()
        loop = self.loop = self.make_loop()
        began = loop.now
        try:
            code = act(given, env, stdout, commands=True, loop_factory=lambda: loop)
        finally:
            loop.close()
        index = temp / "image-index.json"
        return Finished(
            exit_code=code,
            log=stdout.getvalue(),
            outputs=read_outputs(temp / "output"),
            summary=(temp / "summary").read_text(encoding="utf-8"),
            index=index.read_bytes() if index.exists() else b"",
            seconds=loop.now - began,
        )

    def calls(self, method: str = "", target: str = "") -> list[dict[str, Any]]:
        """The journal's requests of a method (`insert`) whose target ends so."""
        return [
            entry
            for entry in self.emulator.journal()
            if (not method or entry["method"].endswith(f".{method}")) and entry["target"].endswith(target)
        ]

    def mutations(self) -> list[dict[str, Any]]:
        return [entry for entry in self.emulator.journal() if entry["method"].split(".")[-1] in MUTATING]

    def image(self, name: str, project: str = "p1") -> dict[str, Any]:
        found = self.emulator.image(project, name)
        assert found is not None, name
        return found


def read_outputs(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8")
    assert not RECORD.sub("", text).strip(), text
    return {match["name"]: match["value"] for match in RECORD.finditer(text)}
