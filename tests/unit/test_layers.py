"""The way of CONTRIBUTING, read off the imports: one edge to each world outside, and a pure middle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from testkit.places import ROOT

MODULES = sorted((ROOT / "replicator").rglob("*.py"))
EDGES = {
    "google": {"gce", "signin"},
    "actions_toolkit": {"actions"},
    "requests": {"gce", "signin", "signing"},
    "cryptography": {"signing", "trust"},
    "sigstore": {"signing", "trust"},
    "tenacity": {"calls"},
    "rich": {"terminal"},
}
PURE = {
    "access",
    "chart",
    "errors",
    "faults",
    "forms",
    "geography",
    "identity",
    "merge",
    "model",
    "names",
    "pacing",
    "plan",
    "provenance",
    "results",
    "snippets",
    "summary",
    "tree",
    "verify",
}
#: What a pure module has no use for: clock, network, environment, files.
WORLDLY = {"asyncio", "os", "pathlib", "socket", "subprocess", "sys", "threading", "time", "random"}


def imported(path: Path) -> set[str]:
    """Top-level packages, and `replicator.x` for our own, that are imported for more than type hints."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hints = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and isinstance(branch.test, ast.Name) and branch.test.id == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in hints:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "replicator":
            found |= {f"replicator.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module if node.module.startswith("replicator.") else node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports(path: Path) -> None:
    found = imported(path)
    assert not found & {"emulator", "tests", "benchmarks"}
    for package, allowed in EDGES.items():
        assert package not in found or path.stem in allowed, package
    if path.stem in PURE:
        assert not found & WORLDLY
        assert not found & {
            "replicator.compute.client",
            "replicator.compute.retry",
            "replicator.commands.replicate.run",
            "replicator.replicas.session",
        }
    if path.stem == "__init__":
        assert not found
