"""`python -m replicator`: what becomes of the action before there is anything to do, through its front door."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from replicator.__main__ import MERGE, main
from tests.conftest import read_outputs

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize("argv", [[], MERGE], ids=["the action", "the merge"])
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
