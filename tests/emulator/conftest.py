from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.core.clock import DrivenClock
from emulator.testing import Running, running
from testkit.client import EPOCH, Client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def emulator() -> Iterator[Running]:
    """An emulator in real time, with copies of 20 milliseconds."""
    with running(copy_seconds=0.02) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Running) -> Client:
    return Client(emulator)


@pytest.fixture
def still() -> Iterator[Client]:
    """A client of an emulator whose time stands still, with copies of 10 seconds and an image `web`."""
    clock = DrivenClock(EPOCH)
    with running(copy_seconds=10.0, clock=clock) as emulator:
        emulator.add_image(project="p1", name="web", family="web")
        yield Client(emulator, clock)
