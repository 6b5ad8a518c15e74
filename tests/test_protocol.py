from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator import protocol
from tests.conftest import read_outputs

#: Text with what could be a command, an end of line in any of its forms, an escape or half a character.
NASTY = ["::", "##[", "\n", "\r", "\r\n", "\u2028", "\u0085", "\x0b", "%0A", "\x1b[31m", "\u202e", "\ud800", "EOF", ","]
hostile = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=5), st.just("::error::x"))).map("".join)
COMMAND = re.compile(r"^\s*::|##\[")


def lines(text: str) -> list[str]:
    """Every way in which somebody may split the log into lines."""
    return re.split(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text)


@given(hostile)
def test_plain_is_one_line_and_no_command(text: str) -> None:
    shown = protocol.plain(text)
    assert len(lines(shown)) == 1
    assert not COMMAND.search(shown)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    shown.encode()


@given(hostile, hostile)
def test_annotation_is_one_command(message: str, title: str) -> None:
    line = protocol.annotation("warning", message, title=title)
    assert len(lines(line)) == 1
    match = re.fullmatch(r"::warning(?: title=([^:,\r\n]*))?::([^\r\n]*)", line)
    assert match, line
    assert "##[" not in line
    assert len(line) < 3 * 4096


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), hostile, max_size=4))
def test_outputs_come_back_as_they_were(values: dict[str, str]) -> None:
    records = "".join(protocol.output_record(name, value) for name, value in values.items())
    found: dict[str, str] = {}
    rest = records
    while rest:
        head, _, rest = rest.partition("\n")
        name, _, end = head.partition("<<")
        value, _, rest = rest.partition(f"\n{end}\n")
        found[name] = value
    assert found == values


@pytest.mark.parametrize("name", ["", "a b", "a<<b", "a=b", "a\nb", "1a", "ä"])
def test_output_names(name: str) -> None:
    with pytest.raises(ValueError, match="not an output record"):
        protocol.output_record(name, "x")


def test_outputs_go_nowhere_without_a_runner(tmp_path: Path) -> None:
    protocol.write_outputs({}, {"a": "b"})
    protocol.write_outputs({"GITHUB_OUTPUT": str(tmp_path / "o")}, {"a": "x\ny\ud800", "b": ""})
    assert read_outputs(tmp_path / "o") == {"a": "x\ny\\ud800", "b": ""}


def test_log_in_a_narrow_encoding() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="cp1252", newline="\n")
    protocol.write_line(stream, "✓ München")
    assert raw.getvalue() == b"\\u2713 M\xfcnchen\n"


def test_a_log_that_is_gone() -> None:
    closed = io.StringIO()
    closed.close()
    protocol.write_line(closed, "x")
    protocol.write_line(None, "x")  # type: ignore[arg-type]
