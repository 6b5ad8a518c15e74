"""How the runner, GitHub's pages and a shell read what a run leaves: what of it is structure, and nothing else.

Two runs that differ in quoted text alone must have the same shape.
"""

from __future__ import annotations

import json
import re
import subprocess
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml
from markdown_it import MarkdownIt

from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markdown_it.token import Token

_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
#: Whoever shows a log may break it at any of these.
_BREAKS = re.compile(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
#: `ActionCommand.TryParseV2` and `TryParse` of actions/runner.
_COMMAND = re.compile(r"^\s*::(?P<name>[^\s:]*)(?: (?P<properties>.*?))?::")
_OLD_COMMAND = re.compile(r"##\[")
_OURS = {"error", "warning", "notice", "group", "endgroup"}
#: Of the action, and of those that lie in folders of their own.
_OUTPUTS = {
    name
    for pattern in ("action.yml", "*/action.yml")
    for path in ROOT.glob(pattern)
    for name in yaml.safe_load(path.read_text("utf-8"))["outputs"]
}
_LINKS = {("https", "console.cloud.google.com"), ("https", "github.com")}
_HTML = {"<code>", "</code>"}
_NEVER = {"image", "code_block", "code_inline", "hr", "s_open"}
#: What Mermaid, HCL and the rest of a block of code consist of, numbers aside.
_NUMBER = re.compile(r"\d+")
_HCL_STRING = r'"(?:[^"\\$%]|\\["\\]|\$\$\{|%%\{|[$%](?!\{))*"'
_HCL_LINE = re.compile(rf"(?:#.*|[a-z ]*(?:image_by_region_prefix = )?[{{}}]|\s*{_HCL_STRING} += {_HCL_STRING})?")


@dataclass(frozen=True)
class Left:
    """What a run left behind."""

    exit_code: int
    log: str
    outputs: str = ""
    summary: str = ""


def shape(left: Left) -> dict[str, Any]:
    """Everything in it that means something to a program; no text that is only read."""
    outputs = read_records(left.outputs)
    return {
        "exit code": left.exit_code,
        "lines of the log": len(_BREAKS.split(left.log)),
        "commands": list(commands(left.log)),
        "outputs": list(outputs),
        "values": {name: _skeleton(value) for name, value in outputs.items()},
        "raw": sorted({f"U+{ord(char):04X}" for char in left.log + left.summary if _is_raw(char)}),
        "markdown": list(_blocks(_MARKDOWN.parse(left.summary))),
        "YAML": [_bare(yaml.safe_load(block)) for block in fences(left.summary, "yaml")],
        "HCL": [_strings_of_hcl(block) for block in fences(left.summary, "hcl")],
    }


def strays(left: Left) -> list[str]:
    """What stands in it that the program never writes, whatever the course of the run."""
    found = shape(left)
    said = [f"command {command}" for command in found["commands"] if command[0] not in _OURS or "middle" in command[-1]]
    said += [f"character {char}" for char in found["raw"]]
    said += [f"output {name}" for name in found["outputs"] if name not in _OUTPUTS]
    for token in found["markdown"]:
        if (token[0] == "link" and token[1:] not in _LINKS) or (token[0] == "html" and token[1] not in _HTML):
            said.append(f"markdown {token}")
        if token[0] in _NEVER or (
            token[0] == "html_block" and not token[1].startswith(("<details><summary>Use", "</d"))
        ):
            said.append(f"markdown {token}")
    return said


def commands(log: str) -> Iterable[tuple[str, ...]]:
    """Every workflow command by its name and the names of its properties."""
    for line in _BREAKS.split(log):
        if match := _COMMAND.match(line):
            given = [part.partition("=")[0] for part in (match["properties"] or "").split(",") if part]
            yield (match["name"], *given, *(["in the middle"] if line[0] != ":" else []))
        if _OLD_COMMAND.search(line):
            yield ("##[",)


def read_records(text: str) -> dict[str, str]:
    """The runner's file of outputs by its own rules: `name=value`, or `name<<end` … `end`. Raises ValueError."""
    found: dict[str, str] = {}
    lines = iter(re.split(r"\r\n|\r|\n", text))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (equals < 0 or heredoc < equals):
            name, end = line[:heredoc], line[heredoc + 2 :]
            value = []
            for inner in lines:
                if inner == end:
                    break
                value.append(inner)
            else:
                raise ValueError(f"no end of {name}")
            found[name] = "\n".join(value)
        else:
            raise ValueError(f"a record that we never write: {line[:80]!r}")
    return found


def words_of_shell(script: str) -> list[int]:
    """How many words each command of ours in a script has; whatever else it ran is an error.

    The script is really run, by a shell that finds no program; our commands and gcloud only count their words.
    """
    if not script:
        return []
    ours = ("gcloud", "uvx", "gce-image-replicator")
    count = "; ".join([*(f'{name}() {{ printf "%s\\n" "$#"; }}' for name in ours), "PATH=/nonexistent", "set -u\n"])
    done = subprocess.run(
        ["bash", "--norc", "-c", count + script], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:300]
    return [int(line) for line in done.stdout.split()]


def fences(summary: str, language: str) -> list[str]:
    """The blocks of code in one language."""
    return [token.content for token in _MARKDOWN.parse(summary) if token.type == "fence" and token.info == language]


def _strings_of_hcl(block: str) -> list[int]:
    """How many strings stand in each line of a map in HCL. Raises ValueError for a line that is more than that.

    By the language's specification: a quote or a backslash ends a string or begins an escape, `${` and `%{` a template.
    """
    for line in block.splitlines():
        if not _HCL_LINE.fullmatch(line):
            raise ValueError(f"not HCL of ours: {line[:80]!r}")
    return [len(re.findall(_HCL_STRING, line)) for line in block.splitlines() if line[:1] != "#"]


def _is_raw(char: str) -> bool:
    return char != "\n" and (unicodedata.category(char)[0] == "C" or char in "\u2028\u2029")


def _skeleton(value: str) -> Any:
    """Of JSON, what it is made of; of anything else that it is one text."""
    try:
        return _bare(json.loads(value)) if value[:1] in "{[" else "text"
    except ValueError:
        return "text"


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    return [_bare(item) for item in value] if isinstance(value, list) else type(value).__name__


def _blocks(tokens: Sequence[Token]) -> Iterable[tuple[str, ...]]:
    for token in tokens:
        if token.type == "inline":
            yield from _inline(token.children or [])
        elif token.type in {"html_block", "code_block"}:
            yield (token.type, token.content)
        elif token.type == "fence":
            lines = token.content.splitlines()
            content = [_NUMBER.sub("0", line) for line in lines] if token.info == "mermaid" else []
            yield ("fence", token.info, str(len(lines)), *content)
        else:
            yield (token.type, token.tag)


def _inline(tokens: Sequence[Token]) -> Iterable[tuple[str, ...]]:
    for token in tokens:
        if token.type == "html_inline":
            yield ("html", token.content)
        elif token.type == "link_open":
            to = urlsplit(str(token.attrs["href"]))
            yield ("link", to.scheme, to.netloc)
        elif token.type != "text":
            yield (token.type, token.tag)
