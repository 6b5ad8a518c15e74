"""Writes the pages FIDELITY.md, with what was measured: `python -m emulator.fidelity [--measured REPORT.json …]`.

Evidence is a report of `make smoke` on the real cloud (`smoke-report.json`). Those in `docs/evidence/` count always,
others where they are named. A switch that a report settles is *measured* and no longer guessed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator import assembly
from emulator.artifact_registry import fidelity as of_registry
from emulator.compute import fidelity as of_compute
from emulator.core.fidelity import Measured

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).resolve().parent
EVIDENCE = HERE.parent / "docs" / "evidence"
SCHEMA = 1


class NoEvidence(ValueError):
    """A report that proves nothing of the service, and why."""


def read(paths: Iterable[Path]) -> dict[str, Measured]:
    """Switch → what the latest report observed. Raises NoEvidence."""
    reports = sorted(((_report(path), path.name) for path in paths), key=lambda each: (each[0]["date"], each[1]))
    return {
        row["id"]: Measured(value=row["observed"], date=report["date"])
        for report, _ in reports
        for row in report["rows"]
        if row["switch"] and row["observed"] is not None
    }


def _report(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["schema"] != SCHEMA or not isinstance(found["rows"], list):
            raise NoEvidence(f"{path}: its form is another one than {SCHEMA}")
        emulated = found["emulator"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise error if isinstance(error, NoEvidence) else NoEvidence(f"{path} is no report of a smoke") from None
    if emulated:
        raise NoEvidence(f"{path} was made on an emulator, which proves nothing")
    return dict(found)


def committed() -> list[Path]:
    """The reports in the repository."""
    return sorted(EVIDENCE.glob("*.json"))


def disagreeing(measured: dict[str, Measured]) -> dict[str, tuple[Any, Any]]:
    """Switches whose default isn't what was measured: the default, and what was."""
    fields = assembly.scenario().model_fields["switches"].annotation.model_fields  # type: ignore[union-attr]
    return {
        name: (fields[name].default, each.value)
        for name, each in measured.items()
        if name in fields and fields[name].default != each.value
    }


def pages(measured: dict[str, Measured]) -> dict[Path, str]:
    """Each page, and where it stands."""
    return {
        HERE / "FIDELITY.md": of_compute.page(measured),
        HERE / "artifact_registry" / "FIDELITY.md": of_registry.page(measured),
    }


def main(argv: list[str]) -> int:
    """Write the pages. Returns the exit code."""
    if argv and (argv[0] != "--measured" or len(argv) == 1):
        print("usage: python -m emulator.fidelity [--measured REPORT.json …]", file=sys.stderr)  # noqa: T201
        return 2
    try:
        measured = read([*committed(), *(Path(name) for name in argv[1:])])
    except NoEvidence as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    for path, text in pages(measured).items():
        path.write_text(text, "utf-8")
    for name, (default, value) in disagreeing(measured).items():
        text = f"{name}: the service does '{value}', the emulator '{default}' where a scenario says nothing"
        print(text, file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
