"""Reads the README, the pages and the workflows that they show."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from testkit.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))

#: What workflows call our actions by, up to the version.
OURS: dict[str, dict[str, Any]] = {
    "gce-image-replicator/gce-image-replicator": ACTION,
    **{
        f"gce-image-replicator/gce-image-replicator/{path.parent.name}": yaml.safe_load(
            path.read_text(encoding="utf-8")
        )
        for path in ROOT.glob("*/action.yml")
    },
}


def page(name: str) -> str:
    """The text of a page of docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def docs() -> Any:
    """scripts/docs.py: a script, so no package to import it from."""
    spec = importlib.util.spec_from_file_location("docs", ROOT / "scripts" / "docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(name: str) -> str:
    """A tool of the virtual environment, of `scripts/engines.sh` or the machine; else the test is skipped."""
    ours = [Path(sys.executable).parent / name, ROOT / "build" / "engines" / name]
    found = next((str(path) for path in ours if path.exists()), shutil.which(name))
    if not found:
        pytest.skip(f"{name} is missing")
    return found


def nodes(value: Any) -> list[dict[str, Any]]:
    """Every mapping in a parsed document, from the outside in."""
    if isinstance(value, dict):
        return [value, *(found for item in value.values() for found in nodes(item))]
    if isinstance(value, list):
        return [found for item in value for found in nodes(item)]
    return []


def our_steps(text: str) -> list[dict[str, Any]]:
    return [node for node in nodes(yaml.safe_load(text)) if str(node.get("uses", "")).partition("@")[0] in OURS]


def check_use(text: str) -> None:
    """The inputs that a workflow gives us, and the outputs that it reads, are those of the action that it names."""
    for step in our_steps(text):
        action = OURS[step["uses"].partition("@")[0]]
        assert set(step.get("with", {})) <= set(action["inputs"]), step
        assert {item for item, given in action["inputs"].items() if given.get("required")} <= set(step.get("with", {}))
        name = step.get("id")
        read = set(re.findall(rf"steps\.{name}\.outputs\.(\w+)", text)) if name else set()
        assert read <= set(action["outputs"]), read


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings."""
    outside_code = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", outside_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}

FENCE = re.compile(r"^(?P<blank> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=blank)```$", re.MULTILINE | re.DOTALL)
