"""The rules and the replication, once more, where the emulator answers every guess the other way round, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from tests.test_guesses import ANSWERS
from tests.test_replicate import *  # noqa: F403 -- collected again, with the fixture below
from tests.test_rules import *  # noqa: F403

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.testing import Running


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.02, wait_seconds=0.2, scenario={"switches": dict(ANSWERS)}) as emulator:
        yield emulator
        emulator.assert_faults_used()
