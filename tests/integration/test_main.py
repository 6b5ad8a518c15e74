"""`python -m replicator`: what becomes of the action before there is anything to do, through its front door."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from replicator.__main__ import entry, main
from testkit.outputs import read_outputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TextIO

#: Inputs and what happened → exit code, decision, result, and what is said.
GATED: dict[str, tuple[dict[str, str], int, str, str, str]] = {
    "a pull request": ({"GITHUB_EVENT_NAME": "pull_request"}, 0, "skip", "skipped", "Skipped: a pull request "),
    "a tag that does not match": (
        {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/x1", "INPUT_SOURCE_IMAGE": "::error::x"},
        0,
        "skip",
        "skipped",
        "Skipped: ",
    ),
    "a wrong distribute": (
        {"GITHUB_EVENT_NAME": "pull_request", "INPUT_DISTRIBUTE": "maybe"},
        2,
        "skip",
        "failed",
        "::error title=Input distribute::",
    ),
    "bad settings": (
        {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1", "INPUT_LOCATIONS": "EU"},
        2,
        "replicate",
        "failed",
        "::error title=Input ",
    ),
}


@pytest.mark.parametrize("argv", [[], ["action", "merge"]], ids=["the action", "the merge"])
@pytest.mark.parametrize("name", GATED)
def test_before_there_is_anything_to_do(name: str, argv: list[str], tmp_path: Path) -> None:
    env, code, decision, result, says = GATED[name]
    stdout = io.StringIO()
    assert main(argv, {"GITHUB_OUTPUT": str(tmp_path / "output"), "RUNNER_TEMP": str(tmp_path), **env}, stdout) == code
    outputs = read_outputs(tmp_path / "output")
    assert (outputs["decision"], outputs["result"]) == (decision, result)
    assert outputs["reason"]
    assert says in stdout.getvalue()
    assert "::error::x" not in stdout.getvalue()


@pytest.mark.parametrize("argv", [[], ["replicate"]], ids=["the action", "the command line"])
def test_programs_that_are_started_do_not_inherit_the_key(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(argv: list[str], env: Mapping[str, str], stdout: TextIO) -> int:
        child = [sys.executable, "-I", "-c", "import os; print(*os.environ)"]
        seen.append((env["SIGNING_KEY"], "SIGNING_KEY" in subprocess.check_output(child, text=True)))
        return 7

    monkeypatch.setenv("SIGNING_KEY", "swordfish")
    monkeypatch.setattr("sys.argv", ["replicator", *argv])
    monkeypatch.setattr("replicator.__main__.main", watched)
    monkeypatch.setattr("replicator.__main__.EarlySignals", lambda *_: None)
    # It would end the process of the tests, too.
    monkeypatch.setattr("threading.active_count", lambda: 1)
    with pytest.raises(SystemExit) as left:
        entry()
    assert (left.value.code, seen) == (7, [("swordfish", False)])
