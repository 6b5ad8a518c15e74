"""Runs `release publish` in this process against a forge on loopback, on a clock that jumps, and reads what it left."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from replicator.commands.release.forges.http import Clock
from replicator.commands.release.run import Releasing
from replicator.runtime.lifecycle import execute
from testkit.outputs import read_outputs

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"vmlinuz-x86_64": b"kernel " * 40, "initrd.zst": b"initrd" * 99, "boot.iso": b"\0iso" * 500}


@dataclass
class Left:
    """What a run left behind."""

    exit_code: int
    log: str
    outputs: dict[str, str]
    summary: str

    @property
    def result(self) -> str:
        """The output `result`."""
        return self.outputs["result"]

    @property
    def why(self) -> str:
        """The reason of the closed list."""
        return self.outputs["reason"].partition(":")[0]

    @property
    def outcomes(self) -> dict[str, str]:
        """Asset → outcome."""
        return {row["name"]: row["outcome"] for row in json.loads(self.outputs["assets"])}


@dataclass
class Caller:
    """A workspace with artifacts, and the settings of a run."""

    folder: Path
    server: str
    forge: str = "github"
    token: str = "ghs_right"
    repository: str = "acme/images"
    tag: str = "boot-v7"
    commit: str = COMMIT
    env: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        """Write the files."""
        (self.folder / "out").mkdir(parents=True, exist_ok=True)
        for name, content in FILES.items():
            (self.folder / "out" / name).write_bytes(content)

    def __call__(self, **inputs: str) -> Left:
        """One run of the action's last step."""
        self.runs += 1
        temp = self.folder / f"temp{self.runs}"
        temp.mkdir()
        env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.folder),
            "RUNNER_TEMP": str(temp),
            "GITHUB_OUTPUT": str(temp / "output"),
            "GITHUB_STEP_SUMMARY": str(temp / "summary"),
            "GITHUB_SERVER_URL": self.server,
            "GITHUB_REPOSITORY": self.repository,
            "GITHUB_REF": f"refs/tags/{self.tag}",
            "GITHUB_SHA": self.commit,
            **self.env,
        }
        given: dict[str, Any] = {"files": "out/*", "token": self.token, "forge": self.forge, **inputs}
        stdout = io.StringIO()

        def run(**settings: Any) -> Releasing:
            return Releasing(clock=jumping(), **settings)

        code = execute(run, given, env, stdout, commands=True, of_action=True)  # type: ignore[arg-type]
        return Left(code, stdout.getvalue(), read_outputs(temp / "output"), (temp / "summary").read_text("utf-8"))


def jumping() -> Clock:
    """A clock on which waiting takes no time."""
    now = [1000.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Clock(now=lambda: now[0], sleep=sleep, wall=lambda: now[0])
