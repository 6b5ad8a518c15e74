"""The emulator's import rule: `core` imports only itself, a service also `core`, and the modules at the top anything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import emulator

PACKAGE = Path(emulator.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py")))
MODULES_AT_MOST = 16


def ours(path: Path) -> set[str]:
    """What a module imports of this repository's packages, for type hints too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "imports are absolute"
            assert not node.level, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] in {"emulator", "replicator", "tests", "benchmarks"}}


def folder_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ""


def test_there_are_modules_and_folders_to_look_at() -> None:
    assert len(MODULES) > 30
    assert {"core", "compute"} <= set(FOLDERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports(path: Path) -> None:
    for name in ours(path):
        package, _, rest = name.partition(".")
        assert package == "emulator", name
        if folder := folder_of(path):
            assert rest.partition(".")[0] in {"core", folder}, name


@pytest.mark.parametrize("folder", [each for each in FOLDERS if each != "core"])
def test_every_folder_is_a_service(folder: str) -> None:
    assert (PACKAGE / folder / "service.py").is_file()


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=lambda folder: folder.name)
def test_no_folder_is_crowded(folder: Path) -> None:
    assert len([path for path in MODULES if path.parent == folder and path.name != "__init__.py"]) <= MODULES_AT_MOST
