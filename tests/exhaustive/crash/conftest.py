"""The emulator whose calls can be held still, and what stories come to when nothing disturbs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from testkit.crash.theatre import Theatre

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with running(copy_seconds=0.05, wait_seconds=5.0) as emulator:
        yield Theatre(emulator, tmp_path_factory.mktemp("undisturbed"))
