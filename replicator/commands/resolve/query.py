"""Reads the query that Terraform gives to external programs: one JSON object of strings on standard input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted
from replicator.commands.resolve.settings import ResolveSettings
from replicator.core.errors import BadSettings, InputProblem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

_LARGEST = 2**20
_FORM = "the query on standard input must be one JSON object of strings"


def merged(given: Mapping[str, str], stdin: BinaryIO) -> dict[str, str]:
    """Return what was given, and from the query what wasn't. Raises BadSettings for a query that isn't valid."""
    text = stdin.read(_LARGEST + 1)
    try:
        query = json.loads(text) if len(text) <= _LARGEST else None
    except (ValueError, RecursionError):
        query = None
    if not isinstance(query, dict):
        raise BadSettings([InputProblem("format", f"tf-external: {_FORM}")])
    known = [name for name in ResolveSettings.model_fields if name != "format"]
    problems = [
        InputProblem(
            "format",
            f"tf-external: the query has the key {quoted(key)}, which isn't an option: {', '.join(known)}"
            if key not in known
            else f"tf-external: the value of {key} isn't a string, and {_FORM}",
        )
        for key, value in query.items()
        if key not in known or not isinstance(value, str)
    ]
    if problems:
        raise BadSettings(problems)
    return {**query, **{name: text for name, text in given.items() if text.strip()}}
