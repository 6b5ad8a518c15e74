"""docs/speed.md, from the JSON of the last run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.by_hand import BESIDE, SERIAL
from benchmarks.figures import Figure, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEAD = """\
# Speed

<!-- Written by `python -m benchmarks --page` from the last run of `make bench`. -->

Compute Engine does the copying, so a run can't be faster than its slowest copy. What is measured here is everything
else. `make bench` measures it against the emulator, on one machine and in one run; every bound is a ratio within that
run, or a number that does not depend on the machine. No figure was measured against the real cloud. What a run waits
for there, and how long, is in [choices explained](choices.md#time-limits-running-it-again).

Measured on {date}: {machine}.
Processes that wanted a processor, on average: {before:.1f} before the run, {after:.1f} at its end.
"""

_CHART = """\
```mermaid
xychart-beta horizontal
    title "{title}"
    x-axis [{names}]
    y-axis "seconds" 0 --> {most:.0f}
    bar [{values}]
```
"""

_NOTES = """\
## What is measured

- **The slowest copy.** Copy times are drawn by a fixed seed, log-normally, those to other continents longer, and
  scaled down to seconds. Overhead that is constant weighs far more here than with copies of minutes.
- **A bare import** is `python3 -I -c "from google.cloud.compute_v1 import ImagesClient"`: what any program pays that
  uses the library.
- **gcloud** does for each location what the action does: `images create` (with labels and description), then
  `add-iam-policy-binding`, then `update --family`. The end states are compared field by field. Copies take four seconds
  each here, the same everywhere. In the background means each location's lines in a subshell with `&`, then `wait`.
  Memory is the sum of the proportional set sizes (PSS) of the process and all its children, looked at four times a
  second; processor time is that of the whole tree.
- **API calls** are those that answer at once, as the emulator's journal counts them. Long polls
  (`globalOperations.wait`) are told apart: how many there are depends on how long copies take.
- **Quotas enforced** means 375 mutations and 1,500 reads a minute and project, and 6 copies an hour and source, on a
  clock that goes on by itself whenever everybody only waits. The soonest possible is computed: no schedule of these
  copies under that quota ends sooner.
"""


def render(results: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """The page."""
    before, after = results["load"]
    parts = [_HEAD.format(date=results["date"], machine=results["machine"], before=before, after=after)]
    for name, title in titles.items():
        figures = [_figure(item) for item in results["figures"] if item["benchmark"] == name]
        reason = results["skipped"].get(name)
        if figures or reason:
            parts.append(f"## {title}\n\n{_table(figures) if figures else f'Skipped: {reason}.'}")
        if name == "by_hand" and figures:
            parts.append(_chart(figures))
    parts.append(_NOTES)
    return "\n".join(parts)


def _figure(item: Mapping[str, Any]) -> Figure:
    return Figure(**{key: value for key, value in item.items() if key in Figure.__dataclass_fields__})


def _table(figures: Sequence[Figure]) -> str:
    head = ["What", "Measured", "Bound", "", "Made of"]
    lines = [head, ["---", "---:", "---", "---", "---"], *rows(figures)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _chart(figures: Sequence[Figure]) -> str:
    """Bars of the seconds that each way takes for the most locations."""
    serial = [figure for figure in figures if figure.name.endswith(SERIAL)][-1]
    beside = [figure for figure in figures if figure.name.endswith(f"{BESIDE}, time")][-1]
    bars = {
        "gcloud one after another": serial.above or 0,
        "gcloud in the background": beside.below or 0,
        "this action": serial.below or 0,
    }
    return _CHART.format(
        title=f"{serial.name.partition(':')[0]} from one source, seconds",
        names=", ".join(f'"{name}"' for name in bars),
        most=max(bars.values()),
        values=", ".join(f"{seconds:.1f}" for seconds in bars.values()),
    )
