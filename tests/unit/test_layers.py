"""The architecture, read off the imports: packages stand on those before them, and few doors lead outside."""

from __future__ import annotations

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from testkit.places import ROOT, declared

PACKAGE = ROOT / "replicator"
#: Each package stands on those before it.
ORDER = ("bootstrap", "core", "inputs", "compute", "index", "runtime", "replicas", "commands")
#: What the top of the package may hold: how the program is started.
TOP = {"__init__", "__main__", "cli", "cli_completion", "cli_parser"}
#: Third-party package → the modules, or folders of them, that may import it. What a capability needs for itself alone,
#: its own command.py declares.
DOORS = {
    "google.cloud": ("compute/client.py", "compute/connect.py", "compute/answers.py"),
    "google": ("compute",),
    "actions_toolkit": ("runtime/runner.py",),
    "requests": ("compute", "index/sign.py"),
    "cryptography": ("index/sign.py", "index/verify_signature.py"),
    "sigstore": ("index/sign.py", "index/verify_signature.py"),
    "tenacity": ("compute/retry.py",),
    "shtab": ("cli_completion.py",),
    "yaml": ("inputs/config_file.py",),
    "pydantic": ("inputs", "index", "replicas/settings.py", "commands", "cli_parser.py"),
}
for package, modules in declared("OUTSIDE").items():
    DOORS[package] = (*DOORS.get(package, ()), *modules)
#: What a pure module has no use for: clock, network, environment, files.
WORLDLY = {"asyncio", "os", "pathlib", "socket", "subprocess", "sys", "threading", "time", "random"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(path: Path) -> set[str]:
    """Every module that is imported, wherever and for whatever, type hints included; ours by their full names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(module: str) -> int:
    """The place of one of our modules in the order; the top stands on everything."""
    package = module.split(".")[1] if "." in module else ""
    return ORDER.index(package) if package in ORDER else len(ORDER)


def check(path: Path, found: set[str]) -> list[str]:
    """What is wrong with the imports of a module."""
    inside = path.relative_to(PACKAGE).parts
    here = floor(f"replicator.{inside[0].removesuffix('.py')}")
    wrong = []
    for target in sorted(found):
        first, *rest = target.split(".")
        if first in {"emulator", "testkit", "tests", "benchmarks", "scripts"}:
            wrong.append(f"{target} is no part of the product")
        elif first == "replicator" and rest:
            if floor(target) > here and target != "replicator.__version__":
                wrong.append(f"{target} stands above")
            if rest[0] == inside[0] == "commands" and (len(rest) == 1 or rest[1] != inside[1]):
                wrong.append(f"{target} belongs to another command")
        elif first not in sys.stdlib_module_names and first != "replicator":
            wrong += _past_a_door(path, target)
    if here == 0 or inside[-1] == "command.py":
        wrong += [f"{name} is no part of Python" for name in found if name.split(".")[0] not in _START]
    if inside[0] == "core" or is_pure(path):
        wrong += [f"{name} is of the world outside" for name in found if name.split(".")[0] in WORLDLY]
    return wrong


def is_pure(path: Path) -> bool:
    """Whether a module's own words say so, as those of what decides and computes do."""
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.search(r"(^|\s)Pure[.:]", said) is not None


_START = {*sys.stdlib_module_names, "replicator", "__future__"}


def _past_a_door(path: Path, target: str) -> list[str]:
    door = next((name for name in DOORS if target == name or target.startswith(f"{name}.")), None)
    if door is None:
        return [f"{target} has no door"]
    here = named(path)
    if any(here == allowed or here.startswith(f"{allowed}/") for allowed in DOORS[door]):
        return []
    return [f"{target} is imported past its door, {' or '.join(DOORS[door])}"]


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 60
    assert len([path for path in MODULES if is_pure(path)]) > 50
    for allowed in DOORS.values():
        assert any((PACKAGE / name).exists() for name in allowed), allowed


def test_every_folder_and_file_has_its_place() -> None:
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in MODULES if path.parent != PACKAGE}
    assert folders == set(ORDER)
    assert {path.stem for path in PACKAGE.glob("*.py")} == TOP
    assert all((folder / "__init__.py").is_file() for folder in {path.parent for path in MODULES})
    capabilities = [folder for folder in (PACKAGE / "commands").iterdir() if any(folder.glob("*.py"))]
    assert len(capabilities) >= 4
    assert [folder.name for folder in capabilities if not (folder / "command.py").is_file()] == []


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports(path: Path) -> None:
    assert check(path, imported(path)) == []


@pytest.mark.parametrize(
    ("module", "target", "says"),
    [
        ("core/names.py", "replicator.inputs.files.read", "replicator.inputs.files.read stands above"),
        ("compute/lookup.py", "replicator.cli.main", "stands above"),
        ("commands/merge/run.py", "replicator.commands.verify.run.run", "belongs to another command"),
        ("replicas/plan.py", "google.cloud.compute_v1", "past its door"),
        ("replicas/plan.py", "time.monotonic", "of the world outside"),
        ("inputs/files.py", "leftpad", "has no door"),
        ("bootstrap/decide.py", "pydantic", "is no part of Python"),
        ("commands/merge/command.py", "pydantic.BaseModel", "is no part of Python"),
        ("core/errors.py", "emulator.testing", "is no part of the product"),
    ],
)
def test_a_wrong_import_is_noticed(module: str, target: str, says: str) -> None:
    path = PACKAGE / module
    assert path.is_file()
    assert any(says in problem for problem in check(path, imported(path) | {target}))


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, in the order of the circle; none if there is no circle."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return [*error.args[1]]
    return []


@pytest.mark.parametrize("folder", ["replicator", "emulator", "testkit", "scripts", "benchmarks"])
def test_no_modules_import_each_other_in_a_circle(folder: str) -> None:
    """Type hints count: modules that need each other's names are one module, or lack a third."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in (ROOT / folder).rglob("*.py")}
    assert len(modules) > 10
    arrows = {
        name: {each if each in modules else each.rpartition(".")[0] for each in imported(path)} & modules.keys()
        for name, path in modules.items()
    }
    assert circle(arrows) == []
    some, other = next((name, *targets) for name, targets in arrows.items() if len(targets) == 1)
    assert circle({**arrows, other: arrows[other] | {some}})


def test_nothing_is_too_large_to_be_looked_through() -> None:
    """Modules in a folder, and lines of a function."""
    for folder in {path.parent for path in MODULES}:
        most = 6 if folder == PACKAGE else 16
        assert len(list(folder.glob("*.py"))) <= most, folder
    long = [
        f"{named(path)}: {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 45
    ]
    assert long == []
