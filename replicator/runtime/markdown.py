"""Escapes, shortens and fences text from outside for Markdown that GitHub renders. Pure."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from replicator.bootstrap import workflow_commands

if TYPE_CHECKING:
    from collections.abc import Sequence


#: What each part of the summary may take of the runner's 1 MiB, in bytes; half of it is left for masking.
_ROOM = 2**17
_LONGEST_TEXT = 1000

# What starts something in GitHub's Markdown, mentions, emoji and bare links included; & and # belong to our escapes.
_MARKUP = re.compile(r"[\\`*_{}\[\]+!|~$@:]|(?<=www)\.|(?<!&)#")


def text(value: str) -> str:
    """Text from outside that can start nothing in Markdown or HTML and breaks no table."""
    escaped = html.escape(workflow_commands.plain(value), quote=False)
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", escaped)


def code(value: str) -> str:
    """Text from outside in the type of code."""
    return f"<code>{text(value)}</code>"


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 10**9:.1f} GB" if count else "unknown size"


def fence(language: str, lines: Sequence[str]) -> str:
    """A block of code that nothing in it can end, and that is cut as a whole or not at all."""
    content = "\n".join(map(workflow_commands.plain, lines))
    marks = "`" * max(3, 1 + max(map(len, re.findall("`+", content)), default=0))
    return f"{marks}{language}\n{content}\n{marks}\n"


def shortened(value: str) -> str:
    """Text from outside, escaped, and cut where it is longer than anybody reads."""
    return text(value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]} …")


def cut(lines: list[str], more: str) -> list[str]:
    """The lines that fit into the summary, and `more` with the number of those that do not."""
    kept: list[str] = []
    room = _ROOM
    for number, line in enumerate(lines):
        room -= len(line.encode("utf-8", "backslashreplace")) + 1
        if room < 0:
            return [*kept, more.format(len(lines) - number)]
        kept.append(line)
    return kept
