"""A GitHub on loopback, for each test of releases and workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.forges.front import Front, front
from testkit.forges.github import GitHub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def github() -> GitHub:
    return GitHub()


@pytest.fixture
def server(github: GitHub) -> Iterator[Front]:
    with front(github) as running:
        github.url = running.url
        yield running
