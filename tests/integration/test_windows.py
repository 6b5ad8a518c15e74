"""What Windows does otherwise, as far as it can be tried here: encodings, line ends, names, signals, what is missing."""

from __future__ import annotations

import ast
import io
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.__main__ import main
from replicator.bootstrap import decide, early
from testkit.harness.job import on_emulator, tag_push
from testkit.outputs import read_outputs
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.testing import Running

MODULES = sorted((ROOT / "replicator").rglob("*.py"))

#: The receiver's page says that it needs a POSIX system: a command of its operator is ended with all that it started.
POSIX_MODULES = {"replicator/commands/webhooks/receiver/hook_command.py"}
#: Of the standard library, what Windows lacks.
POSIX_ONLY = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
LACKING = {"add_signal_handler", "fork", "geteuid", "getuid", "kill", "killpg", "mkfifo", "setsid"} | {
    name for name in dir(signal) if name.startswith("SIG") and name not in {"SIGINT", "SIGTERM"}
}


@pytest.fixture(scope="module")
def code() -> dict[str, ast.Module]:
    found = {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in MODULES}
    assert len(found) > 100
    return found


def attempts(module: ast.Module) -> list[ast.Try]:
    """Return what goes on where an import isn't there."""
    tries = [node for node in ast.walk(module) if isinstance(node, ast.Try)]
    return [node for node in tries if "ImportError" in {getattr(each.type, "id", "") for each in node.handlers}]


def calls(code: dict[str, ast.Module]) -> Iterator[tuple[str, str, ast.Call]]:
    """(where, name of the function, call) of every call in our code."""
    for name, module in code.items():
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                function = node.func
                called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                yield f"{name}:{node.lineno}", called, node


class TestTheCode:
    def test_uses_nothing_that_windows_lacks(self, code: dict[str, ast.Module]) -> None:
        for name, module in code.items():
            if name in POSIX_MODULES:
                continue
            tried = {id(node) for attempt in attempts(module) for node in attempt.body}
            for node in ast.walk(module):
                if isinstance(node, ast.Import) and id(node) not in tried:
                    assert not {alias.name.partition(".")[0] for alias in node.names} & POSIX_ONLY, name
                if isinstance(node, ast.ImportFrom):
                    assert (node.module or "").partition(".")[0] not in POSIX_ONLY, name
                if isinstance(node, ast.Attribute):
                    assert node.attr not in LACKING, f"{name}:{node.lineno}"

    def test_texts_are_read_as_utf_8_and_written_as_bytes(self, code: dict[str, ast.Module]) -> None:
        """The locale's encoding is cp1252 there, and a text file's line ends are CRLF."""
        for where, name, call in calls(code):
            if name == "read_text":
                assert "encoding" in {word.arg for word in call.keywords}, where
            of = call.func.value if isinstance(call.func, ast.Attribute) else None
            if name == "open" and getattr(of, "id", "") != "os":
                modes = [str(part.value) for part in call.args if isinstance(part, ast.Constant)]
                assert any("b" in mode for mode in modes), where
            assert name != "write_text", where

    def test_names_of_variables_are_upper_case(self, code: dict[str, ast.Module]) -> None:
        """`os.environ` knows no others there."""
        for where, name, call in calls(code):
            of = call.func.value if isinstance(call.func, ast.Attribute) else None
            if name == "get" and "env" in (getattr(of, "id", ""), getattr(of, "attr", "")):
                said = call.args[0]
                assert not isinstance(said, ast.Constant) or str(said.value).isupper(), where


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A step's environment, its files in a folder with backslashes in its name."""
    temp = tmp_path / r"D:\a\_temp"
    temp.mkdir()
    return {
        **tag_push("v1-版本").env(),
        "GITHUB_WORKSPACE": str(tmp_path),
        "GITHUB_OUTPUT": str(temp / "output"),
        "GITHUB_STEP_SUMMARY": str(temp / "summary"),
        "RUNNER_TEMP": str(temp),
    }


class Console(io.TextIOWrapper):
    """A Windows console that isn't set to UTF-8: it refuses what its code page lacks, and ends lines with CRLF."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="cp1252", errors="strict", newline="\r\n")

    @property
    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode("cp1252")


def written(env: dict[str, str]) -> dict[str, str]:
    """The outputs; no file of the runner's has Windows' line ends."""
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        path = Path(env[name])
        assert not path.exists() or b"\r" not in path.read_bytes()
    return read_outputs(Path(env["GITHUB_OUTPUT"]))


def test_the_decision(env: dict[str, str]) -> None:
    console = Console()
    assert decide.main([], {**env, "INPUT_TAG_PATTERN": "w*"}, console) == 0
    assert r"the tag v1-\u7248\u672c does not match" in console.text
    assert written(env)["reason"] == "the tag v1-版本 does not match tag_pattern (w*)"


CONFIG = "# Größe\r\nlocations:\r\n  us:\r\n  eu:\r\n    labels:\r\n      tier: edge\r\n"
MANIFEST: dict[str, Any] = {
    "builds": [
        {
            "builder_type": "googlecompute",
            "artifact_id": "web-1",
            "packer_run_uuid": "1",
            "custom_data": {"project_id": "p1"},
        }
    ],
    "last_run_uuid": "1",
}


class TestARun:
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_files_and_inputs_with_windows_line_ends(
        self, emulator: Running, source: dict[str, Any], env: dict[str, str], tmp_path: Path, mark: str
    ) -> None:
        text = mark + json.dumps(MANIFEST, indent=2).replace("\n", "\r\n")
        (tmp_path / "manifest.json").write_bytes(text.encode())
        (tmp_path / "replicate.yaml").write_bytes((mark + CONFIG).encode())
        inputs = {
            "packer_manifest": "manifest.json",
            "config": "replicate.yaml",
            "labels": "team=infra\r\nkind=web\r\n",
            "required_locations": "us\r\neu\r\n",
            "tag_pattern": "w*\r\nv*\r\n",
        }
        env |= {**on_emulator(emulator.url), **{f"INPUT_{name.upper()}": value for name, value in inputs.items()}}
        console = Console()
        assert main([], env, console) == 0, console.text
        assert r"v1-\u7248\u672c" not in written(env)["reason"]
        assert written(env)["result"] == "complete"
        assert b"\r" not in Path(written(env)["index_path"]).read_bytes()
        copy = emulator.image("p1", "web-1-eu")
        assert copy is not None
        assert copy["labels"] == {"team": "infra", "kind": "web", "tier": "edge"}

    def test_what_the_code_page_lacks_is_shown_escaped(self, emulator: Running, env: dict[str, str]) -> None:
        said = "Größe: 版本"
        fault = {"kind": "http", "code": 403, "reason": "forbidden", "message": said}
        emulator.faults([{"method": "compute.images.get", "times": None, "action": fault}])
        env |= {**on_emulator(emulator.url), "INPUT_SOURCE_IMAGE": "projects/p1/global/images/web-1"}
        console = Console()
        assert main([], env, console) == 3
        assert r"Größe: \u7248\u672c" in console.text
        assert said in written(env)["reason"]

    def test_ctrl_break_ends_it_in_good_order(
        self,
        emulator: Running,
        source: dict[str, Any],
        env: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # Another signal stands for the one that only Windows has.
        monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
        env |= {**on_emulator(emulator.url), "INPUT_SOURCE_IMAGE": "projects/p1/global/images/web-1"}

        class Breaks(Console):
            def write(self, text: str) -> int:
                if "copying (operation" in text:
                    os.kill(os.getpid(), signal.SIGUSR1)
                return super().write(text)

        assert main([], env, Breaks()) == 128 + signal.SIGUSR1
        assert written(env)["failed_locations"] in {"eu,asia", "eu", "asia"}
        assert "SIGUSR1" in written(env)["reason"]

    def test_the_signals_of_this_system(self) -> None:
        assert early.stop_signals() == [signal.SIGINT, signal.SIGTERM]
