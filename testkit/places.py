"""Names the folders that tests and scripts read from, and what capabilities declare of themselves there."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "testkit" / "data"
_CAPABILITIES = "replicator/commands"


def declared(constant: str) -> dict[str, tuple[str, ...]]:
    """What the `command.py` of all capabilities say by a constant of that name: word → modules, by their full paths.

    `OUTSIDE` is which modules of the folder import which third-party package, `CLOCKS` which ask for the time.
    """
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((ROOT / _CAPABILITIES).glob("*/command.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [constant]:
                for word, modules in ast.literal_eval(node.value).items():
                    own = tuple(f"commands/{path.parent.name}/{module}".rstrip("/") for module in modules)
                    found[word] = (*found.get(word, ()), *own)
    return found


def right_inputs() -> dict[str, dict[str, str]]:
    """Verb → inputs that are right together, as the folder of each capability's tests has them."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((ROOT / "tests" / "unit" / "commands").glob("*/right_inputs.json")):
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        found |= values
    return found
