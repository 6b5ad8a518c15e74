"""What `make demo` prints is for people: 80 lines at most, and no raw JSON. The demonstration checks itself by this."""

from __future__ import annotations

import inspect

import pytest

from scripts import demo


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["A line."] * 80, ""),
        (["A line."] * 81, "81 lines were printed; people read 80"),
        (["A line.", '   {"result": "complete"}'], 'Raw JSON was printed:    {"result": "complete"}'),
    ],
)
def test_what_people_read(lines: list[str], wrong: str) -> None:
    assert demo.wrong_to_read(lines) == wrong


def test_the_demonstration_fails_by_it() -> None:
    assert "if unread := wrong_to_read(" in inspect.getsource(demo.main)
