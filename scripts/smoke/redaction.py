"""Replaces what tells whose project it was by pseudonyms, and looks for what is left of it."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
_IP = r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}(?![\w:])"
#: Kind of what identifies somebody → its form; the longest forms first.
_FORMS = (
    ("email", re.compile(_EMAIL)),
    ("ip", re.compile(_IP)),
    ("organisation", re.compile(r"(?<=organizations/)\d+")),
    ("folder", re.compile(r"(?<=folders/)\d+")),
    ("customer", re.compile(r"\bC0[0-9a-z]{7}\b")),
    ("domain", re.compile(r"(?<=domain:)[A-Za-z0-9.-]+\.[A-Za-z]{2,}")),
    # Of projects, images, operations; the smoke's own numbers are shorter.
    ("id", re.compile(r"(?<![\w-])(?<!\d\.)\d{9,}(?![\w-])(?!\.\d)")),
)
#: What everybody has, and what the smoke itself sends.
_COMMON = {"nobody@example.com", "anonymous@example.com"}


class Redaction:
    """The pseudonyms of one report; `known` are values that must not be told, by their kind."""

    def __init__(self, known: dict[str, str]) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = defaultdict(int)
        for value, kind in known.items():
            if value:
                self._pseudonym(kind, value)
        self._known = [value for value in known if value]

    def text(self, text: str) -> str:
        """The text with pseudonyms."""
        for kind, form in _FORMS:
            text = form.sub(lambda match, kind=kind: self._pseudonym(kind, match[0]), text)  # type: ignore[misc]
        for value in sorted(self._names, key=len, reverse=True):
            text = _whole(value).sub(self._names[value], text)
        return text

    def value(self, value: Any) -> Any:
        """JSON with pseudonyms, in keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value

    def left(self, text: str) -> list[str]:
        """The kinds of real values that a text still holds; it must not leave this machine then."""
        kinds = {value: name.rpartition("-")[0] for value, name in self._names.items()}
        found = {kinds[value] for value in self._names if _whole(value).search(text)}
        found |= {kind for kind, form in _FORMS if set(form.findall(text)) - _COMMON}
        return sorted(found)

    def _pseudonym(self, kind: str, value: str) -> str:
        if value in _COMMON or value in self._names.values():
            return value
        if value not in self._names:
            self._counts[kind] += 1
            self._names[value] = f"{kind}-{self._counts[kind]}"
        return self._names[value]


def _whole(value: str) -> re.Pattern[str]:
    """The value where it is no part of another word."""
    return re.compile(rf"(?<![A-Za-z0-9_]){re.escape(value)}(?![A-Za-z0-9_])", re.IGNORECASE)
