"""Names of assets: what GitHub would rename, Gitea would take literally or a file system would mix up is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.commands.release import names
from testkit.forges.github import sanitized


@pytest.mark.parametrize("name", ["vmlinuz-x86_64", "boot.iso", "a", "7z.tar.gz", "A_b+c@d-e", "SHA256SUMS", "x" * 150])
def test_valid(name: str) -> None:
    assert names.problem(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".env",
        "a b",
        "../../x",
        "a/b",
        "a\\b",
        "a..b",
        "a.",
        "-x",
        "a\nb",
        "a\r\nb",
        "ä",
        "x" * 151,
        "CON",
        "nul.txt",
        "a%2Fb",
    ],
)
def test_not_valid(name: str) -> None:
    assert "NAME=path" in names.problem(name)


@given(st.text(max_size=30) | st.from_regex(r"[A-Za-z0-9._+@-]{1,20}", fullmatch=True))
def test_a_valid_name_is_one_that_github_keeps(name: str) -> None:
    if not names.problem(name):
        assert sanitized(name) == name
        assert re.fullmatch(r"[!-~]+", name)
        assert names.of_part(names.part(name, "0" * 64)) == name


def test_names_that_differ_in_case_clash() -> None:
    assert names.clashes(["Boot.iso", "boot.iso", "x"]) != []
    assert names.clashes(["boot.iso", "x"]) == []
