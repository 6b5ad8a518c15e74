"""People read plain English: forms that made readers stumble don't come back, in code, pages or descriptions."""

from __future__ import annotations

import re

import pytest

from testkit.places import ROOT

#: Everything with sentences that people read: messages and docstrings, pages, what the actions say of themselves.
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for pattern in (
        "*.md",
        "docs/*.md",
        "emulator/README.md",
        "replicator/**/*.py",
        "action.yml",
        "*/action.yml",
        "workflows-examples/*",
        "terraform/*.tf",
        ".github/**/*.yml",
    )
    for path in ROOT.glob(pattern)
}

#: A form → what to write instead.
FORMS = {
    r"is not a valid\b": "isn't a valid",
    r"(?<!here )\bis no (?!longer\b|more\b|proof\b)[a-z]+": "isn't a",
    r"\bwhoever\b": "name who it is",
    r"\bbe it\b": "also, or whether",
    r"\bso many\b": "the number, or the most",
    r"\bstands?\b(?!-in| for\b)|\bstood\b": "is, or is there",
    r"\bshall\b": "is to, or must",
    r"\bwhat stands\b": "what is there",
    r"\bit may yet come to be\b": "it may still be made",
    r"signed-able": "that can be signed",
    r"\bholds? every one against\b": "compares each with",
    r"\beverything but\b.*\ba rerun with nothing to do\b": "a column for each command",
    r"\bonly the family\b.*\bbe it\b": "even if it is only the family",
    r"\bis not to be seen\b": "can't be seen",
    r"\bcan't be had\b": "isn't available",
    r"\bsays no for any reason\b": "refuses",
    r"\bhalf as many after a refusal\b": "halved after a refusal",
    r"\bis said all at once\b": "is reported together",
    r"\bwhose it must be\b": "who must have signed",
    r"\bit is no answer of\b": "it isn't an answer of",
}


def test_there_is_something_to_read() -> None:
    assert len(TEXTS) > 250


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_made_readers_stumble(form: str) -> None:
    pattern = re.compile(form, re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == [], f"write: {FORMS[form]}"


def test_an_input_is_not_named_twice() -> None:
    """`Input locations: locations: …` is what a title and a message make that both name the input."""
    assert [name for name, text in TEXTS.items() if re.search(r"\bInput (\w+): \1:", text)] == []
