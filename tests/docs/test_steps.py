"""Every line of shell that users run or copy: none hides a failure, none shows a secret, none fetches a program unchecked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACTIONS = sorted([ROOT / "action.yml", *ROOT.glob("*/action.yml")])
WORKFLOWS = sorted([*(ROOT / "workflows-examples").glob("*.yml"), *(ROOT / "ci-examples").rglob("*.yml")])
SCRIPTS = [ROOT / "setup.sh", ROOT / "launch.sh"]
#: A child that has ended meanwhile can't be ended, and that is well.
EXCUSED = 'kill -- "-$child" 2>/dev/null || true'


def runs(value: Any) -> Iterator[str]:
    """Every text under `run`, `script` or `shell`, wherever it is."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in {"run", "script", "shell", "before_script"}:
                yield from inner if isinstance(inner, list) else [str(inner)]
            else:
                yield from runs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from runs(inner)


def shell(path: Path) -> str:
    text = path.read_text("utf-8")
    if path.suffix == ".sh":
        return text.replace(EXCUSED, "")
    return "\n".join(line for document in yaml.safe_load_all(text) for line in runs(document))


def test_there_is_something_to_look_at() -> None:
    assert [path.parent.name for path in ACTIONS if "launch.sh" not in shell(path)] == []
    assert sum(bool(shell(path)) for path in WORKFLOWS) > 5


@pytest.mark.parametrize("path", [*ACTIONS, *WORKFLOWS, *SCRIPTS], ids=lambda path: f"{path.parent.name}/{path.name}")
class TestSteps:
    def test_none_hides_a_failure(self, path: Path) -> None:
        """A sign-off that failed must not look like one that worked."""
        assert not re.search(r"\|\|\s*(true|:)(\s|$)|\bset \+e\b|;\s*true\s*$", shell(path), re.MULTILINE)

    def test_none_shows_what_it_runs_with(self, path: Path) -> None:
        """`set -x` prints each line with its values, and so the token of a caller."""
        assert not re.search(r"\bset -\w*x|\bxtrace\b|\bbash -\w*x", shell(path))


@pytest.mark.parametrize("path", [*ACTIONS, *SCRIPTS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_action_fetches_nothing_but_what_its_lock_names(path: Path) -> None:
    assert not re.search(r"\b(curl|wget|go install|npm|npx|pip install|apt-get|brew)\b", shell(path))


@pytest.mark.parametrize("path", ACTIONS, ids=lambda path: path.parent.name)
def test_no_step_of_an_action_may_fail_unseen(path: Path) -> None:
    for step in yaml.safe_load(path.read_text("utf-8"))["runs"]["steps"]:
        assert "continue-on-error" not in step
