"""Runs `schema`: prints one of the JSON Schemas that are installed with the program, or checks files as it says."""

from __future__ import annotations

import difflib
from importlib import resources
from typing import TYPE_CHECKING

from replicator.bootstrap import exit_codes
from replicator.bootstrap.quote import quoted
from replicator.bootstrap.workflow_commands import plain, write_line
from replicator.commands.schema.settings import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

#: The kind of file that is also checked.
_CHECKED = "config"


def run(
    given: Mapping[str, str],
    env: Mapping[str, str],
    stdout: TextIO,
    *,
    document: TextIO | None = None,
    **_: object,
) -> int:
    """Print the schema, or check files. Returns the exit code."""
    name, *paths = (word.strip() for word in given["file"].split("\n"))
    if name not in SCHEMAS:
        write_line(stdout, f"error: {_wrong(name)}")
        return exit_codes.BAD_SETTINGS
    if paths:
        wrong = _problems(name, paths, env)
        for line in wrong:
            write_line(stdout, f"error: {line}")
        return exit_codes.BAD_SETTINGS if wrong else exit_codes.DONE
    text = resources.files("replicator").joinpath("schemas", SCHEMAS[name]).read_text(encoding="utf-8")
    (document or stdout).write(text)
    return exit_codes.DONE


def _problems(name: str, paths: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Return what is wrong with files of a kind, each line with the file and the line in it."""
    if name != _CHECKED:
        return [f"only files of the kind {_CHECKED} are checked here; any validator of JSON Schema checks the others"]
    # Printing a schema doesn't pay for the parser.
    from replicator.inputs import config_file

    found = []
    for path in paths:
        try:
            config_file.read(path, env)
        except config_file.BadConfig as error:
            found += [plain(f"{path}:{line or 1}: {text}") for line, text in error.problems]
    return found


def _wrong(name: str) -> str:
    listed = ", ".join(SCHEMAS)
    if not name:
        return f"Which file? Write one of {listed}"
    near = difflib.get_close_matches(name, SCHEMAS, n=1)
    return (
        f"{quoted(name)} isn't a file with a schema. {f'Did you mean {near[0]}?' if near else f'Write one of {listed}'}"
    )
