"""Runs `schema`: prints one of the JSON Schemas that are installed with the program."""

from __future__ import annotations

import difflib
from importlib import resources
from typing import TYPE_CHECKING

from replicator.bootstrap import exit_codes
from replicator.bootstrap.quote import quoted
from replicator.bootstrap.workflow_commands import write_line
from replicator.commands.schema.settings import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO


def run(
    given: Mapping[str, str],
    env: Mapping[str, str],  # noqa: ARG001 - as all commands are called
    stdout: TextIO,
    *,
    document: TextIO | None = None,
    **_: object,
) -> int:
    """Print the schema. Returns the exit code."""
    name = " ".join(given["file"].split())
    if name not in SCHEMAS:
        write_line(stdout, f"error: {_wrong(name)}")
        return exit_codes.BAD_SETTINGS
    text = resources.files("replicator").joinpath("schemas", SCHEMAS[name]).read_text(encoding="utf-8")
    (document or stdout).write(text)
    return exit_codes.DONE


def _wrong(name: str) -> str:
    listed = ", ".join(SCHEMAS)
    if not name:
        return f"Which file? Write one of {listed}"
    near = difflib.get_close_matches(name, SCHEMAS, n=1)
    return (
        f"{quoted(name)} isn't a file with a schema. {f'Did you mean {near[0]}?' if near else f'Write one of {listed}'}"
    )
