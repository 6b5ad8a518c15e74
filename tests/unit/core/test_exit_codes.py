"""Exit codes have one home, and every failure of a run has one."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.commands.merge import errors as merge_errors
from replicator.commands.merge.errors import BadFragments
from replicator.core import errors
from replicator.core.errors import ExitCode, InputProblem
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = ROOT / "replicator"


def test_what_they_are() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "BAD_SETTINGS": 2,
        "SETUP": 3,
        "UNREACHABLE": 4,
        "SIGNATURE_WRONG": 5,
        "DEFECT": 70,
        "SIGINT": 130,
        "SIGTERM": 143,
    }


def written_out(path: Path) -> Iterator[str]:
    """Names of exit codes that are given a number in this module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        given: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.Assign):
            given = [(ast.unparse(target), node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            given = [(ast.unparse(node.target), node.value)]
        elif isinstance(node, ast.keyword):
            given = [(node.arg or "", node.value)]
        for name, value in given:
            if "exit" in name.lower() and isinstance(value, ast.Constant) and isinstance(value.value, int):
                yield f"{path.name}: {name} = {value.value}"


def test_their_numbers_are_in_one_module() -> None:
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 50
    assert [found for path in modules for found in written_out(path)] == []


def test_failures_of_the_run_by_their_rows() -> None:
    problem = InputProblem("locations", "'x' is wrong")
    interrupted = errors.Interrupted("SIGHUP", 129)
    assert [
        (error.title, error.exit_code)
        for error in (
            errors.BadSettings([problem]),
            interrupted,
            errors.Unforeseen("Odd"),
            BadFragments([problem]),
            BadFragments([problem], advice=merge_errors.FRAGMENTS_UNVERIFIED),
        )
    ] == [
        ("Bad settings", 2),
        ("Interrupted", 129),
        ("Defect of the replicator", 70),
        ("Fragments make no release", 1),
        ("Fragments can't be verified", 3),
    ]
    assert interrupted.todo == errors.INTERRUPTED.remedy


def test_a_case_may_say_it_more_exactly() -> None:
    row = errors.Advice(title="T", meaning="M", why="W.", remedy="R.", lines="L")
    usual, exact = errors.ReplicatorError(row, "X"), errors.ReplicatorError(row, "X", remedy="S.", lines="")
    assert (usual.message, usual.to_add, usual.exit_code) == ("X. W. R.", "L", 3)
    assert (exact.message, exact.to_add) == ("X. W. S.", "")
