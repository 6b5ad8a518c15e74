"""The Sigstore that tests sign with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.Sigstore]:
    if lacking := world.lacking():
        pytest.skip(lacking)
    with world.sigstore(tmp_path_factory.mktemp("sigstore")) as running:
        yield running
