"""Where tests and their support lie, who imports whom, and which of the exhaustive tests a run takes."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from testkit import tiers
from testkit.places import ROOT
from testkit.tiers import SLICES, Choice

FOLDERS = ("testkit", "tests", "scripts", "benchmarks", "emulator", "replicator")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
UNIT = [path for path in MODULES if (ROOT / "tests" / "unit") in path.parents]
SHARED = [ROOT / "testkit", ROOT / "tests"]
#: `make test` runs these whole, and a slice of `exhaustive`.
TIERS = {"unit", "integration", "docs", "emulator", "exhaustive", "e2e", "clients"}
#: What a unit test doesn't touch: a service, another process, a whole run.
OUTSIDE = {"emulator", "subprocess", "multiprocessing", "testkit.action", "testkit.harness", "testkit.crash"}
NAMES = [f"test_{number}[x]" for number in range(5000)]


def imported(path: Path) -> set[str]:
    """Every module that a file imports, for types as well, and everything that these are in."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            names |= {f"{node.module}.{name.name}" for name in node.names}
    parts = [name.split(".") for name in names]
    return {".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


class TestLayout:
    def test_there_is_something_to_look_at(self) -> None:
        assert len(MODULES) > 250
        assert len(UNIT) > 25

    def test_nobody_imports_a_test(self) -> None:
        assert [named(path) for path in MODULES if "tests" in imported(path)] == []

    def test_every_test_is_in_a_tier(self) -> None:
        found = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
        assert found == TIERS

    def test_unit_tests_touch_nothing_outside(self) -> None:
        assert {named(path): outside for path in UNIT if (outside := imported(path) & OUTSIDE)} == {}

    def test_unit_mirrors_the_packages(self) -> None:
        unit, package = ROOT / "tests" / "unit", ROOT / "replicator"
        folders = {path.parent.relative_to(unit) for path in UNIT}
        assert folders <= {path.parent.relative_to(package) for path in package.rglob("*.py")}

    def test_no_folder_is_crowded(self) -> None:
        folders = {path.parent for path in MODULES if any(shared in path.parents for shared in SHARED)}
        crowded = {
            named(folder): count
            for folder in folders
            if (count := len([path for path in folder.glob("*.py") if path.name != "__init__.py"])) > 16
        }
        assert not crowded


class TestSlice:
    def test_slice_and_rest_are_all_and_nothing_twice(self) -> None:
        for parametrised in (True, False):
            for name in NAMES:
                slice_, rest = Choice(), Choice(rest=True)
                assert slice_.takes(name, parametrised=parametrised) != rest.takes(name, parametrised=parametrised)
                assert Choice(everything=True).takes(name, parametrised=parametrised)

    def test_a_slice_is_one_of_a_hundred(self) -> None:
        taken = [name for name in NAMES if Choice().takes(name, parametrised=True)]
        assert 0.5 < len(taken) * SLICES / len(NAMES) < 2
        assert all(Choice().takes(name, parametrised=False) for name in NAMES)

    def test_it_is_the_same_everywhere(self) -> None:
        """Not by `hash`, which differs from process to process."""
        assert [name for name in NAMES[:200] if Choice().takes(name, parametrised=True)] == [
            "test_14[x]",
            "test_166[x]",
        ]

    def test_shards_are_all_and_nothing_twice(self) -> None:
        shards = [Choice(everything=True, shard=tiers.shard(f"{part}/4")) for part in range(1, 5)]
        assert {sum(choice.takes(name, parametrised=True) for choice in shards) for name in NAMES} == {1}

    def test_turns_share_what_a_slice_leaves(self) -> None:
        """By another part of the number than the slice: else the slice would be of one turn."""
        counts = Counter(tiers.turn(name) for name in NAMES)
        assert set(counts) == set(range(tiers.TURNS))
        assert max(counts.values()) < 1.3 * min(counts.values())
        assert len({tiers.turn(name) for name in NAMES if Choice().takes(name, parametrised=True)}) == tiers.TURNS

    @pytest.mark.parametrize("text", ["0/4", "5/4", "4", "a/b", ""])
    def test_what_is_not_a_shard(self, text: str) -> None:
        with pytest.raises(ValueError, match=f"^{text}$|unpack|invalid literal"):
            tiers.shard(text)
