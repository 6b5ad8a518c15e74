"""Finds what an answer names (a constraint, a service, a project, a permission) and fills remedies with it. Pure."""

from __future__ import annotations

import re
import shlex

#: Word of a remedy → where an answer names it. The first group that matched is the name.
_NAMED = {
    "CONSTRAINT": r"\b((?:custom)?constraints/[\w.-]*\w)",
    "SERVICE": r"\bservice=([\w.-]+\.googleapis\.com)|/apis?/(?:api|library)/([\w.-]+\.googleapis\.com)",
    "PROJECT": r"\bconsumer=projects/([\w:.-]+)|\bproject=([\w:.-]*\w)|\bproject #?([\w:.-]+) before"
    r"|\bon project #?([\w:.-]*\w)|\bto use project ([\w:.-]*\w)",
    "AGENT": r"\b((?:service-\d+@[\w.-]+|\d+@cloudservices)\.gserviceaccount\.com)",
    "LICENCE": r"\b((?:projects/[\w:.-]+/)?global/licenses/[\w.-]*\w)",
    "KEY": r"\b(projects/[\w:.-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+)",
}
#: The placeholders that a remedy keeps if the answer names nothing for them.
_UNNAMED = {
    "CONSTRAINT": "that policy",
    "SERVICE": "compute.googleapis.com",
    "AGENT": "Compute Engine's service agent",
    "LICENCE": "that licence",
    "KEY": "the key",
}
_WORDS = re.compile(rf"\b(?:{'|'.join(_NAMED)})\b")


def filled(text: str, said: str, project: str) -> str:
    """A remedy with what the answer names in the place of its words in capitals.

    `project` is the one that was asked, where the answer names no other; without either PROJECT stays.
    """

    def name(match: re.Match[str]) -> str:
        word = match[0]
        found = re.search(_NAMED[word], said, re.IGNORECASE)
        if found:
            return shlex.quote(next(group for group in found.groups() if group))
        if word == "PROJECT":
            return shlex.quote(project) if project else word
        return _UNNAMED[word]

    return _WORDS.sub(name, text)


def agent(said: str) -> str:
    """Return the Google service agent that an answer is about; empty if it is about the caller."""
    found = re.search(_NAMED["AGENT"], said)
    return found[0] if found else ""
