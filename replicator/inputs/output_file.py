"""Declares the options of the command line that name files to write, and checks them before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict

from replicator.bootstrap.quote import quoted_path
from replicator.core.errors import InputProblem
from replicator.inputs.fields import Option

if TYPE_CHECKING:
    from collections.abc import Mapping


class DotenvFile(BaseModel):
    """Where the results are written as variables; an action has outputs instead."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    dotenv: Annotated[str, Option("where results go", "FILE")] = ""
    """A file that gets the results as lines of `NAME=value`, for a later job on GitLab or another CI system: the
    action's outputs with their names in capitals, without those that are JSON and without `reason`.
    """


class OutputFile(DotenvFile):
    """Where the index is written as well; an action writes it to RUNNER_TEMP."""

    output: Annotated[str, Option("where results go", "FILE")] = ""
    """The file that the index is written to; its signatures are written beside it, with the same name in front. Empty:
    `image-index.json` in the folder that RUNNER_TEMP names, or in the current one.
    """


def problems(named: Mapping[str, str]) -> list[InputProblem]:
    """Return what keeps files from being written, by option and path; an empty path asks for none."""
    found: dict[str, str] = {}
    wrong = []
    for option, text in named.items():
        if not text:
            continue
        where = str(Path(text).resolve())
        if said := _problem(text):
            wrong.append(InputProblem(option, said))
        elif other := found.get(where):
            wrong.append(InputProblem(option, f"{quoted_path(text)} is the file that {other} names, too"))
        found.setdefault(where, option)
    return wrong


def _problem(text: str) -> str:
    if not text.isprintable():
        return f"{quoted_path(text)} holds a line end or another control character, which no line of results can tell"
    path = Path(text)
    if text.endswith(("/", "\\")) or path.is_dir():
        return f"{quoted_path(text)} is a folder; name a file in it"
    if not path.parent.is_dir():
        return f"{quoted_path(str(path.parent))} isn't a folder, so no file can be written there"
    return ""
