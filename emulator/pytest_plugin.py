"""Gives pytest the fixture `compute_emulator`, and a mark of that name whose arguments are those of `running`.

Name it in the `conftest.py` at the root of the tests: `pytest_plugins = ["emulator.pytest_plugin"]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.testing import Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "compute_emulator(**settings): how the emulator of this test runs")


@pytest.fixture
def compute_emulator(request: pytest.FixtureRequest) -> Iterator[Running]:
    """An emulator of its own for each test, which in the end must have no fault unused and no request unsupported."""
    mark = request.node.get_closest_marker("compute_emulator")
    failed = request.session.testsfailed
    with running(**(mark.kwargs if mark else {})) as emulator:
        yield emulator
        if request.session.testsfailed == failed:
            emulator.assert_faults_used()
            unsupported = [entry["method"] for entry in emulator.journal() if entry["unsupported"]]
            assert not unsupported, f"the emulator lacks {unsupported}"  # noqa: S101 -- a test's verdict
