"""Tests GitHub's filter patterns by the examples of GitHub's own cheat sheet, and what is refused."""

from __future__ import annotations

import time

import pytest

from replicator.bootstrap.filter_patterns import Pattern, matches, problem


def meant(patterns: str, tag: str) -> bool:
    return matches([Pattern(text) for text in patterns.split()], tag)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("feature/*", ["feature/my-branch", "feature/"], ["feature/my/branch", "feature"]),
        ("feature/**", ["feature/beta-a/my-branch", "feature/mona/the/octocat"], ["feature"]),
        ("main", ["main"], ["Main", "main2", "amain"]),
        ("*", ["main", "releases", ""], ["all/the/branches", "/"]),
        ("**", ["all/the/branches", "every/tag", ""], []),
        ("*feature", ["mona-feature", "feature", "ver-10-feature"], ["a/feature", "features"]),
        ("v2*", ["v2", "v2.0", "v2.9"], ["v3", "v2/1"]),
        ("v[12].[0-9]+.[0-9]+", ["v1.10.1", "v2.0.0"], ["v3.0.0", "v1.0", "v1.0.", "v1.0.0-rc"]),
        ("*.jsx?", ["page.js", "page.jsx"], ["page.jsxx", "a/page.js"]),
        ("**/README.md", ["README.md", "js/README.md", "a/b/README.md"], ["/README.md", "xREADME.md"]),
        ("docs/**/*.md", ["docs/a.md", "docs/a/b/c.md"], ["docs/a.txt", "a.md"]),
        ("[CB]at", ["Cat", "Bat"], ["cat", "at", "CBat"]),
        ("v[A-z]", ["va", "vZ"], ["v1"]),
        ("1.0+", ["1.0", "1.000"], ["1.", "1x0", "11.0"]),
        ("v\\*", ["v*"], ["v1", "v\\*"]),
        ("\\!v", ["!v"], ["v"]),
        ("v!", ["v!"], ["v"]),
        ("version-ö?", ["version-", "version-ö"], ["version-o"]),
    ],
)
def test_what_a_pattern_means(pattern: str, matching: list[str], others: list[str]) -> None:
    assert [tag for tag in [*matching, *others] if meant(pattern, tag)] == matching


@pytest.mark.parametrize(
    ("patterns", "tag", "expected"),
    [
        ("v* !v*-rc*", "v1", True),
        ("v* !v*-rc*", "v1-rc1", False),
        ("v* !v*-rc* v2-rc*", "v2-rc1", True),
        ("v* !v*-rc* v2-rc* !v2-rc9", "v2-rc9", False),
        ("!v*-rc* v*", "v1-rc1", True),
        ("a* b*", "b", True),
        ("a* !b*", "c", False),
    ],
)
def test_the_last_that_matches_decides(patterns: str, tag: str, expected: bool) -> None:
    assert meant(patterns, tag) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        *("^v", "v1$", "(v)", "v|w", "v{2}", "v}", "v\\", "?", "+v", "*+", "**?", "v?+", "!", "!^v"),
        *("v[0-9", "[", "[]", "[^0-9]", "[a.b]", "[z-a]", "[a-]", "[-a]", "[a-9]", "[a-c-e]", "[é]"),
    ],
)
def test_what_means_nothing_is_refused(pattern: str) -> None:
    assert problem(pattern)


@pytest.mark.parametrize("pattern", ["v\\^", "v\\(1\\)", "a\\|b", "\\[x]", "v]", "a-b_c.d@e~"])
def test_what_is_escaped_or_plain_is_taken(pattern: str) -> None:
    assert problem(pattern) == ""
    assert meant(pattern, pattern.replace("\\", ""))


def test_no_pattern_takes_long() -> None:
    """As an expression with ways back it would take years."""
    began = time.process_time()
    assert not meant("**a" * 40 + "b", "a" * 250)
    assert time.process_time() - began < 1
