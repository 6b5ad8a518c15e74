"""Makes names from templates, cut to 63 characters so that two never become the same, and finds near ones."""

from __future__ import annotations

import difflib
import hashlib
import re
import string
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import is_secret, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 63
_VALID = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_HASH_DIGITS = 6


class BadTemplate(ValueError):
    """A template has an unknown placeholder, or can't become a name."""


def check(template: str, allowed: frozenset[str]) -> None:
    """Raise BadTemplate if the template has a placeholder that isn't allowed, or a stray brace."""
    listed = " and ".join(f"{{{name}}}" for name in sorted(allowed))
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(template)]
    except ValueError as error:
        raise BadTemplate(f"{quoted(template)} isn't a valid template ({error}); placeholders are {listed}") from None
    for name, spec, conversion in fields:
        if name is not None and (name not in allowed or spec or conversion):
            held = "isn't a template" if is_secret(template) else f"holds {{{name}}}"
            raise BadTemplate(f"{quoted(template)} {held}; placeholders are {listed}")


def holds(template: str, placeholder: str) -> bool:
    """Whether the template holds the placeholder, so that it needs its value."""
    return any(name == placeholder for _, name, _, _ in string.Formatter().parse(template))


def make(template: str, stem: str, **values: str) -> str:
    """Fill a template: `{name}` and `{family}` are replaced by the stem, other placeholders by their values.

    If the result is too long, the stem is cut, and six hex digits of the SHA-256 of the full result are put after it.
    So two long names never become the same, and the suffix is never cut. Raises BadTemplate if the result can't be a
    valid name.
    """
    full = _fill(template, stem, values)
    name = full
    if len(full) > LONGEST:
        digits = hashlib.sha256(full.encode()).hexdigest()[:_HASH_DIGITS]
        fitting = (
            candidate
            for length in range(min(len(stem), LONGEST), -1, -1)
            if len(candidate := _fill(template, _join(stem[:length], digits), values)) <= LONGEST
        )
        name = next(fitting, full)
    if not _VALID.fullmatch(name):
        raise BadTemplate(
            f"{quoted(template)} makes {quoted(name)}, which isn't a valid name in Compute Engine: at most 63 "
            "characters, lower case letters, digits and hyphens, a letter first and no hyphen at the end"
        )
    return name


def is_valid(name: str) -> bool:
    """Return whether the text is a valid name of an image or a family (RFC 1035)."""
    return bool(_VALID.fullmatch(name))


def _fill(template: str, stem: str, values: dict[str, str]) -> str:
    return template.format(name=stem, family=stem, **values)


def _join(stem: str, digits: str) -> str:
    trimmed = stem.rstrip("-")
    return f"{trimmed}-{digits}" if trimmed else f"x{digits}"


_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def is_project(text: str) -> bool:
    """Return whether the text can be the id of a project (domain-scoped `example.com:p` and numbers, too)."""
    return bool(_PROJECT.fullmatch(text))


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return the one or two known words that a wrong one may have been meant to be; none if none is near."""
    return difflib.get_close_matches(word, list(known), n=2)
