"""The action's environment: made once, of nothing that the workspace holds; and the ways in which that fails."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.harness.callers import MANIFEST, Caller, SetUp
from testkit.harness.job import Action, tag_push
from testkit.places import ROOT

if TYPE_CHECKING:
    from testkit.harness.job import Run, Under
    from testkit.harness.records import Annotation


class TestSetUpFails:
    """Its own step says why, writes the outputs, and is the last one."""

    def check(self, caller: Caller, run: Run, words: str, exit_code: int = 3) -> Annotation:
        assert run.exit_code == exit_code
        assert run.ran == ["decide", "setup"]
        (error,) = run.annotations
        assert (error.level, error.title) == ("error", "Set-up")
        assert words in error.message
        assert (run.outputs["decision"], run.outputs["result"]) == ("replicate", "failed")
        assert run.outputs["reason"] in error.message
        assert caller.emulator.journal() == []
        assert not list(caller.job.temp.glob("replicator-*/complete"))
        return error

    def test_python_is_too_old(self, new_caller: Caller, tmp_path: Path) -> None:
        new_caller.job.search_path = machine_without_python(tmp_path)
        old = fake_python(tmp_path / "python3.9", '*version_info*) echo "3.9.18 old"; exit ;;')
        run = new_caller.replicate({"python": str(old)})
        error = self.check(new_caller, run, "python3.9 is 3.9.18")
        assert "actions/setup-python" in error.message

    def test_the_python_that_is_named_is_missing(self, new_caller: Caller) -> None:
        run = new_caller.replicate({"python": "/nowhere/python3.12"})
        self.check(new_caller, run, "names '/nowhere/python3.12', which is not on this machine")

    def test_python_has_no_venv(self, new_caller: Caller, tmp_path: Path) -> None:
        bare = fake_python(tmp_path / "bare", '*"-m venv"*) echo "ensurepip is not available"; exit 1 ;;')
        run = new_caller.replicate({"python": str(bare)})
        error = self.check(new_caller, run, "can't make a virtual environment")
        assert "python3-venv" in error.message
        assert "ensurepip is not available" in run.log

    @pytest.mark.parametrize("color", [{}, {"FORCE_COLOR": "1"}], ids=["", "in colours, as on a terminal"])
    def test_no_package_index(self, new_caller: Caller, color: dict[str, str]) -> None:
        new_caller.job.env |= {"PIP_NO_INDEX": "1", **color}
        error = self.check(new_caller, new_caller.replicate(), "could not be installed")
        assert "PIP_INDEX_URL" in error.message

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted(self, new_caller: Caller, number: signal.Signals) -> None:
        sent: list[float] = []

        def watch(under: Under, line: str) -> None:
            if line.startswith("Setting up with"):
                under.signal(number)
                sent.append(time.monotonic())

        new_caller.job.env |= {"PIP_NO_INDEX": "1"}
        run = new_caller.replicate(on_line=watch)
        self.check(new_caller, run, "interrupted", exit_code=128 + number)
        assert time.monotonic() - sent[0] < 7.5

    def test_interrupted_while_another_python_is_at_work(self, new_caller: Caller, tmp_path: Path) -> None:
        """venv starts one: it must not outlive us, and write into what the next use makes."""
        number = tmp_path / "number"
        slow = fake_python(
            tmp_path / "slow", f'*"-m venv"*) sleep 300 & echo $! >"{number}"; echo working; wait; exit 1 ;;'
        )

        def watch(under: Under, line: str) -> None:
            if line == "working":
                under.signal(signal.SIGINT)

        run = new_caller.replicate({"python": str(slow)}, on_line=watch)
        self.check(new_caller, run, "interrupted", exit_code=130)
        left = Path("/proc", number.read_text("utf-8").strip(), "status")
        assert not left.exists() or "(zombie)" in left.read_text("utf-8")

    def test_no_python_at_all(self, new_caller: Caller, tmp_path: Path) -> None:
        new_caller.job.search_path = machine_without_python(tmp_path)
        run = new_caller.replicate()
        assert (run.exit_code, run.ran) == (3, ["decide"])
        (error,) = run.annotations
        assert (error.level, error.title) == ("error", "Python")
        assert "actions/setup-python" in error.message
        assert (run.outputs["decision"], run.outputs["result"]) == ("skip", "failed")
        assert run.outputs["reason"] == "No python3 was found"


def machine_without_python(folder: Path) -> str:
    """A PATH with the POSIX utilities that the action uses, and no Python."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("bash", "env", "rm", "touch", "mkdir", "cat", "uname"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    return str(tools)


def fake_python(path: Path, *cases: str) -> Path:
    """An interpreter that behaves otherwise in some cases (of bash, over all arguments)."""
    real = Path(sys.base_prefix) / "bin" / "python3"
    script = ["#!/bin/bash", 'case "$*" in', *cases, "esac", f'exec "{real}" "$@"', ""]
    path.write_text("\n".join(script), "utf-8")
    path.chmod(0o755)
    return path


#: What bash 3.2, the one of macOS, does not have; and what needs a temporary folder of the shell's own.
NEWER_BASH = {
    "associative arrays and the like": r"\b(declare|local|typeset) -[A-Za-z]*[Angl]",
    "mapfile": r"\b(mapfile|readarray|coproc)\b",
    "a pipe for both": r"\|&|&>>",
    "case going on": r";;?&",
    "changed case, quoting": r"\$\{\w+(\[[^]]*\])?(\^|,|@[A-Za-z])",
    "negative places": r"\$\{\w+:[^-=?+}]*: -|\[-\d+\]",
    "set or not": r"\[\[? -v\b",
    "times": r"%\(|\bEPOCH|\$SRANDOM",
    "waiting for any": r"\bwait -",
    "here-documents": r"<<",
    "globs across folders": r"\bglobstar\b|\blastpipe\b|\binherit_errexit\b",
}


class TestTheScripts:
    SCRIPTS = {
        "setup.sh": (ROOT / "setup.sh").read_text("utf-8"),
        **{step.id: step.script for step in Action.load(ROOT).steps},
    }

    @pytest.mark.parametrize("name", SCRIPTS)
    @pytest.mark.parametrize("feature", NEWER_BASH)
    def test_bash_of_macos_suffices(self, name: str, feature: str) -> None:
        code = re.sub(r"(?m)^\s*#.*$", "", self.SCRIPTS[name])
        assert not re.search(NEWER_BASH[feature], code), feature

    @pytest.mark.parametrize(
        ("feature", "line"),
        [
            ("associative arrays and the like", "declare -A seen"),
            ("changed case, quoting", "${name,,}"),
            ("a pipe for both", "make |& tee log"),
            ("here-documents", "cat <<<word"),
            ("set or not", "[ -v name ]"),
        ],
    )
    def test_newer_bash_would_be_seen(self, feature: str, line: str) -> None:
        assert re.search(NEWER_BASH[feature], line)


class TestOnWindows:
    def test_its_virtual_environments_and_line_ends(self, new_caller: Caller, tmp_path: Path) -> None:
        """`Scripts/python.exe`, and lines that end with CRLF."""
        real = Path(sys.base_prefix) / "bin" / "python3"
        windows = tmp_path / "python"
        windows.write_text(
            f"""#!/bin/bash
case "$*" in
  *"-m venv"*)
    mkdir -p "${{@: -1}}/Scripts" && printf '#!/bin/bash\\nexec "{windows}" "$@"\\n' >"${{@: -1}}/Scripts/python.exe"
    chmod +x "${{@: -1}}/Scripts/python.exe" ;;
  *install.py*|*purelib*) ;;
  *decide.py*|*"-m replicator"*) exec "{real}" "$@" ;;
  *) "{real}" "$@" | sed 's/$/\r/' ;;
esac
""",
            "utf-8",
        )
        windows.chmod(0o755)
        run = new_caller.job.run(new_caller.action, tag_push("v1"), {"python": str(windows)})
        assert run.ran == ["decide", "setup", "replicate"], run.log
        python = Path(run.steps[1].outputs["python"])
        assert python.parts[-2:] == ("Scripts", "python.exe")
        assert re.fullmatch(r"replicator-[0-9a-f]{16}", python.parts[-3])


class TestSetUp:
    def test_a_second_use_installs_nothing(self, caller: Caller, set_up: SetUp) -> None:
        assert "Setting up with Python" in set_up.log
        (environment,) = set_up.environments
        before = (environment / "complete").stat().st_mtime_ns
        # An index that can't be reached: what asks it, fails.
        caller.job.env |= {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "1"}
        run = caller(tag_push("v1"), {**MANIFEST, "dry_run": "true"})
        assert run.outputs["result"] == "planned"
        assert run.steps[1].lines == ()
        assert run.steps[1].seconds < 3
        assert (environment / "complete").stat().st_mtime_ns == before

    def test_what_a_run_imports_is_there_as_bytecode(self, set_up: SetUp) -> None:
        (environment,) = set_up.environments
        assert "Installing with pip" not in set_up.log
        # The environment's Python itself says whether it would have to compile.
        script = """
import importlib.util, os, sys
writing = []
sys.addaudithook(lambda event, args: event == "compile" and args[1] and writing.append(os.fsdecode(args[1])))
import replicator.commands.replicate.run, google.cloud.compute_v1
print(*(name for name in writing if os.sep + "site-packages" + os.sep in name), sep="\\n")
print(len([name for name in sys.modules if name.startswith("google.cloud.compute_v1.")]), "modules")
"""
        python = environment / "bin" / "python"
        done = subprocess.run([python, "-I", "-B", "-c", script], capture_output=True, text=True, check=True)
        compiled, _, imported = done.stdout.strip().rpartition("\n")
        assert compiled == ""
        assert int(imported.split()[0]) > 100

    def test_executed_nothing_of_a_hostile_workspace(self, set_up: SetUp) -> None:
        assert set_up.executed == ""
        assert set_up.exit_code == 2
