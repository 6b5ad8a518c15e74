"""Tries every rule twice: with the emulator's usual answers to open questions, and with the opposite ones all at once.

`make test` tries few of the second kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from testkit.conformance.guesses import ANSWERS
from testkit.tiers import few

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.testing import Running

SWITCHES = {"usual": {}, "turned": dict(ANSWERS)}


@pytest.fixture(params=few(SWITCHES, "usual"))
def emulator(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(copy_seconds=0.02, wait_seconds=0.2, scenario={"switches": SWITCHES[request.param]}) as emulator:
        yield emulator
        emulator.assert_faults_used()
