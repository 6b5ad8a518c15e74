"""Writes the outputs of a run as lines of `NAME=value`, the form that GitLab takes from one job to the next.

GitLab's form is narrower than others': no quotes, no comments, no empty lines, a name of ASCII letters, digits and
underscores, one line for each value, 20 variables and 5 KB in all (its documentation, "Pass dotenv variables").
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A sentence for people, which may quote the API: with blanks and `$`, at up to twice the size that GitLab takes.
_FOR_PEOPLE = frozenset({"reason"})


def lines(outputs: Mapping[str, str]) -> str:
    """Return a line for each output but JSON documents and sentences, with its name in capitals.

    Raises ValueError for a value of several lines, or with another control character: it could forge a variable.
    """
    told = {name.upper(): value for name, value in outputs.items() if name not in _FOR_PEOPLE and not _is_json(value)}
    for name, value in told.items():
        if not value.isprintable():
            raise ValueError(f"the value of {name} holds a line end or another control character")
    return "".join(f"{name}={value}\n" for name, value in told.items())


def _is_json(value: str) -> bool:
    """Whether a value is a JSON list or object; a path, a URI or a word is neither."""
    if value[:1] not in {"[", "{"}:
        return False
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
