"""One replica being made, in each of two worlds."""

from __future__ import annotations

import pytest

from testkit.sessions.copying import WORLDS, Making


@pytest.fixture(params=WORLDS, ids="-".join)
def making(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Making:
    """Its waits are as long as they are said to be."""
    monkeypatch.setattr("replicator.compute.waits._JITTER", 0.0)
    return Making(*request.param)
