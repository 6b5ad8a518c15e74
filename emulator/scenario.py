"""Reads scenarios, with the keys of all services.

`python -m emulator.scenario` prints the JSON Schema, which is published as `schemas/emulator-scenario.schema.json`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from emulator import assembly
from emulator.core import scenario as core

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from emulator.core.scenario import Scenario

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def read(raw: Mapping[str, Any]) -> Scenario:
    """A scenario of plain values. Raises BadScenario with every problem."""
    return core.read(assembly.scenario(), raw)


def load(path: Path) -> Scenario:
    """A scenario from a YAML file. Raises BadScenario with every problem."""
    return core.load(assembly.scenario(), path)


def schema() -> dict[str, Any]:
    """The JSON Schema."""
    described = assembly.scenario().model_json_schema()
    return {"$schema": SCHEMA, **described, "title": "Scenario of the Compute Engine emulator"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
