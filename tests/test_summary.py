from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator import errors, results, summary
from replicator.model import Held, Outcome, ReplicaResult
from tests.make import copy, image, replica
from tests.test_protocol import hostile

ROWS = [
    ReplicaResult(replica=replica("us", family="web"), outcome=Outcome.SOURCE, image=image(), access="public", promoted=True),
    ReplicaResult(replica=replica("eu"), outcome=Outcome.CREATED, image=copy("eu"), access="public", seconds=61.5,
                  held=Held.FAMILY_IS_NEWER),
    ReplicaResult(replica=replica("asia", required=True), outcome=Outcome.FAILED, error=errors.Quota("Used up"), seconds=3),
]  # fmt: skip


def render(rows: list[ReplicaResult], notes: list[str] | None = None) -> str:
    return summary.render(results.judge(rows), image(), rows, notes or [])


def test_what_a_person_reads() -> None:
    text = render(ROWS, ["A note."])
    lines = text.splitlines()
    assert lines[0].startswith("### ❌ A required location failed&#58; asia (quota)")
    assert (
        "| eu | <code>projects/p1/global/images/web-1-eu</code> | created (family&#95;is&#95;newer) | web-eu (not moved) | public | 61.5 |"
        in lines
    )
    assert (
        "| asia (required) | <code>projects/p1/global/images/web-1-asia</code> | **failed** (quota) | web-asia (not moved) |  | 3 |"
        in lines
    )
    assert "> A note." in lines
    assert lines[-1].startswith("- **asia**&#58; Used up. Delete images") or lines[-1].startswith(
        "- **asia**: Used up."
    )


@given(hostile)
def test_no_text_starts_anything(text: str) -> None:
    shown = summary.text(text)
    assert not re.search(r"[`*_\[\]<>|\\~$@:\n\r\u2028\u0085]", shown)
    assert not re.search(r"(?<!&)#", shown)
    assert not re.search(r"&(?!(?:#\d+|amp|lt|gt);)", shown)


@given(st.lists(hostile, min_size=1, max_size=3))
def test_every_row_is_a_row(messages: list[str]) -> None:
    rows = [ReplicaResult(replica=replica("eu"), outcome=Outcome.FAILED, error=errors.Quota(text)) for text in messages]
    table = [line for line in render(rows, messages).splitlines() if line.startswith("| eu")]
    assert len(table) == len(messages)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 7 for line in table)


@pytest.mark.parametrize("length", [10, 10_000, 1_000_000])
def test_never_larger_than_the_runner_takes(length: int) -> None:
    rows = [
        ReplicaResult(replica=replica("eu"), outcome=Outcome.FAILED, error=errors.Quota("<" * length))
        for _ in range(300)
    ]
    assert len(render(rows).encode()) < 2**20
