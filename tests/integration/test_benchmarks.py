"""What the benchmarks compute beside what they measure: the bound, the spread, verdicts, the page."""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING

import pytest

from benchmarks import page
from benchmarks.__main__ import BENCHMARKS
from benchmarks.bound import soonest
from benchmarks.by_hand import BESIDE, SERIAL
from benchmarks.driven import DrivenLoop
from benchmarks.figures import Figure, Results
from benchmarks.spread import REGIONS, copy_seconds
from emulator.testing import running
from testkit.action import Action

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def optimum(durations: Sequence[float], per_source: int, window: float) -> float:
    """The best of all schedules: for one order of begins it is best to begin each as soon as there is a chance."""

    def ends(order: Sequence[float]) -> float:
        chances, last = [0.0] * per_source, 0.0
        for seconds in order:
            begin = min(chances)
            chances.remove(begin)
            chances += [begin + window, *[begin + seconds] * per_source]
            last = max(last, begin + seconds)
        return last

    return min(map(ends, itertools.permutations(durations)))


class TestBound:
    @pytest.mark.parametrize("seed", range(40))
    def test_nothing_is_sooner(self, seed: int) -> None:
        draw = random.Random(seed)
        durations = [draw.choice((1.0, 2.0, 3.0, 7.0, 20.0)) for _ in range(draw.randint(1, 6))]
        per_source, window = draw.randint(1, 3), draw.choice((2.5, 10.0, 60.0))
        assert soonest(durations, per_source=per_source, window=window) <= optimum(durations, per_source, window)

    @pytest.mark.parametrize(("per_source", "window"), [*itertools.product((1, 2, 6), (2.0, 5.0, 60.0))])
    def test_copies_that_take_as_long_can_be_as_soon(self, per_source: int, window: float) -> None:
        for count in range(1, 7):
            same = [3.0] * count
            assert soonest(same, per_source=per_source, window=window) == optimum(same, per_source, window)

    @pytest.mark.parametrize(
        ("count", "copy", "soon"),
        [
            (1, 300, 300),
            (6, 300, 300),
            (7, 300, 600),
            (42, 300, 600),
            (43, 300, 900),
            (43, 3500, 7100),
            (7, 4000, 7600),
        ],
    )
    def test_six_an_hour(self, count: int, copy: float, soon: float) -> None:
        """One source, then seven, then 49; a copy that takes about an hour is not worth waiting for."""
        assert soonest([copy] * count, per_source=6, window=3600) == soon


class TestSpread:
    def test_is_drawn_again_and_scaled(self) -> None:
        drawn = copy_seconds(REGIONS, slowest=8, seed=3)
        assert drawn == copy_seconds(REGIONS, slowest=8, seed=3) != copy_seconds(REGIONS, slowest=8, seed=4)
        assert max(drawn.values()) == 8
        assert min(drawn.values()) > 1
        assert len(drawn) == 43


class TestFigures:
    @pytest.mark.parametrize(
        ("bounds", "holds", "verdict"),
        [
            ({"at_most": 2.5}, True, "holds, by 20%"),
            ({"at_most": 1.6}, False, "FALLS SHORT, by 25%"),
            ({"at_least": 1.6}, True, "holds, by 25%"),
            ({"at_least": 8.0}, False, "FALLS SHORT, by 75%"),
            ({}, None, ""),
        ],
    )
    def test_bounds(self, bounds: dict[str, float], holds: bool | None, verdict: str) -> None:
        figure = Figure.ratio("a / b", 4, 2, **bounds)
        assert (figure.value, figure.holds, figure.verdict) == (2, holds, verdict)

    def test_none_are_allowed(self) -> None:
        assert [Figure(name="refused", value=value, at_most=0).holds for value in (0, 1)] == [True, False]
        assert Figure(name="refused", value=0, at_most=0).verdict == "holds"


def test_page() -> None:
    results = Results(skipped={"quota": "no time"}, date="2026-11-21", machine="2 looms", load=(0.5, 1.25))
    results.figures["by_hand"] = [
        Figure.ratio(f"9 locations: {SERIAL}", 54, 6, at_least=8),
        Figure.ratio(f"9 locations: {BESIDE}, time", 6, 20, at_most=1),
    ]
    text = page.render(json.loads(json.dumps(results.as_json())), BENCHMARKS)
    assert "Measured on 2026-11-21: 2 looms." in text
    assert f"| 9 locations: {SERIAL} | 9 x | ≥ 8 | holds, by 12% | 54 s / 6 s |" in text
    assert "bar [54.0, 20.0, 6.0]" in text
    assert "Skipped: no time." in text
    assert BENCHMARKS["skip"] not in text


def test_a_run_moves_the_clock_that_it_goes_by(tmp_path: Path) -> None:
    """Hours of copies, and no longer in real time than the calls take; the emulator agrees on how long it was."""
    with running(driven=True, copy_seconds=5000) as emulator:
        emulator.add_image(project="p1", name="web-1", family="web", public=True)
        action = Action(emulator, tmp_path, make_loop=lambda: DrivenLoop(emulator.url))
        done = action(timeout_minutes="100", locations="eu,asia")
        assert done.result == "complete"
        assert done.seconds == pytest.approx(5000, abs=5)
        journal = emulator.journal()
        assert journal[-1]["answered"] - journal[0]["received"] == pytest.approx(done.seconds, abs=1)
