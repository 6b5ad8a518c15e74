"""How often a swarm is drawn, and from which seed: `make soak` says so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, note, seed, settings

if TYPE_CHECKING:
    from collections.abc import Callable

_Test = TypeVar("_Test", bound="Callable[..., None]")

_SEED = int(os.environ.get("SWARM_SEED", "0"))


class Swarm:
    """A decorator for a property test."""

    def __init__(self, usual: int) -> None:
        """`usual` trials are made in `make test`."""
        self._examples = int(os.environ.get("SWARM_EXAMPLES", usual))

    def __call__(self, test: _Test) -> _Test:
        drawn = settings(
            max_examples=self._examples,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        return seed(_SEED)(drawn(test))

    def note(self) -> None:
        """Tell in a failure how to see it again; for a trial to call."""
        note(f"to see it again: make soak SEED={_SEED} EXAMPLES={self._examples}")
