"""Defines what a probe is: a question to the service, and what its answer settles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from emulator import assembly

if TYPE_CHECKING:
    from scripts.smoke.lab import Lab
    from scripts.smoke.options import Options

Seen = Mapping[str, Any]
#: What must be asked for, or be given, before a probe runs.
PUBLIC, THOROUGH, REGISTRY, STRANGER = "PUBLIC", "THOROUGH", "REGISTRY", "STRANGER"
CONFIRMED, REFUTED, OPEN, SKIPPED = "confirmed", "refuted", "open", "skipped"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A question; `id` is the emulator's switch, unless the guess is none."""

    id: str
    steps: Callable[[Lab], Seen]
    """Asks, and returns what was seen."""
    settles: Callable[[Seen], Any]
    """The answer that this proves; None where it proves nothing."""
    guess: str = ""
    """What is taken for granted; empty for a switch, which says that itself."""
    assumed: Any = None
    """The answer that is taken for granted; of a switch, its default."""
    needs: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    """What it needs beside what the product needs."""

    @property
    def switch(self) -> str:
        """The switch that it settles, or ""."""
        return self.id if self.id in switches() and not self.guess else ""

    @property
    def question(self) -> str:
        """The guess in words."""
        return self.guess or " ".join(switches()[self.id].description.split())

    @property
    def expected(self) -> Any:
        """The answer that is taken for granted."""
        return switches()[self.id].default if self.switch else self.assumed

    def lacking(self, options: Options) -> list[str]:
        """What it needs and the run doesn't have."""
        has = {
            PUBLIC: options.public,
            THOROUGH: options.thorough,
            REGISTRY: options.registry,
            STRANGER: bool(options.stranger),
        }
        return [each for each in self.needs if not has[each]]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of a probe; `first` and `last` are the exchanges that it made."""

    probe: Probe
    verdict: str
    observed: Any = None
    seen: Seen
    first: int = 0
    last: int = 0


def judged(probe: Probe, seen: Seen, first: int = 0, last: int = 0) -> Finding:
    """The finding of what was seen."""
    observed = probe.settles(seen)
    verdict = OPEN if observed is None else CONFIRMED if observed == probe.expected else REFUTED
    return Finding(probe=probe, verdict=verdict, observed=observed, seen=seen, first=first, last=last)


@cache
def switches() -> Mapping[str, Any]:
    """All switches of the emulator: name → field, with description and default."""
    fields: Mapping[str, Any] = assembly.scenario().model_fields["switches"].annotation.model_fields  # type: ignore[union-attr]
    return fields


def accepts(seen: Seen) -> str | None:
    """`accept` or `refuse`, by a status and what the operation came to."""
    if seen.get("status") == 200:
        return None if seen.get("failed") else "accept"
    return "refuse" if seen.get("status") == 400 else None
