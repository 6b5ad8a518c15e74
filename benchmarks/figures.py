"""What is measured: figures with the bounds that they must keep, as a table, as JSON and as a page."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Skipped(Exception):
    """A benchmark that can't be run here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured."""

    name: str
    value: float
    unit: str = "x"
    """`x` for a ratio within one run; `s`, `MB` or `calls` otherwise."""
    at_most: float | None = None
    at_least: float | None = None
    above: float | None = None
    """Of a ratio: what stands above the line, in `parts`; as `below`."""
    below: float | None = None
    parts: str = "s"
    note: str = ""
    """What else people should see beside it."""

    @classmethod
    def ratio(cls, name: str, above: float, below: float, **more: Any) -> Figure:
        """One of two things that were measured in the same run."""
        return cls(name=name, value=above / below, above=above, below=below, **more)

    @property
    def of(self) -> str:
        """What the value was made of, for people."""
        parts = f"{number(self.above)} {self.parts} / {number(self.below)} {self.parts}" if self.below else ""
        return "; ".join(filter(None, (parts, self.note)))

    @property
    def holds(self) -> bool | None:
        """Whether it keeps its bound; None where it has none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def bound(self) -> str:
        """The bound, for people."""
        above = [f"≤ {number(self.at_most)}"] if self.at_most is not None else []
        below = [f"≥ {number(self.at_least)}"] if self.at_least is not None else []
        return ", ".join(above + below)

    @property
    def verdict(self) -> str:
        """Whether it holds, and how much of its bound is left, or lacking."""
        if self.holds is None:
            return ""
        far = ""
        if self.at_most:
            far = f", by {abs(1 - self.value / self.at_most):.0%}"
        elif self.at_least:
            far = f", by {abs(self.value / self.at_least - 1):.0%}"
        return f"{'holds' if self.holds else 'FALLS SHORT'}{far}"


def _machine() -> str:
    """The kind of machine, in a few words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = models[0] if models else platform.processor() or platform.machine()
    return f"{os.cpu_count()} processors ({cpu}), {platform.system()}, Python {platform.python_version()}"


@dataclass(kw_only=True)
class Results:
    """All figures of one run, by benchmark, and where they were measured."""

    figures: dict[str, list[Figure]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Benchmark → reason."""
    date: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d}")
    machine: str = field(default_factory=_machine)
    load: tuple[float, float] = (0.0, 0.0)
    """Processes that wanted a processor, the minute before the run and in its last minute."""

    @property
    def short(self) -> list[Figure]:
        """Those that do not keep their bounds."""
        return [figure for figures in self.figures.values() for figure in figures if figure.holds is False]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            **asdict(self),
            "figures": [
                {"benchmark": name, **asdict(figure), "holds": figure.holds}
                for name, figures in self.figures.items()
                for figure in figures
            ],
        }


def rows(figures: Iterable[Figure]) -> list[list[str]]:
    """The cells of a table: what, how much, bound, verdict, made of."""
    return [
        [figure.name, f"{number(figure.value)} {figure.unit}", figure.bound, figure.verdict, figure.of]
        for figure in figures
    ]


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "".join(f"  {line.rstrip()}\n" for line in lines)


def number(value: float | None) -> str:
    """Three digits are as much as such a measurement is good for."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:#.3g}"


def median(times: int, act: Callable[[], float]) -> float:
    """The median of several measurements."""
    return statistics.median(act() for _ in range(times))
