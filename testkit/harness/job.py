"""Runs `action.yml` as GitHub's runner runs a composite action, so that what is tested is what users run.

    job = Job(folder)
    run = job.run(Action.load(export(folder / "actions")), tag_push("v1.2.3"), {"packer_manifest": "packer-manifest.json"})
    assert run.outputs["result"] == "complete"

What it takes from the runner (actions/runner, `CompositeActionHandler`, `ScriptHandler`): no `INPUT_*` by itself, a
script file run by the shell that the step names, the caller's workspace as working folder, fresh command
files for every step, no further step after one that failed, outputs computed all the same. What it adds is
strictness: keys, expressions, inputs, records or commands that it does not know are errors.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from testkit.harness.expressions import Context, expand, holds
from testkit.harness.records import Annotation, read_annotations, read_outputs
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


#: Where a runner unpacks the action; a path with blanks and letters beyond ASCII, since self-hosted runners have such.
ACTION_FOLDER = "Aktionen für alle/gce-image-replicator/v1"

SHA = "0123456789abcdef0123456789abcdef01234567"
LONGEST_STEP = 180.0

_STEP_KEYS = {"name", "id", "if", "shell", "env", "run"}
#: The words behind a shell's short name.
_SHELLS = {"bash": "bash --noprofile --norc -e -o pipefail {0}"}
_REFERENCE = re.compile(r"steps\.([A-Za-z0-9_-]+)\.outputs\.([A-Za-z0-9_-]+)")
_NETWORK = re.compile(
    r"PIP_.*|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.IGNORECASE
)


class HarnessError(Exception):
    """The action asks for something that this harness does not know, or that GitHub's runner would not accept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What started the workflow: the runner's variables, and the payload in the event file."""

    name: str
    ref: str = ""
    sha: str = SHA
    payload: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """The variables that describe it."""
        parts = self.ref.split("/", 2)
        return {
            "GITHUB_EVENT_NAME": self.name,
            "GITHUB_REF": self.ref,
            "GITHUB_REF_NAME": parts[-1],
            "GITHUB_REF_TYPE": "tag" if parts[:2] == ["refs", "tags"] else "branch",
            "GITHUB_SHA": self.sha,
            **self.more,
        }


def tag_push(tag: str) -> Event:
    """A tag was pushed."""
    ref = f"refs/tags/{tag}"
    return Event(name="push", ref=ref, payload={"ref": ref, "deleted": False, "after": SHA})


def tag_deletion(tag: str) -> Event:
    """A tag was deleted: GitHub reports the default branch's commit, and says `deleted` in the payload only."""
    ref = f"refs/tags/{tag}"
    return Event(name="push", ref=ref, payload={"ref": ref, "deleted": True, "after": "0" * 40})


def branch_push(branch: str = "main") -> Event:
    """A branch was pushed."""
    ref = f"refs/heads/{branch}"
    return Event(name="push", ref=ref, payload={"ref": ref, "deleted": False, "after": SHA})


def on_branch(name: str) -> Event:
    """Any other event, on the default branch: `workflow_dispatch`, `schedule`, `release`, …"""
    return Event(name=name, ref="refs/heads/main")


def pull_request(*, fork: bool = False) -> Event:
    """A pull request, of a branch of this repository or of a fork."""
    head = {"ref": "change", "repo": {"full_name": "stranger/images" if fork else "acme/images", "fork": fork}}
    return Event(
        name="pull_request",
        ref="refs/pull/7/merge",
        payload={"action": "opened", "number": 7, "pull_request": {"head": head, "base": {"ref": "main"}}},
        more={"GITHUB_HEAD_REF": "change", "GITHUB_BASE_REF": "main"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the action."""

    id: str
    name: str
    script: str
    condition: str = ""
    shell: tuple[str, ...] = ()
    """The words that the script is run by; `{0}` stands for its path."""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`action.yml`, understood."""

    path: Path
    defaults: Mapping[str, str]
    outputs: Mapping[str, str]
    """Name → expression."""
    steps: tuple[Step, ...]
    read: frozenset[tuple[str, str]]
    """(step, output) pairs that some expression reads, of this action or of one that lies around it: they share steps'
    programs, which write for both."""

    @classmethod
    def load(cls, path: Path) -> Action:
        """Read the `action.yml` of a folder. Raises HarnessError for what it does not know."""
        text = (path / "action.yml").read_text("utf-8")
        around = path.parent / "action.yml"
        meta = yaml.safe_load(text)
        if meta["runs"]["using"] != "composite" or set(meta["runs"]) != {"using", "steps"}:
            raise HarnessError("not a composite action")
        defaults = {name: spec.get("default", "") for name, spec in meta["inputs"].items()}
        return cls(
            path=path,
            defaults={name: _string(value, f"default of {name}") for name, value in defaults.items()},
            outputs={name: _string(spec["value"], name) for name, spec in meta["outputs"].items()},
            steps=tuple(_step(spec) for spec in meta["runs"]["steps"]),
            read=frozenset(
                (step, name)
                for step, name in _REFERENCE.findall(text + (around.read_text("utf-8") if around.exists() else ""))
            ),
        )

    def inputs(self, given: Mapping[str, str]) -> dict[str, str]:
        """All inputs: defaults where nothing is given, and `""` given stays `""`, as on GitHub."""
        unknown = sorted(set(given) - set(self.defaults))
        if unknown:
            raise HarnessError(f"action.yml has no inputs {', '.join(unknown)}")
        return {**self.defaults, **given}


def _step(spec: Mapping[str, Any]) -> Step:
    unknown = set(spec) - _STEP_KEYS
    shell = shlex.split(_SHELLS.get(spec.get("shell", ""), spec.get("shell", "")))
    if unknown or shell[:1] != ["bash"] or shell.count("{0}") != 1 or not spec.get("id") or not spec.get("name"):
        raise HarnessError(f"a step that this harness can't run: {sorted(unknown) or spec}")
    if "${{" in spec["run"]:
        raise HarnessError(f"an expression inside the script of {spec['id']}: values reach scripts through env")
    return Step(
        id=spec["id"],
        name=spec["name"],
        script=spec["run"],
        condition=spec.get("if", ""),
        shell=tuple(shell),
        env={name: _string(value, name) for name, value in spec.get("env", {}).items()},
    )


def _string(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise HarnessError(f"{where} is {value!r}: quote it, YAML makes it something else than a string")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """What one step left behind."""

    id: str
    exit_code: int
    lines: tuple[str, ...]
    outputs: Mapping[str, str]
    summary: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one use of the action left behind."""

    steps: tuple[StepRun, ...]
    outputs: Mapping[str, str]
    annotations: tuple[Annotation, ...]

    @property
    def exit_code(self) -> int:
        """That of the step that failed, or 0."""
        return self.steps[-1].exit_code

    @property
    def conclusion(self) -> str:
        """`success` or `failure`, as the workflow shows it."""
        return "failure" if self.exit_code else "success"

    @property
    def ran(self) -> list[str]:
        """The ids of the steps that ran."""
        return [step.id for step in self.steps]

    @property
    def log(self) -> str:
        """Everything that was printed."""
        return "\n".join(line for step in self.steps for line in step.lines)

    @property
    def summary(self) -> str:
        """The job summary."""
        return "".join(step.summary for step in self.steps)

    @property
    def seconds(self) -> float:
        """How long the steps took."""
        return sum(step.seconds for step in self.steps)

    def json(self, output: str) -> Any:
        """An output that is JSON."""
        return json.loads(self.outputs[output])

    @property
    def replicas(self) -> dict[str, dict[str, Any]]:
        """The output `replicas` by location."""
        return {row["location"]: row for row in self.json("replicas")}


@dataclass(frozen=True, slots=True)
class Under:
    """The step that is running now, for those who watch it."""

    step: Step
    process: subprocess.Popen[bytes]

    def signal(self, number: signal.Signals) -> None:
        """Signal the step's own process and nothing below it, as the runner does when a job is cancelled."""
        self.process.send_signal(number)


@dataclass(kw_only=True)
class Job:
    """A job on a runner: its workspace and its temporary folder, which all its steps share."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    """What the job's environment holds beside the runner's own variables."""
    search_path: str = ""
    """PATH; by default this machine's, with the Python that runs this one in front."""
    under: tuple[str, ...] = ()
    """A command that each step's shell is started by: another umask, no standard input, a file system of its own."""

    def __post_init__(self) -> None:
        """Make the folders."""
        for path in (self.workspace, self.temp, self.home):
            path.mkdir(parents=True, exist_ok=True)

    @property
    def workspace(self) -> Path:
        """The caller's checkout."""
        return self.folder / "work" / "images" / "images"

    @property
    def temp(self) -> Path:
        """RUNNER_TEMP."""
        return self.folder / "work" / "_temp"

    @property
    def home(self) -> Path:
        """HOME, unless `env` says otherwise."""
        return self.folder / "home"

    def run(
        self,
        action: Action,
        event: Event,
        inputs: Mapping[str, str] | None = None,
        *,
        on_step: Callable[[Step], None] | None = None,
        on_line: Callable[[Under, str], None] | None = None,
    ) -> Run:
        """Use the action once. Both callbacks are called as it goes on."""
        context = Context(action.inputs(inputs or {}), {step.id: {} for step in action.steps})
        outputs: dict[str, dict[str, str]] = {step.id: {} for step in action.steps}
        runs: list[StepRun] = []
        for step in action.steps:
            if runs and runs[-1].exit_code:
                break
            if step.condition and not holds(step.condition, context):
                continue
            if on_step:
                on_step(step)
            run = self._step(action, event, step, context, on_line)
            for name in run.outputs:
                if (step.id, name) not in action.read:
                    raise HarnessError(f"nobody reads the output {name} of {step.id}")
            outputs[step.id] = dict(run.outputs)
            context = Context(context.inputs, outputs)
            runs.append(run)
        return Run(
            steps=tuple(runs),
            outputs={name: expand(value, context) for name, value in action.outputs.items()},
            annotations=tuple(read_annotations([line for run in runs for line in run.lines])),
        )

    def _step(
        self,
        action: Action,
        event: Event,
        step: Step,
        context: Context,
        on_line: Callable[[Under, str], None] | None,
    ) -> StepRun:
        files = self.temp / "_runner_file_commands" / f"{step.id}-{time.monotonic_ns()}"
        files.mkdir(parents=True)
        for name in ("output", "summary", "env", "path", "state", "script.sh"):
            (files / name).touch()
        (files / "event.json").write_text(json.dumps(event.payload), "utf-8")
        (files / "script.sh").write_text(step.script, "utf-8")
        env = self._environment(action, event, files)
        env |= {name: expand(value, context) for name, value in step.env.items()}
        began = time.monotonic()
        code, lines = self._execute(step, files / "script.sh", env, on_line)
        for name in ("env", "path", "state"):
            if (files / name).stat().st_size:
                raise HarnessError(f"{step.id} changes the job's {name}, which is the caller's")
        return StepRun(
            id=step.id,
            exit_code=code,
            lines=tuple(lines),
            outputs=read_outputs((files / "output").read_text("utf-8")),
            summary=(files / "summary").read_text("utf-8"),
            seconds=time.monotonic() - began,
        )

    def _environment(self, action: Action, event: Event, files: Path) -> dict[str, str]:
        if any(name.startswith("INPUT_") for name in self.env):
            raise HarnessError("composite steps get no INPUT_* from the runner")
        return {
            "PATH": self.search_path or search_path(),
            "HOME": str(self.home),
            "CI": "true",
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64",
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "acme/images",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "1",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTION_PATH": str(action.path),
            **event.env(),
            "GITHUB_EVENT_PATH": str(files / "event.json"),
            "GITHUB_OUTPUT": str(files / "output"),
            "GITHUB_STEP_SUMMARY": str(files / "summary"),
            "GITHUB_ENV": str(files / "env"),
            "GITHUB_PATH": str(files / "path"),
            "GITHUB_STATE": str(files / "state"),
            **self.env,
        }

    def _execute(
        self, step: Step, script: Path, env: Mapping[str, str], on_line: Callable[[Under, str], None] | None
    ) -> tuple[int, list[str]]:
        process = subprocess.Popen(
            [*self.under, *(str(script) if word == "{0}" else word for word in step.shell)],
            cwd=self.workspace,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        watchdog = threading.Timer(LONGEST_STEP, give_up)
        watchdog.start()
        lines = []
        try:
            for raw in process.stdout or ():
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                lines.append(line)
                if on_line:
                    on_line(Under(step, process), line)
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            watchdog.cancel()
            if process.stdout:
                process.stdout.close()
        if late.is_set():
            raise HarnessError(f"{step.name} did not end within {LONGEST_STEP:.0f} s:\n" + "\n".join(lines))
        # A process that a signal ended has a negative code here; shells and runners write 128 more than the signal.
        return (code if code >= 0 else 128 - code), lines


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def export(folder: Path, root: Path = ROOT) -> Path:
    """A clean export of the repository below a folder: what a release would hold, uncommitted work included."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-coz", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        raise HarnessError(f"the action is exported with git, which failed: {listed.stderr.decode(errors='replace')}")
    target = folder / ACTION_FOLDER
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    return target


def search_path() -> str:
    """This machine's PATH, with the Python below any virtual environment in front: what actions/setup-python does."""
    others = os.environ.get("PATH", os.defpath).split(os.pathsep)
    own = str(Path(sys.prefix) / "bin")
    return os.pathsep.join([str(Path(sys.base_prefix) / "bin"), *(path for path in others if path not in {own, ""})])


def network() -> dict[str, str]:
    """What this machine needs to reach a package index: pip's settings, proxies, certificates, and its cache."""
    kept = {name: value for name, value in os.environ.items() if _NETWORK.fullmatch(name)}
    kept |= {name: os.environ[name] for name in ("HOME",) if name in os.environ}
    if any(name.lower().endswith("_proxy") for name in kept):
        # Emulators are on this machine, whatever the proxy.
        here = [kept.get("no_proxy") or kept.get("NO_PROXY") or "", "127.0.0.1", "localhost"]
        kept["no_proxy"] = kept["NO_PROXY"] = ",".join(filter(None, here))
    return kept


def on_emulator(url: str) -> dict[str, str]:
    """The environment that points gcloud, and the action, at an emulator."""
    return {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{url}/", "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
