"""A log comes in any pieces, and leaves as its lines."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from replicator.commands.release.workflows import api

TEXTS = st.text(alphabet=st.sampled_from("ab \té€\U0001f600"), max_size=30)


@given(st.lists(TEXTS, max_size=6), st.lists(st.integers(0, 200), max_size=6))
def test_lines_are_the_same_however_they_arrive(lines: list[str], cuts: list[int]) -> None:
    data = "\r\n".join(lines).encode()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    found = list(api._lines(iter(pieces)))
    # A last line that is empty is none.
    assert found == (lines[:-1] if lines and not lines[-1] else lines)


@given(st.binary(max_size=60), st.integers(1, 7))
def test_what_is_no_text_is_shown_all_the_same(data: bytes, size: int) -> None:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    found = list(api._lines(iter(pieces)))
    assert "\n" not in "".join(found)
    assert bool(found) == bool(data)
