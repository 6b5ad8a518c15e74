"""The runner's language: workflow commands, output records, and text from outside made harmless.

Standard library only and Python 3.8, because `decide` uses it before anything is installed.
A skipped run is little more than the start of Python: `re` alone would add half of that, so it is imported where it is
needed, and most texts have nothing that needs it.
Source of the escaping rules: actions/toolkit `command.ts` and actions/runner `ActionCommand.cs`, which
reads `::name::` at the start of a line, blanks before it allowed, and the older `##[name]` anywhere in it.
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
    """Text from outside as one harmless line: no control, format or line-breaking character, no workflow command.

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
    """One workflow command as a line without its end; properties that are empty are left out."""
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return "::{}{}{}::{}".format(name, " " if listed else "", listed, _data(message))


def annotation(level: str, message: str, *, title: str, file: str = "", line: str = "") -> str:
    """An annotation (`notice`, `warning` or `error`) as a line without its end."""
    # Escaping shortens nothing, so what is cut here would be cut below.
    text = "\n".join(plain(part) for part in message[: _LONGEST_MESSAGE + 1].splitlines())
    if len(text) > _LONGEST_MESSAGE:
        text = text[: _LONGEST_MESSAGE - 2] + " …"
    return command(level, text, file=plain(file), line=line, title=plain(title))


def output_record(name: str, value: str) -> str:
    """One record of the runner's output file.

    Raises ValueError where name or value could forge a second record.
    """
    delimiter = "ghadelimiter_" + os.urandom(16).hex()
    if not (name.isascii() and name.replace("-", "_").isidentifier() and name[0] != "-") or delimiter in value:
        raise ValueError(f"not an output record: {name!r}")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def write_outputs(env: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Append the outputs to the runner's file; where there is none (no runner), nothing happens."""
    append(env.get("GITHUB_OUTPUT", ""), "".join(output_record(name, value) for name, value in values.items()))


def append(path: str, text: str) -> None:
    """Append to one of the runner's command files, in one write; no path means no such file here."""
    if path:
        with open(path, "ab", opener=_at_once) as file:
            file.write(text.encode("utf-8", "backslashreplace"))


def _at_once(path: str, flags: int) -> int:
    # A FIFO that nobody reads would take the results of the whole run with it; opened so, it is an OSError.
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(file, True)
    return file


def write_line(stdout: TextIO, line: str) -> None:
    """Print a line whatever the stream's encoding; what it lacks is shown escaped.

    A log that nobody reads any more, or a full disk, is no reason to lose results: then nothing is printed.
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
