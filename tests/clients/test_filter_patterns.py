"""Holds our filter patterns against nektos/act's, which nobody here wrote, over thousands of patterns and tags."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.bootstrap.filter_patterns import Pattern, matches, problem
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

GO_SECONDS = 120
CASES = 6000
#: What patterns are made of; each has a fair chance to be met by the tags below.
PIECES = [
    *("v", "a", "b", "1", "2", "/", ".", "-", "_"),
    *("*", "**", "**/", "?", "+", "v1", "[ab]", "[0-9]", "[0-9]+", "[a-z]?", "[A-z]", "[A-Z0-9]"),
    *("\\*", "\\!", "\\?", "\\+", "\\[", "\\/", "!", "]", "[", "[]", "[^a]", "\\", "(", "|", "{1}", "$", "^"),
]
CHARACTERS = "vvab112/./-_*!?+[]B"


def drawn(draw: random.Random) -> dict[str, list[str]]:
    patterns = ["".join(draw.choices(PIECES, k=draw.randint(1, 6))) for _ in range(draw.choice((1, 1, 1, 2, 3)))]
    patterns = [f"!{pattern}" if number and draw.random() < 0.5 else pattern for number, pattern in enumerate(patterns)]
    tags = ["".join(draw.choices(CHARACTERS, k=draw.randint(0, 7))) for _ in range(8)]
    # Tags that are like a pattern, because drawn ones alone would hardly match.
    tags += [_like(patterns[draw.randrange(len(patterns))], draw) for _ in range(8)]
    return {"patterns": patterns, "tags": tags}


def _like(pattern: str, draw: random.Random) -> str:
    fills = {
        "**/": ("", "a/", "a/b/", "/"),
        "**": ("", "a/1", "v"),
        "*": ("", "a", "/", "v1"),
        "[0-9]": ("1", "a", "2"),
    }
    fills |= {"?": ("", "a"), "+": ("", "1", "22"), "[ab]": ("a", "b", "c"), "\\": ("", "\\"), "!": ("", "!")}
    for piece, choices in fills.items():
        while piece in pattern:
            pattern = pattern.replace(piece, "\0" + draw.choice(choices).replace(piece, "\1"), 1)
    return pattern.replace("\0", "").replace("\1", "")


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """act's matcher as a program."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed")
    folder = tmp_path_factory.mktemp("act")
    for file in (*(ROOT / "scripts" / "go" / "act").glob("go.*"), Path(__file__).parent / "go" / "patterns.go"):
        shutil.copy(file, folder)
    kept = {"HOME", "PATH", "GOPROXY", "GOMODCACHE", "GOCACHE"}
    env = {name: value for name, value in os.environ.items() if name in kept}
    env |= {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(
            [go, "build", "-o", "oracle", "."], cwd=folder, env=env, capture_output=True, text=True, timeout=GO_SECONDS
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"act's matcher was not fetched and built within {GO_SECONDS} seconds")
    if done.returncode and "patterns.go:" not in done.stderr:
        pytest.skip(f"act's matcher can't be fetched: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return folder / "oracle"


def asked(oracle: Path, cases: list[Any]) -> Iterator[tuple[Any, list[bool] | None]]:
    done = subprocess.run([oracle], input=json.dumps(cases), capture_output=True, text=True, check=True, timeout=120)
    return zip(cases, json.loads(done.stdout), strict=True)


def test_what_both_take_means_the_same(oracle: Path) -> None:
    draw = random.Random(7)
    both = agreed = met = 0
    for case, theirs in asked(oracle, [drawn(draw) for _ in range(CASES)]):
        if theirs is None or any(map(problem, case["patterns"])):
            continue
        both += 1
        ours = [matches([Pattern(text) for text in case["patterns"]], tag) for tag in case["tags"]]
        agreed += ours == theirs
        met += any(ours) and not all(ours)
        assert ours == theirs, (case, ours, theirs)
    assert both > CASES / 5
    assert met > both / 3


def test_what_is_refused_there_is_refused_here(oracle: Path) -> None:
    """But for letters beyond ASCII, which act's matcher takes for bytes."""
    draw = random.Random(8)
    cases = [{"patterns": ["".join(draw.choices(PIECES, k=draw.randint(1, 5)))], "tags": []} for _ in range(CASES)]
    refused = [case["patterns"][0] for case, theirs in asked(oracle, cases) if theirs is None]
    assert len(refused) > CASES / 20
    assert [pattern for pattern in refused if not problem(pattern)] == []
