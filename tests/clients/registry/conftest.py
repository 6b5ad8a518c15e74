"""One world of registries for each module: nothing in it is changed by a test but what mirrors keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.registry.pull_through import CRANE, DISTRIBUTION, missing
from testkit.registry.world import World, pulling

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Skips where the programs are not built."""
    if why := missing(CRANE, DISTRIBUTION):
        pytest.skip(why)
    with pulling(tmp_path_factory.mktemp("pulls")) as world:
        yield world
