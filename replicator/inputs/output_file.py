"""Declares the option `output` of the command line, which says where the index is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from replicator.bootstrap.quote import quoted_path
from replicator.core.errors import InputProblem
from replicator.inputs.fields import Option


class OutputFile(BaseModel):
    """Where the index is written; an action writes it to RUNNER_TEMP."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    output: Annotated[str, Option("where the index goes", "FILE")] = ""
    """The file that the index is written to; its signatures are written beside it, with the same name in front. Empty:
    `image-index.json` in the folder that RUNNER_TEMP names, or in the current one.
    """


def problems(text: str) -> list[InputProblem]:
    """Return what keeps a file from being written there, before anything is made that it would record."""
    path = Path(text)
    if text.endswith(("/", "\\")) or path.is_dir():
        return [InputProblem("output", f"{quoted_path(text)} is a folder; name a file in it")]
    if not path.parent.is_dir():
        return [
            InputProblem("output", f"{quoted_path(str(path.parent))} isn't a folder, so no file can be written there")
        ]
    return []
