"""Declares the inputs `distribute`, `tag_pattern` and `python`, which are read before anything is installed."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from replicator.bootstrap.decide import DEFAULT_TAG_PATTERN
from replicator.inputs.fields import Option


class Gate(BaseModel):
    """The inputs of every gated action. `bootstrap.decide` reads them before anything is installed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    distribute: Annotated[str, Option("when", "true|false|auto")] = ""
    """`true`, `false`, or empty (`auto`): run on a push of a tag that matches `tag_pattern`, and on nothing else. Never
    runs on a pull request.
    """
    tag_pattern: Annotated[str, Option("when", "PATTERNS")] = DEFAULT_TAG_PATTERN
    """The tags whose push runs the action: GitHub's filter patterns, as in `on.push.tags`. In order, and `!` excludes;
    `*` stops at `/`, and `**` does not.
    """


class SetUp(BaseModel):
    """The input of every action that `setup.sh` reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    python: str = ""
    """The Python (3.11 or newer) that runs the action. Empty: the machine's `python3` or `python`."""
