"""Write README.md's tables and the configuration's schema again, from action.yml and the code; --check only compares.

A table stands between `<!-- BEGIN name -->` and `<!-- END name -->`, so that what people read can't drift from what
the action does.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from replicator import config, errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent


def inputs(action: dict[str, Any]) -> str:
    """The inputs: name, description, default."""
    return _table(
        ["Input", "Description", "Default"],
        (
            [f"`{name}`", given["description"], f"`{given['default']}`" if given.get("default") else "empty"]
            for name, given in action["inputs"].items()
        ),
    )


def outputs(action: dict[str, Any]) -> str:
    """The outputs: name, description."""
    return _table(
        ["Output", "Description"],
        ([f"`{name}`", given["description"]] for name, given in action["outputs"].items()),
    )


def reasons(_action: dict[str, Any]) -> str:
    """The reasons for which a replica fails or is interrupted: what each means, and what to do."""
    return _table(
        ["Reason", "What it means", "What to do"],
        (
            [f"`{error.reason}`", " ".join(filter(None, (_first_paragraph(error), error.why))), error.remedy]
            for error in replica_errors()
        ),
    )


def replica_errors() -> Iterator[type[errors.ReplicaError]]:
    """The failures that end one replica, in the order of the code."""
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.ReplicaError) and value is not errors.ReplicaError:
            yield value


TABLES = {"inputs": inputs, "outputs": outputs, "reasons": reasons}


def fill(readme: str, action: dict[str, Any]) -> str:
    """The README with every table as it must be. Raises ValueError where a pair of marks is missing."""
    for name, table in TABLES.items():
        begin, end = f"<!-- BEGIN {name} -->", f"<!-- END {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(readme)) != 1:
            raise ValueError(f"README.md must hold '{begin}' … '{end}' exactly once")
        before, after = pattern.split(readme)
        readme = f"{before}{begin}\n{table(action)}\n{end}{after}"
    return readme


def main(argv: list[str], stdout: TextIO, root: Path = ROOT) -> int:
    """Write README.md, or with `--check` only compare. Returns the exit code."""
    if argv not in ([], ["--check"]):
        stdout.write("usage: docs.py [--check]\n")
        return 2
    action = yaml.safe_load((root / "action.yml").read_text(encoding="utf-8"))
    try:
        wanted = {
            "README.md": fill((root / "README.md").read_text(encoding="utf-8"), action),
            "schemas/replicate-config.schema.json": json.dumps(config.schema(), indent=2) + "\n",
        }
    except ValueError as error:
        stdout.write(f"{error}\n")
        return 1
    stale = [name for name, text in wanted.items() if (root / name).read_text(encoding="utf-8") != text]
    for name in stale:
        if argv:
            stdout.write(f"{name} is stale: it differs from action.yml or the code. Run `make docs`.\n")
        else:
            (root / name).write_text(wanted[name], encoding="utf-8")
            stdout.write(f"{name}: written again\n")
    return 1 if stale and argv else 0


def _first_paragraph(error: type) -> str:
    return " ".join((error.__doc__ or "").split("\n\n")[0].split())


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or " "


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout))
