from __future__ import annotations

import io
import os
import re
import select
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replicator.bootstrap import early, redact, workflow_commands
from replicator.bootstrap.command import every, find
from testkit.outputs import read_outputs
from testkit.places import ROOT
from testkit.texts.hostile_text import hostile

COMMAND = re.compile(r"^\s*::|##\[")


def lines(text: str) -> list[str]:
    """Every way in which somebody may split the log into lines."""
    return re.split(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text)


@pytest.mark.parametrize("verb", [item.verb for item in every() if item.action])
def test_every_output_is_valid_with_nothing_to_say(verb: str) -> None:
    found = find(verb)
    assert found
    assert found.action
    listed = yaml.safe_load((ROOT / found.action / "action.yml").read_text(encoding="utf-8"))["outputs"]
    assert set(found.outputs) == set(listed)
    empty = {name: value in {"{}", "[]"} for name, value in found.outputs.items()}
    assert empty == {name: "JSON" in output["description"] for name, output in listed.items()}
    assert {value for name, value in found.outputs.items() if not empty[name]} <= {"", "0"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("".join(map(chr, range(33, 127))), "".join(map(chr, range(33, 127)))),
        ("München ✓ \U0001f600", "München ✓ \U0001f600"),
        ("a\tb \r\nc\u2028d \t\n", "a b  c d"),
        ("\x1b[31m \x7f \x9b", "\\x1b[31m \\x7f \\x9b"),
        ("a\u202eb \ud800 \ufeff", "a\\u202eb \\ud800 \\ufeff"),
        ("::error::x", ": :error::x"),
        (" \t ::error::x", "   : :error::x"),
        ("a ::b", "a ::b"),
        ("x ##[group]y ##[z", "x # #[group]y # #[z"),
        (ValueError("Bearer 123456"), "Bearer (secret)"),
    ],
)
def test_plain(text: object, shown: str) -> None:
    assert workflow_commands.plain(text) == shown


#: What is secret stands between « and ».
TOLD = [
    "Authorization: Bearer «abcdef» and more",
    "authorization: bearer «abc.d=f»\tand more",
    "BEARER «123456»'x",
    "BeArEr «123456»",
    'Basic «dTpwYXNz»"x',
    "basic «dTpwYXNz»,x",
    "BASIC «dTpwYXNz»<x",
    "bAsIc «dTpwYXNz»",
    "Bearer 12345 is too short",
    "Bear 1234567",
    "token «ya29.a-b_c.D9» and more",
    "xya29.abc is a word, ya29abc too, ya29. is no token",
    "«eyJhbGci-_.eyJp-_c3.AbC-_9» and more",
    "«eyJh.eyJp.», unsigned",
    "xeyJh.eyJp.A is a word, eyJ. is no token, eyJh.eyJp neither",
    "a «-----BEGIN RSA PRIVATE KEY-----\nMII\n+x==\n-----END» RSA PRIVATE KEY-----",
    "a «-----BEGIN PRIVATE KEY-----\nMII» ",
    "a «-----BEGIN PRIVATE KEY-----\nMII ----END, which is no end»",
    "a -----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----, which is no private key",
    "a -----BEGINRSA PRIVATE KEY-----, a -----BEGIN PRIVATE KEY---- and a ----BEGIN PRIVATE KEY-----: no beginnings",
    "https://«user:pa?ss»@example.com/a@b",
    "https://«user:p@ss»@example.com",
    "https://example.com/a@b, http://example.com:80 @x, http://'a'@b <http://<a@b http://\"a@b http://>a@b",
    "{'access_token': '«a b»', 'x': '1'}",
    "{'access_token':'«a b»'}",
    '{"refresh_token": "«a b»"}',
    '{"refresh_token":"«a b»"}',
    "{'token': 'which', 'token':'of', 'no_token': [], 'x': 'them'}",
    "{'client_secret': '«a b»'}",
    "{'client_secret':'«a b»'}",
    '{"client_secret": "«a b»", "x": "y"}',
    '{"client_secret":"«a b»"}',
    "{'ACTIONS_ID_TOKEN': '«a b»', 'Id_Token':'«a b»', 'CLIENT_SECRET': '«a b»', 'clientSecret':'«a b»'}",
    "nothing to hide: token, secret, key, eyJ, ://",
    "ba\u017fic 1234567, bas\u0131c 1234567: no scheme is written so",
]


@pytest.mark.parametrize("told", TOLD)
def test_what_looks_like_a_credential_is_left_out(told: str) -> None:
    if told.endswith("» "):
        told = told[:-1]
    assert redact.redacted(re.sub("[«»]", "", told)) == re.sub("«.*?»", "(secret)", told, flags=re.DOTALL)


def test_a_text_without_any_hint_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of the log comes here, and a message may be megabytes long."""
    monkeypatch.setattr(re, "sub", None)
    assert redact.redacted("Copying projects/p1/global/images/web-1.") == "Copying projects/p1/global/images/web-1."


@given(hostile)
def test_plain_is_one_line_and_no_command(text: str) -> None:
    shown = workflow_commands.plain(text)
    assert len(lines(shown)) == 1
    assert not COMMAND.search(shown)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    shown.encode()


@given(hostile, hostile)
def test_annotation_is_one_command(message: str, title: str) -> None:
    line = workflow_commands.annotation("warning", message, title=title)
    assert len(lines(line)) == 1
    match = re.fullmatch(r"::warning(?: title=([^:,\r\n]*))?::([^\r\n]*)", line)
    assert match, line
    assert "##[" not in line
    assert len(line) < 3 * 4096


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (workflow_commands.command("debug", "x"), "::debug::x"),
        (workflow_commands.command("debug", "x", a="", b=""), "::debug::x"),
        (workflow_commands.command("e", "50%\r\n::e::,", a="1:2,3%\r\n4", b="", c="d"),
         "::e a=1%3A2%2C3%25%0D%0A4,c=d::50%25%0D%0A::e::,"),
        (workflow_commands.annotation("error", "a\n::b\x1b\nc", title="T:\n1"), "::error title=T%3A 1::a%0A: :b\\x1b%0Ac"),
        (workflow_commands.annotation("notice", "m", title="t", file="a\nb.yaml", line="7"), "::notice file=a b.yaml,line=7,title=t::m"),
        (workflow_commands.annotation("notice", "a" * 3500, title=""), "::notice::" + "a" * 3500),
        (workflow_commands.annotation("notice", "a" * 3501, title=""), "::notice::" + "a" * 3498 + " …"),
    ],
)  # fmt: skip
def test_commands(line: str, expected: str) -> None:
    assert line == expected


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), hostile, max_size=4))
def test_outputs_come_back_as_they_were(values: dict[str, str]) -> None:
    records = "".join(workflow_commands.output_record(name, value) for name, value in values.items())
    found: dict[str, str] = {}
    rest = records
    while rest:
        head, _, rest = rest.partition("\n")
        name, _, end = head.partition("<<")
        value, _, rest = rest.partition(f"\n{end}\n")
        found[name] = value
    assert found == values


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a<<b", "a=b", "a\nb", "1a", "-a", "ä", "a/b", "a:b", "a@b", "a[b", "a`b", "a{b", "[", "{", "@", "`"],
)
def test_no_output_names(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"not an output record: {name!r}")):
        workflow_commands.output_record(name, "x")


@pytest.mark.parametrize(
    "name",
    ["A", "M", "Z", "a", "m", "z", "_", "aM", "am", "a5", "aA", "aZ", "aa", "az", "a0", "a9", "a_", "a-", "image_us"],
)
def test_output_names(name: str) -> None:
    assert re.fullmatch(rf"{name}<<(ghadelimiter_[0-9a-f]{{32}})\nx\n\1\n", workflow_commands.output_record(name, "x"))


def test_a_value_that_holds_the_delimiter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda count: b"\1" * count)
    with pytest.raises(ValueError, match="not an output record: 'a'"):
        workflow_commands.output_record("a", "x ghadelimiter_" + "01" * 16)


def test_outputs_go_nowhere_without_a_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    workflow_commands.write_outputs({}, {"a": "b"})
    assert not list(tmp_path.iterdir())
    workflow_commands.write_outputs({"GITHUB_OUTPUT": str(tmp_path / "o")}, {"a": "x\ny\ud800", "b": ""})
    workflow_commands.write_outputs({"GITHUB_OUTPUT": str(tmp_path / "o")}, {"c": "d"})
    assert read_outputs(tmp_path / "o") == {"a": "x\ny\\ud800", "b": "", "c": "d"}
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "o").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.fixture
def impatient() -> Iterator[None]:
    """Whoever waits for more than ten seconds is told so, instead of waiting for ever."""

    def stop(*_: object) -> None:
        raise AssertionError("waited for ten seconds")

    handler, left = signal.signal(signal.SIGALRM, stop), signal.alarm(10)
    yield
    signal.alarm(left)
    signal.signal(signal.SIGALRM, handler)


@pytest.mark.usefixtures("impatient")
def test_a_pipe_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        workflow_commands.append(str(tmp_path / "pipe"), "x")


@pytest.mark.usefixtures("impatient")
def test_a_pipe_whose_reader_is_slow_gets_everything(tmp_path: Path) -> None:
    """More than a pipe holds: the rest waits for the reader instead of being lost."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    found = bytearray()

    def read() -> None:
        while not found or found[-1:] != b".":
            select.select([reader], [], [])
            found.extend(os.read(reader, 2**16))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    workflow_commands.append(str(tmp_path / "pipe"), "x" * 2**18 + ".")
    thread.join(10)
    os.close(reader)
    assert len(found) == 2**18 + 1


def test_what_is_open_waits_for_its_reader(tmp_path: Path) -> None:
    """A reader that is quick enough does not show it."""
    file = workflow_commands._at_once(str(tmp_path / "o"), os.O_WRONLY | os.O_CREAT)
    assert os.get_blocking(file)
    os.close(file)


def test_where_files_can_not_be_opened_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, whose Python before 3.12 has neither name."""
    monkeypatch.delattr(os, "O_NONBLOCK")
    monkeypatch.delattr(os, "set_blocking")
    workflow_commands.append(str(tmp_path / "o"), "x")
    workflow_commands.append(str(tmp_path / "o"), "y")
    assert (tmp_path / "o").read_text() == "xy"


def test_signals_that_stop_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGBREAK", raising=False)
    assert early.stop_signals() == [signal.SIGINT, signal.SIGTERM]
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    assert early.stop_signals() == [signal.SIGINT, signal.SIGTERM, 21]


def test_log_in_a_narrow_encoding() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="cp1252", newline="\n")
    workflow_commands.write_line(stream, "✓ München")
    assert raw.getvalue() == b"\\u2713 M\xfcnchen\n"


def test_log_of_no_known_encoding() -> None:
    """As io.StringIO, whose encoding is None."""
    stream = io.StringIO()
    workflow_commands.write_line(stream, "✓ \ud800")
    assert stream.getvalue() == "✓ \\ud800\n"


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("No space left on device")


def test_a_log_that_is_gone() -> None:
    closed = io.StringIO()
    closed.close()
    workflow_commands.write_line(closed, "x")
    workflow_commands.write_line(Full(), "x")
    workflow_commands.write_line(None, "x")  # type: ignore[arg-type]
