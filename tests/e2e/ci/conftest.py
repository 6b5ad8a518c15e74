from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.ci.machine import Machine, machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def around() -> Iterator[Machine]:
    """A machine of one of Google's, with an emulator that knows nobody else."""
    with machine() as found:
        yield found
