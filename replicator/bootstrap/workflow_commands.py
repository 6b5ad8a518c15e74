"""Writes workflow commands, annotations and output records for the runner, and escapes untrusted text for them.

Uses the standard library only and runs on Python 3.8, because `decide` needs it before anything is installed.
A skipped run takes little longer than Python's start, and importing `re` would add half of that time. So `re` is
imported only where it is needed, and most texts don't need it.
The escaping rules are those of actions/toolkit `command.ts` and actions/runner `ActionCommand.cs`. The runner reads
`::name::` at the start of a line, after any blanks, and the older `##[name]` anywhere in a line.
"""

from __future__ import annotations

import os

from replicator.bootstrap.redact import redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from typing import TextIO

#: The runner cuts an annotation at 4096 characters; escaping may triple a character.
_LONGEST_MESSAGE = 3500


def plain(text: object) -> str:
    """Return untrusted text as one harmless line: no control, format or line-breaking character, no workflow command.

    Escape sequences, bidirectional controls and lone surrogates become visible as `\\x1b` or `\\u202e`.
    """
    words = " ".join(redacted(str(text)).splitlines()).replace("\t", " ").rstrip()
    if not words.isprintable():
        import re

        words = re.sub("[^ -~]", _visible, words)
    if words.lstrip().startswith("::"):
        words = words.replace("::", ": :", 1)
    return words.replace("##[", "# #[")


def command(name: str, message: str, **properties: str) -> str:
    """Return a workflow command as one line without a line break; empty properties are left out."""
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return "::{}{}{}::{}".format(name, " " if listed else "", listed, _data(message))


def annotation(level: str, message: str, *, title: str, file: str = "", line: str = "") -> str:
    """Return an annotation (`notice`, `warning` or `error`) as one line without a line break."""
    # Escaping never shortens a text, so anything cut here would be cut below anyway.
    text = "\n".join(plain(part) for part in message[: _LONGEST_MESSAGE + 1].splitlines())
    if len(text) > _LONGEST_MESSAGE:
        text = text[: _LONGEST_MESSAGE - 2] + " …"
    return command(level, text, file=plain(file), line=line, title=plain(title))


def output_record(name: str, value: str) -> str:
    """Return one record of the runner's output file.

    Raises ValueError if the name or the value could forge a second record.
    """
    delimiter = "ghadelimiter_" + os.urandom(16).hex()
    if not (name.isascii() and name.replace("-", "_").isidentifier() and name[0] != "-") or delimiter in value:
        raise ValueError(f"not an output record: {name!r}")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def write_outputs(env: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Append the outputs to the runner's file; does nothing if there is no such file (no runner)."""
    append(env.get("GITHUB_OUTPUT", ""), "".join(output_record(name, value) for name, value in values.items()))


def append(path: str, text: str) -> None:
    """Append to one of the runner's command files, in one write; does nothing if the path is empty."""
    if path:
        with open(path, "ab", opener=_at_once) as file:
            file.write(text.encode("utf-8", "backslashreplace"))


def _at_once(path: str, flags: int) -> int:
    # Opening a FIFO without a reader would block for ever and lose the results; with O_NONBLOCK it is an OSError.
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(file, True)
    return file


def write_line(stdout: TextIO, line: str) -> None:
    """Print a line in the stream's encoding; characters that the encoding lacks are escaped.

    Prints nothing if the log was closed or the disk is full: results must not be lost because of the log.
    """
    encoding = getattr(stdout, "encoding", None) or "utf-8"
    try:
        stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stdout.flush()
    except (AttributeError, OSError, ValueError):
        return


def _visible(match: re.Match[str]) -> str:
    import unicodedata

    char = match.group()
    return char.encode("unicode_escape").decode() if unicodedata.category(char)[0] == "C" else char


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
