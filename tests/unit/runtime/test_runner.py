from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from replicator.core.errors import InputProblem
from replicator.runtime import markdown
from replicator.runtime.runner import Annotation, Runner, about_input, within_budget

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (9, 9), (10, 10), (11, 10), (43, 10)])
def test_budget(count: int, shown: int) -> None:
    kept = within_budget([Annotation("notice", f"t{number}", f"m{number}") for number in range(count)])
    assert len(kept) == shown
    if count > shown:
        assert kept[-1].title == f"{count - 9} more notices"
        assert kept[-1].message.count("\n") == count - 10
        assert f"t{count - 1}: m{count - 1}" in kept[-1].message


def test_where_an_annotation_is_shown() -> None:
    stdout = io.StringIO()
    remark = Annotation("error", "Input config", "No such key.", file="a,b:c.yaml", line=7)
    Runner({}, stdout, commands=True).annotate([remark])
    assert stdout.getvalue() == "::error file=a%2Cb%3Ac.yaml,line=7,title=Input config::No such key.\n"


def test_an_input_is_named_once_where_the_title_is_shown_and_once_where_it_is_not() -> None:
    told = {}
    for commands in (True, False):
        stdout = io.StringIO()
        wrong = [InputProblem(f"hooks.a{number}.secrets", f"'x{number}' doesn't exist") for number in range(11)]
        Runner({}, stdout, commands=commands).annotate([about_input("error", problem) for problem in wrong])
        told[commands] = stdout.getvalue().splitlines()
    assert told[False][0] == "error: Input hooks.a0.secrets: 'x0' doesn't exist"
    assert told[True][0] == "::error title=Input hooks.a0.secrets::hooks.a0.secrets: 'x0' doesn't exist"
    assert "Input hooks.a10.secrets: 'x10' doesn't exist" in told[True][9]


def test_groups() -> None:
    stdout = io.StringIO()
    with Runner({}, stdout, commands=True).group("A\n::error::b"):
        pass
    assert stdout.getvalue() == "::group::A ::error::b\n::endgroup::\n"
    stdout = io.StringIO()
    with Runner({}, stdout, commands=False).group("A"):
        pass
    assert stdout.getvalue() == "A\n"


def test_tables_are_aligned() -> None:
    stdout = io.StringIO()
    Runner({}, stdout, commands=True).table([["a", "bbb", "c"], ["aaa", "b\n", ""]])
    assert stdout.getvalue() == "  a    bbb  c\n  aaa  b\n"


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ("80", "  eu  created  projects/p1  family web  3.6 s"),
        ("40", "  eu  created  projects/p1  family web"),
        ("30", "  eu  created  projects/p1"),
        ("5", "  eu  created  projects/p1"),
    ],
)
def test_a_narrow_terminal_loses_the_least_useful_column_first(
    columns: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", columns)
    for stdout, shown in ((Terminal(), line), (io.StringIO(), "  eu  created  projects/p1  family web  3.6 s")):
        runner = Runner({}, stdout, commands=False)
        runner.table([["eu", "created", "projects/p1", "family web", "3.6 s"]], spare=(4, 3))
        assert stdout.getvalue() == f"{shown}\n"


def test_a_summary_names_no_folder_of_the_runner(tmp_path: Path) -> None:
    env = {
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "RUNNER_TEMP": "/opt/runner/_work/_temp/",
        "GITHUB_WORKSPACE": "/opt/runner/_work/images/images",
    }
    told = f"{markdown.text('/opt/runner/_work/_temp/a_b.json')}, '/opt/runner/_work/images/images/dist/x'\n"
    Runner(env, io.StringIO(), commands=True).summary(told)
    assert (tmp_path / "summary").read_text("utf-8").splitlines()[-1] == "a&#95;b.json, 'dist/x'"
    Runner({**env, "GITHUB_WORKSPACE": "/"}, io.StringIO(), commands=True).summary("a /b\n")
    assert (tmp_path / "summary").read_text("utf-8").splitlines()[-1] == "a /b"
    Runner(env, io.StringIO(), commands=True).summary(
        "/opt/runner/_work/images/images2/x in /opt/runner/_work/_temp.\n"
    )
    told = (tmp_path / "summary").read_text("utf-8").splitlines()[-1]
    assert told == "/opt/runner/_work/images/images2/x in RUNNER&#95;TEMP."
