"""Every hostile workspace and machine: the action works, or ends with the one right message; nothing of the workspace
is executed or changed.

Each case runs the whole action in a checkout in which everything in `hostile` is planted. Most share a set-up that an
earlier use made, as the steps of a job do; those that concern the set-up make their own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.harness import stand_in
from testkit.harness.callers import MANIFEST, locked, new_job
from testkit.harness.hostile import OTHER_TOOLS, PIP, PYTHON, SHELL, fingerprint, functions, make_hostile
from testkit.harness.job import Action, Job, pull_request, tag_push

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emulator.testing import Running
    from testkit.harness.job import Run

REAL = str(Path(sys.base_prefix) / "bin" / "python3")

#: The POSIX utilities that the action, and a Python's own shim, use.
TOOLS = ("bash", "env", "rm", "mkdir", "mktemp", "cat", "dirname")

EVERY_VARIABLE = {**PYTHON, **PIP, **OTHER_TOOLS, **SHELL}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One hostile place."""

    name: str
    env: Mapping[str, str] = field(default_factory=dict)
    under: tuple[str, ...] = ()
    """What each step's shell is started by; `{workspace}`, `{temp}` are filled in."""
    pythons: Mapping[str, str] | None = None
    """The only Pythons of the machine: name → a shell script's text."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    folder: str = "job"
    """Below which workspace, RUNNER_TEMP, HOME and the action lie."""
    cold: bool = False
    """Whether nothing was set up before."""
    pip: bool = False
    """Whether there is no uv to be had, so that pip sets up."""
    says: str = ""
    """A part of the one error that it ends with; empty where it works."""
    title: str = "Set-up"
    needs: str = ""
    """A command without which it can't be tried."""


def shell(line: str) -> tuple[str, ...]:
    """A step's shell started by a line of `sh`."""
    return ("sh", "-c", f'{line}; exec "$@"', "sh")


def mounted(line: str) -> tuple[str, ...]:
    """One that sees other file systems than everybody else."""
    return ("unshare", "-rm", *shell(f"{line} || exit 90"))


UNSHARE = "unshare -rm true"
PASS_ON = f'exec {shlex.quote(REAL)} "$@"'
#: As pyenv's: the version that the nearest `.python-version` names, or else the one chosen for the machine.
SHIM = f"""folder=$PWD
while [ -n "$folder" ]; do
  if [ -e "$folder/.python-version" ]; then
    echo "pyenv: version '2.7' is not installed (set by $folder/.python-version)" >&2
    exit 127
  fi
  folder=${{folder%/*}}
done
{PASS_ON}"""
OLD = 'case "$*" in *version_info*) echo "3.9.18 old"; exit ;; esac\n' + PASS_ON
BARE = f'case "$*" in *install.py*|*"-m venv --clear"*) echo "ensurepip is not available"; exit 1 ;; esac\n{PASS_ON}'

CASES = [
    Case(name="files only"),
    # The environment, in whole.
    Case(name="every PYTHON variable", env=PYTHON),
    Case(name="every PIP variable", env=PIP),
    Case(name="variables of other tools", env=OTHER_TOOLS),
    Case(name="variables of shells", env=SHELL),
    Case(name="everything at once", env=EVERY_VARIABLE, cold=True),
    Case(name="everything at once, without uv", env=EVERY_VARIABLE, cold=True, pip=True),
    Case(name="functions that bash exports", env={"functions": ""}, cold=True),
    Case(name="PATH with the workspace in front", env={"PATH": ".:{path}"}),
    Case(name="PATH with the workspace in front, cold", env={"PATH": ".:{path}"}, cold=True),
    Case(name="PATH with an empty entry in front", env={"PATH": ":{path}"}),
    # Locales.
    *(
        Case(name=f"locale {name}", env={"LC_ALL": name, "LANG": name})
        for name in ("C", "POSIX", "tr_TR.UTF-8", "de_DE.ISO-8859-1", "nonsense")
    ),
    Case(name="locale C, cold", env={"LC_ALL": "C"}, folder="Größe", cold=True),
    # Paths.
    *(
        Case(name=f"paths with {what}", folder=folder, cold=what == "all of these")
        for what, folder in {
            "blanks": "two  words ",
            "quotes": 'it\'s "quoted"',
            "letters beyond ASCII": "Größe-日本-🖼",
            "patterns": "[a-z]*?{b,c}!",
            "signs of the shell": "$HOME;`id`&(x)|<y>#\\n%s~",
            "a sign of records": "a=b<<c,d%0A",
            "all of these": 'it\'s "Größe-日本"  [a-z]*?{b,c}! $HOME;`id`&(x)|<y>#\\n%s~ a=b<<c,d%0A ',
        }.items()
    ),
    Case(name="paths with a line break", folder="two\nlines", cold=True, says="holds a line break"),
    Case(name="paths with the separator of PATH", folder="a:b", cold=True, says="can't make a virtual environment"),
    # Folders.
    Case(
        name="workspace read-only",
        under=mounted(
            'mount --bind "{workspace}" "{workspace}" && mount -o remount,bind,ro "{workspace}" && cd "{workspace}"'
        ),
        needs=UNSHARE,
        cold=True,
    ),
    Case(name="no HOME", under=("env", "-u", "HOME")),
    Case(name="HOME that can't be written", env={"HOME": "/proc/self"}, cold=True),
    Case(name="TMPDIR that is not there", env={"TMPDIR": "/proc/nowhere/tmp"}),
    Case(name="TMPDIR in the workspace", env={"TMPDIR": "{workspace}"}),
    Case(name="no RUNNER_TEMP", under=("env", "-u", "RUNNER_TEMP", "TMPDIR={home}"), cold=True),
    Case(
        name="no RUNNER_TEMP, no TMPDIR",
        under=("env", "-u", "RUNNER_TEMP", "TMPDIR=/proc/nowhere"),
        cold=True,
        says="RUNNER_TEMP is ''",
    ),
    Case(
        name="RUNNER_TEMP that is not there",
        env={"RUNNER_TEMP": "/proc/nowhere/temp"},
        cold=True,
        says="RUNNER_TEMP is '/proc/nowhere/temp'",
    ),
    Case(
        name="RUNNER_TEMP that can't be written",
        env={"RUNNER_TEMP": "{home}/temp"},
        under=mounted('mkdir -p "{home}/temp" && mount -t tmpfs -o ro none "{home}/temp"'),
        needs=UNSHARE,
        cold=True,
        says="where nothing can be written",
    ),
    Case(
        name="RUNNER_TEMP without room",
        env={"RUNNER_TEMP": "{home}/temp"},
        under=mounted('mkdir -p "{home}/temp" && mount -t tmpfs -o size=8m none "{home}/temp"'),
        needs=UNSHARE,
        cold=True,
        says="not enough space",
    ),
    Case(
        name="files of 64 KB at most", under=shell("ulimit -f 128"), cold=True, says="can't make a virtual environment"
    ),
    Case(
        name="no HOME, no TMPDIR, no standard input, and a umask that gives all away",
        under=("env", "-u", "HOME", "TMPDIR=/proc/nowhere", *shell("umask 000; exec <&-")),
        cold=True,
    ),
    Case(name="umask 077", under=shell("umask 077")),
    Case(name="no standard input", under=shell("exec <&-")),
    # Pythons.
    Case(name="only python", pythons={"python": PASS_ON}),
    Case(
        name="only Python 3.9",
        pythons={"python3": OLD, "python": OLD},
        cold=True,
        says="python3 is 3.9.18; python is 3.9.18",
    ),
    Case(name="python3 is 3.9, python is not", pythons={"python3": OLD, "python": PASS_ON}),
    Case(
        name="the input names 3.9",
        pythons={"python3": PASS_ON, "python3.9": OLD},
        inputs={"python": "python3.9"},
        cold=True,
        says="python3.9 is 3.9.18",
    ),
    Case(
        name="the input names nothing",
        inputs={"python": "python3.99"},
        cold=True,
        says="names 'python3.99', which is not on this machine",
    ),
    Case(
        name="the input names a file of the workspace",
        inputs={"python": "./python3"},
        cold=True,
        says="names './python3', which is not on this machine",
    ),
    Case(name="no Python", pythons={}, cold=True, says="No python3 that starts was found", title="Python"),
    Case(name="shims of pyenv", pythons={"python3": SHIM, "python": SHIM}),
    Case(
        name="shims with nothing behind them",
        pythons={"python3": "exit 127", "python": "exit 127"},
        cold=True,
        says="No python3 that starts was found",
        title="Python",
    ),
    Case(name="python3 does nothing", pythons={"python3": "exit 0", "python": PASS_ON}),
    Case(
        name="nothing but programs that do nothing",
        pythons={"python3": "exit 0", "python": "exit 0"},
        cold=True,
        says="No python3 that starts was found",
        title="Python",
    ),
    Case(name="python3 greets people first", pythons={"python3": f"echo Welcome!\n{PASS_ON}"}),
    Case(name="no python3-venv", pythons={"python3": BARE}, cold=True, says="install python3-venv"),
    # Package indexes.
    Case(
        name="no network",
        env={"PIP_FIND_LINKS": "", "PIP_NO_INDEX": "", "PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "0"},
        cold=True,
        says="reaches a Python package index",
    ),
    Case(name="an index for everybody in pip's own file", env={"XDG_CONFIG_HOME": "{home}/user"}, cold=True),
]


@pytest.fixture(scope="session")
def wheel(common: Path) -> Path:
    with locked(common / "wheel.lock"):
        return stand_in.make_wheel(common / "wheels")


@pytest.fixture(scope="session")
def uv(common: Path, wheel: Path) -> Path:
    """Beside that wheel."""
    with locked(common / "wheel.lock"):
        return next(wheel.parent.glob("uv-*"), None) or stand_in.make_uv(wheel.parent)


@pytest.fixture(scope="session")
def warm(common: Path, action: Action, wheel: Path, uv: Path) -> Path:
    """The RUNNER_TEMP of a job in which the action, with the stand-in's lock, was set up."""
    job = Job(folder=common / "warm job", env=offline(wheel))
    with locked(common / "warm.lock"):
        if not (common / "warm").exists():
            used = stand_in.make_action(action.path, common / "warm action", wheel, uv=uv)
            run = job.run(used, tag_push("v1"))
            assert run.ran == ["decide", "setup", "replicate"], run.log
            (common / "warm").touch()
    return job.temp


def offline(wheel: Path) -> dict[str, str]:
    """A machine whose only packages are in a folder."""
    return {"PIP_FIND_LINKS": str(wheel.parent), "PIP_NO_INDEX": "1"}


class Place:
    """A caller in a hostile place."""

    def __init__(self, case: Case, action: Action, wheel: Path, compute: Running, folder: Path) -> None:
        self.case = case
        self.witness = folder / "witness"
        self.caller = new_job(action, compute, folder / case.folder)
        self.job = job = self.caller.job
        make_hostile(job.workspace, self.witness)
        if case.pythons is not None:
            job.search_path = machine(folder / "machine", case.pythons)
        path = job.search_path or str(Path(REAL).parent) + os.pathsep + os.environ["PATH"]
        known = {"workspace": str(job.workspace), "temp": str(job.temp), "home": str(job.home), "path": path}
        wanted = dict(case.env)
        if wanted.pop("functions", None) is not None:
            wanted |= functions(self.witness)
        job.env |= offline(wheel)
        job.env |= {name: _fill(value, known) for name, value in wanted.items()}
        job.env = {name: value for name, value in job.env.items() if value or name not in offline(wheel)}
        job.under = tuple(_fill(word, known) for word in case.under)
        if "XDG_CONFIG_HOME" in job.env:
            # What an administrator wrote into pip's own file does not turn the packages aside.
            config = Path(job.env["XDG_CONFIG_HOME"]) / "pip" / "pip.conf"
            config.parent.mkdir(parents=True)
            config.write_text("[install]\nuser = true\n[global]\nbreak-system-packages = true\n", "utf-8")
        self.before = fingerprint(job.workspace)

    def check_untouched(self) -> None:
        assert not self.witness.exists(), self.witness.read_text("utf-8")
        assert fingerprint(self.job.workspace) == self.before


def _fill(text: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def machine(folder: Path, pythons: Mapping[str, str]) -> str:
    """A PATH with the POSIX utilities, and the Pythons that are given by the text of a script."""
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    for name, text in pythons.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n", "utf-8")
        (folder / name).chmod(0o755)
    return str(folder)


def _need(case: Case) -> None:
    if not case.needs:
        return
    command = shlex.split(case.needs)
    if not shutil.which(command[0]) or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"'{case.needs}' is not possible on this machine")


def _place(case: Case, common: Path, exported: Action, wheel: Path, uv: Path, compute: Running, folder: Path) -> Place:
    if not case.cold:
        return Place(case, Action.load(common / "warm action"), wheel, compute, folder)
    own = stand_in.make_action(exported.path, folder / case.folder / "action", wheel, uv=None if case.pip else uv)
    return Place(case, own, wheel, compute, folder)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_held(
    case: Case,
    common: Path,
    action: Action,
    warm: Path,
    wheel: Path,
    uv: Path,
    compute: Running,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    _need(case)
    record_property("counted", "hostile workspaces")
    place = _place(case, common, action, wheel, uv, compute, tmp_path)
    if not case.cold:
        for made in warm.glob("replicator-*"):
            (place.job.temp / made.name).symlink_to(made)
    run = place.caller(tag_push("v1.2.3"), {**MANIFEST, "locations": "us", **case.inputs})
    place.check_untouched()
    if case.says:
        check_refused(place, run)
    else:
        check_worked(place, run)


def check_worked(place: Place, run: Run) -> None:
    assert (run.exit_code, run.outputs["result"]) == (0, "complete"), run.log
    assert ("Setting up with" in run.log) == place.case.cold
    assert ("Installing with pip" in run.log) == place.case.pip
    assert not Path(run.outputs["index_path"]).is_relative_to(place.job.workspace)
    for made in place.job.temp.glob("replicator-*/**/*"):
        # Nobody else may change what runs with the caller's credentials.
        assert made.is_symlink() or not made.stat().st_mode & 0o022, made


def check_refused(place: Place, run: Run) -> None:
    assert run.exit_code == 3, run.log
    assert "replicate" not in run.ran
    (error,) = run.annotations
    assert (error.level, error.title) == ("error", place.case.title)
    assert place.case.says in error.message
    assert run.outputs["result"] == "failed"
    assert run.outputs["reason"].partition(":")[0] in error.message
    assert place.caller.emulator.journal() == []
    assert not list(place.job.temp.glob("replicator-*"))


@pytest.mark.parametrize("name", EVERY_VARIABLE)
def test_a_variable_does_not_disturb_the_decision(
    name: str, action: Action, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", "hostile workspaces")
    job = Job(folder=tmp_path, env={name: EVERY_VARIABLE[name]})
    make_hostile(job.workspace, tmp_path / "witness")
    before = fingerprint(job.workspace)
    run = job.run(action, pull_request())
    assert (run.exit_code, run.outputs["result"], run.ran) == (0, "skipped", ["decide"]), run.log
    assert not (tmp_path / "witness").exists()
    assert fingerprint(job.workspace) == before
