"""Keeps unit tests from what costs time."""

from __future__ import annotations

from typing import NoReturn

import pytest


@pytest.fixture
def emulator() -> NoReturn:
    """A test that needs one is an integration test."""
    pytest.fail("a unit test asks for an emulator: it belongs into tests/integration")
