"""Real runners: nektos/act, and Gitea's fork of it, which is the engine of Gitea's runner.

    ran = ACT.run(Job(consumer, folder / "job"), tag_push("v1.2.3"))
    assert ran.jobs == {"image": "success"}

Both run workflows on this machine, without containers, and report as JSON lines. They get an environment of a few names;
whatever else this machine has set, they don't see.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testkit.harness.job import network, search_path
from testkit.harness.records import Annotation, read_annotations
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testkit.harness.job import Event

LONGEST_RUN = 240.0
LABELS = ("ubuntu-24.04", "ubuntu-24.04-arm", "ubuntu-latest")
REPOSITORY = "acme/images"

#: Where pip keeps its settings and its cache below HOME: the engines' own settings there are none of the test's.
_PIP = (".pip", ".config/pip", ".cache/pip")

_LEVELS = ("notice", "warning", "error")


@dataclass(kw_only=True)
class Job:
    """A consumer's repository, and what its runner is given."""

    repository: Path
    folder: Path
    """Everything that the engine writes; `witness` in it is for the workflow's own steps."""
    workflow: str
    served: Mapping[str, Path] = field(default_factory=dict)
    """`owner/name@ref` → the folder that holds that action."""
    env: Mapping[str, str] = field(default_factory=dict)
    """What the job's environment holds beside the runner's own variables."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The repository's variables, `vars` in expressions."""
    path: str = ""
    """In front of PATH."""

    @property
    def witness(self) -> Path:
        """Where steps of the workflow leave what they saw; WITNESS to them."""
        return self.folder / "witness"


@dataclass(frozen=True)
class Ran:
    """What an engine said of one run of a workflow."""

    exit_code: int
    entries: tuple[dict[str, Any], ...]
    witness: Path
    commands_apart: bool

    @cached_property
    def jobs(self) -> dict[str, str]:
        """The result of each job that ran, by its id."""
        results = {entry["jobID"]: entry["jobResult"] for entry in self.entries if "jobResult" in entry}
        return {job: result for job, result in results.items() if result != "skipped"}

    @cached_property
    def steps(self) -> dict[str, str]:
        """The result of each step that ran, by its ids from the workflow down: `replicate/decide`."""
        return {
            "/".join(entry["stepID"]): entry["stepResult"]
            for entry in self.entries
            if entry.get("stage") == "Main" and entry.get("stepResult", "skipped") != "skipped"
        }

    @property
    def stages(self) -> list[str]:
        """Which of the action's own steps ran."""
        return [name.removeprefix("replicate/") for name in self.steps if name.startswith("replicate/")]

    @property
    def exit_codes(self) -> dict[str, int]:
        """The exit code of each step that failed; the engine itself ends with 1 whatever it was."""
        failures = [(entry, re.fullmatch(r"exit status (\d+)", str(entry.get("msg")))) for entry in self.entries]
        return {"/".join(entry["stepID"]): int(match[1]) for entry, match in failures if match and "stepID" in entry}

    @cached_property
    def log(self) -> list[str]:
        """The lines that steps printed."""
        return [entry["msg"].rstrip("\r\n") for entry in self.entries if entry.get("raw_output")]

    @cached_property
    def annotations(self) -> list[Annotation]:
        """The annotations as the engine understood them; one that understands none leaves them in the log."""
        if not self.commands_apart:
            return read_annotations(self.log)
        return [
            Annotation(entry["command"], (entry["kvPairs"] or {}).get("title", ""), entry["arg"])
            for entry in self.entries
            if entry.get("command") in _LEVELS
        ]

    @cached_property
    def summary(self) -> str:
        """The job summary. A composite action's is reported for the inner step and for the outer one."""
        return "".join(
            entry["content"] for entry in self.entries if entry.get("command") == "summary" and len(entry["stepID"]) > 1
        )

    def saw(self, name: str) -> Any:
        """What a step of the workflow left as JSON in the witness folder. Raises FileNotFoundError if it did not run."""
        return json.loads((self.witness / f"{name}.json").read_text("utf-8"))

    def __str__(self) -> str:
        """The log for people, for the message of a failed test."""
        return "\n".join(str(entry.get("msg", "")).rstrip() for entry in self.entries if entry.get("level") != "debug")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One of the programs that scripts/engines.sh builds."""

    name: str
    understands_commands: bool
    """It reports annotations and summaries as such."""
    arguments: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    refs: tuple[tuple[str, str], ...] = ()
    """Event → GITHUB_REF, where its server says another than the engine by itself."""

    @property
    def program(self) -> Path:
        """Where it is, if it was built."""
        return ROOT / "build" / "engines" / self.name

    def run(self, job: Job, event: Event) -> Ran:
        """Run the workflow once. Raises TimeoutExpired, or ValueError where the engine said something else than JSON."""
        for folder in (job.witness, job.folder / "home" / ".config", job.folder / "home" / ".cache"):
            folder.mkdir(parents=True, exist_ok=True)
        (job.folder / "event.json").write_text(json.dumps(event.payload), "utf-8")
        done = subprocess.run(
            [self.program, event.name, *self._arguments(job, event)],
            cwd=job.repository,
            env=_environment(job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_RUN,
            check=False,
        )
        entries = tuple(json.loads(line) for line in done.stdout.decode("utf-8").splitlines() if line.startswith("{"))
        return Ran(done.returncode, entries, job.witness, self.understands_commands)

    def _arguments(self, job: Job, event: Event) -> Iterator[str]:
        yield from (
            "--json",
            "--action-offline-mode",
            "--no-cache-server",
            "--eventpath",
            str(job.folder / "event.json"),
        )
        yield from ("--workflows", f".github/workflows/{job.workflow}", *self.arguments)
        for label in LABELS:
            yield from ("--platform", f"{label}=-self-hosted")
        for action, folder in job.served.items():
            yield from ("--local-repository", f"{action}={folder}")
        for name, value in job.variables.items():
            yield from ("--var", f"{name}={value}")
        env = {"GITHUB_REPOSITORY": REPOSITORY, "WITNESS": str(job.witness), **dict(self.env), **job.env}
        if event.name in dict(self.refs):
            env["GITHUB_REF"] = dict(self.refs)[event.name]
        for name, value in env.items():
            yield from ("--env", f"{name}={value}")


ACT = Engine(name="act", understands_commands=True)
GITEA = Engine(
    name="gitea-act",
    understands_commands=False,
    arguments=("--github-instance", "https://git.example.org"),
    env=(("GITEA_ACTIONS", "true"),),
    refs=(("pull_request", "refs/pull/7/head"),),
)
ENGINES = (ACT, GITEA)


def _environment(job: Job) -> dict[str, str]:
    home = job.folder / "home"
    for name in _PIP:
        settings = Path.home() / name
        if settings.exists() and not (home / name).exists():
            (home / name).symlink_to(settings)
    return {
        **network(),
        "PATH": os.pathsep.join(filter(None, [job.path, search_path()])),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "XDG_CACHE_HOME": str(job.folder / "cache"),
    }
