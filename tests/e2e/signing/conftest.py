"""Jobs of a workflow that signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.harness import stand_in
from testkit.harness.merging import Jobs
from testkit.harness.package_index import Offer, index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emulator.testing import Running
    from testkit.harness.job import Action


@pytest.fixture
def jobs(action: Action, compute: Running, tmp_path: Path) -> Iterator[Jobs]:
    """Jobs whose action is set up from one small wheel, or from a newer one for keyless signing."""
    plain, more = stand_in.make_wheel(tmp_path / "plain"), stand_in.make_wheel(tmp_path / "more", "1.1")
    used = stand_in.make_action(action.path, tmp_path / "action", plain, more)
    with index(Offer({wheel.name: wheel.read_bytes() for wheel in (plain, more)})) as url:
        made = Jobs(used, None, compute, tmp_path)
        made.env |= {"PIP_INDEX_URL": url, "PIP_RETRIES": "0", "no_proxy": "*"}
        yield made
