"""A bundle with one part left out or changed, for each part and each way."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Parts on which nothing depends: what names a key is a hint, and there are no timestamps in these.
HINTS = re.compile(r"\.publicKey|keyid|timestampVerificationData")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each part of a document, the whole left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from leaves(part, (*path, key))


def left_out(holder: Any, key: Any) -> None:
    del holder[key]


def null(holder: Any, key: Any) -> None:
    holder[key] = None


def other(holder: Any, key: Any) -> None:
    """Another value of the same form."""
    value = holder[key]
    if isinstance(value, str):
        holder[key] = ("B" if value[:1] != "B" else "C") + value[1:] if not value.isdigit() else str(int(value) + 1)
    else:
        holder[key] = []


def wrong_kind(holder: Any, key: Any) -> None:
    holder[key] = 7 if isinstance(holder[key], str | list | dict) else "seven"


def immense(holder: Any, key: Any) -> None:
    """A number for which there is no room, in the form that the part has."""
    holder[key] = "9" * 17 if isinstance(holder[key], str) else 10**400


CHANGES: tuple[Callable[[Any, Any], None], ...] = (left_out, null, other, wrong_kind, immense)


def mutants(
    whole: Any, changes: tuple[Callable[[Any, Any], None], ...] = CHANGES
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each mutant, by the way to what was changed in it."""
    for change in changes:
        for path in leaves(whole):
            mutant = copy.deepcopy(whole)
            holder = mutant
            for step in path[:-1]:
                holder = holder[step]
            change(holder, path[-1])
            yield ".".join(map(str, path)), mutant
