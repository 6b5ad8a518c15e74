"""Escapes, shortens and fences text from outside for Markdown that GitHub renders. Pure."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from replicator.bootstrap import workflow_commands

if TYPE_CHECKING:
    from collections.abc import Sequence


#: Most bytes for each part of the summary. The runner takes 1 MiB in all; half is left for masking.
_ROOM = 2**17
_LONGEST_TEXT = 1000

# Characters with a meaning in GitHub's Markdown, in mentions, emoji and bare links too. `&#` begins our own escapes.
_MARKUP = re.compile(r"[\\`*_{}\[\]+!|~$@:]|(?<=www)\.|(?<!&)#")


def text(value: str) -> str:
    """Escape text from outside, so that it has no effect in Markdown or HTML and breaks no table."""
    escaped = html.escape(workflow_commands.plain(value), quote=False)
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", escaped)


def code(value: str) -> str:
    """Format text from outside as code."""
    return f"<code>{text(value)}</code>"


def size(count: int) -> str:
    """Format a number of bytes for people."""
    return f"{count / 10**9:.1f} GB" if count else "unknown size"


def fence(language: str, lines: Sequence[str]) -> str:
    """Make a block of code that nothing inside can close: one string, so that `cut` keeps or drops it whole."""
    content = "\n".join(map(workflow_commands.plain, lines))
    marks = "`" * max(3, 1 + max(map(len, re.findall("`+", content)), default=0))
    return f"{marks}{language}\n{content}\n{marks}\n"


def shortened(value: str) -> str:
    """Escape text from outside, and cut it after 1,000 characters."""
    return text(value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]} …")


def cut(lines: list[str], more: str) -> list[str]:
    """Keep the lines that fit into the summary, and add `more` with the number of those left out."""
    kept: list[str] = []
    room = _ROOM
    for number, line in enumerate(lines):
        room -= len(line.encode("utf-8", "backslashreplace")) + 1
        if room < 0:
            return [*kept, more.format(len(lines) - number)]
        kept.append(line)
    return kept
