"""What most tests need: an emulator, and the action run against it in this process on a clock that jumps."""

from __future__ import annotations

import io
import json
import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from replicator.commands.replicate import run
from tests.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Shells start what runs in the background with SIGINT ignored, which every process under test would inherit: bash could
# not be told to catch it any more.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases held: `record_property("counted", what)`, or (what, number) of a test that holds many."""
    cases: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties if report.when == "call" else ():
                if name == "counted":
                    what, number = (value, 1) if isinstance(value, str) else value
                    cases.setdefault(what, Counter())[outcome] += number
    for what, count in sorted(cases.items()):
        terminalreporter.write_line(f"{what}: {count['passed']} of {count.total()} held")


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.02, wait_seconds=0.2) as emulator:
        yield emulator
        # A fault that was never met passes for nothing.
        emulator.assert_faults_used()


@pytest.fixture
def source(emulator: Running) -> dict[str, Any]:
    """The image that most tests replicate."""
    return emulator.add_image(
        project="p1",
        name="web-1",
        family="web",
        labels={"team": "infra"},
        description="The web server",
        location="us",
        disk_size_gb=20,
        guest_os_features=["UEFI_COMPATIBLE", "GVNIC"],
        licenses=["https://www.googleapis.com/compute/v1/projects/debian-cloud/global/licenses/debian-12"],
        public=True,
    )


@pytest.fixture
def action(emulator: Running, source: dict[str, Any], tmp_path: Path) -> Action:
    return Action(emulator, tmp_path)
