"""Against the lines that users write instead: gcloud, one line after another, and every location in the background."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable  # noqa: TC003 - of a table that is there at run time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, Skipped
from benchmarks.spread import REGIONS
from benchmarks.world import (
    DESCRIPTION,
    FAMILY,
    LABELS,
    NAME,
    PROJECT,
    Used,
    beside_long_polls,
    calls,
    end_state,
    measured,
    replicate,
    world,
)
from testkit.harness.job import on_emulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from testkit.harness.backend import Backend

COUNTS = (3, 9)
SERIAL = "gcloud one after another / this, time"
BESIDE = "this / gcloud in the background"
_TIMES_FASTER = 8
#: Calls for all of one project: which permissions are there, and what they are for.
_PREFLIGHT = 2
#: Seconds, the same everywhere: with a spread the ratio would tell of the spread, since only one way waits for a sum.
_COPY = 4.0
_READER = ("--member=allAuthenticatedUsers", "--role=roles/compute.imageUser")


_TAKEN: tuple[tuple[str, str, Callable[[Used], float]], ...] = (
    ("time", "s", lambda used: used.seconds),
    ("processor time", "s", lambda used: used.cpu),
    ("peak memory", "MB", lambda used: used.memory),
)


@dataclass(frozen=True, slots=True)
class _Done:
    """What one way to the end state took."""

    used: Used
    calls: int
    """Beside long polls."""
    polls: int
    state: Mapping[str, Any]


def measure() -> Iterator[Figure]:
    """Time, processors, memory and calls. Raises Skipped, and RuntimeError where the end states differ."""
    if not shutil.which("gcloud"):
        raise Skipped("gcloud is not on PATH")
    for count in COUNTS:
        yield from _compared(REGIONS[:count], bound=count == max(COUNTS))


def _compared(locations: Sequence[str], *, bound: bool) -> Iterator[Figure]:
    times = dict.fromkeys(locations, _COPY)
    ways: dict[str, Callable[[Backend], Used]] = {
        "gcloud": lambda emulator: _gcloud(emulator, _one_after_another(locations)),
        "gcloud &": lambda emulator: _gcloud(emulator, _beside_each_other(locations)),
        "this": lambda emulator: replicate(emulator, locations),
    }
    done = {way: _carried_out(times, act) for way, act in ways.items()}
    if any(each.state != done["this"].state for each in done.values()):
        raise RuntimeError(f"the end states differ: {done}")
    this, serial, beside = done["this"], done["gcloud"], done["gcloud &"]
    what = f"{len(locations)} locations"
    yield Figure.ratio(
        f"{what}: {SERIAL}", serial.used.seconds, this.used.seconds, at_least=_TIMES_FASTER if bound else None
    )
    for name, parts, take in _TAKEN:
        yield Figure.ratio(
            f"{what}: {BESIDE}, {name}", take(this.used), take(beside.used), parts=parts, at_most=1 if bound else None
        )
    yield Figure(
        name=f"{what}: API calls per replica, beside long polls",
        value=this.calls / len(locations),
        unit="calls",
        at_most=8 + _PREFLIGHT / len(locations),
        note="8, and the permissions of one project; "
        f"gcloud {serial.calls / len(locations):.3g}; long polls {this.polls}, gcloud {serial.polls}",
    )


def _carried_out(times: Mapping[str, float], act: Callable[[Backend], Used]) -> _Done:
    with world(times) as emulator:
        used = act(emulator)
        counted = calls(emulator)
        at_once = beside_long_polls(counted)
        return _Done(used, at_once, counted.total() - at_once, end_state(emulator))


def _lines(location: str) -> str:
    """What makes one replica as this action makes it: copied, opened, and only then in its family."""
    name = f"{NAME}-{location}"
    labels = ",".join(f"{key}={value}" for key, value in LABELS.items())
    words = (
        ("create", name, f"--source-image={NAME}", f"--storage-location={location}"),
        ("add-iam-policy-binding", name, *_READER),
        ("update", name, f"--family={FAMILY}-{location}"),
    )
    copied = (f"--labels={labels}", f"--description={DESCRIPTION}")
    return " && ".join(
        shlex.join(["gcloud", "compute", "images", *line, *(copied if line[0] == "create" else ()), "--quiet"])
        for line in words
    )


def _one_after_another(locations: Sequence[str]) -> str:
    return "set -e\n" + "\n".join(_lines(location) for location in locations)


def _beside_each_other(locations: Sequence[str]) -> str:
    begun = "\n".join(f"( {_lines(location)} ) & all+=($!)" for location in locations)
    return f'{begun}\nfor each in "${{all[@]}}"; do wait "$each" || exit 1; done'


def _gcloud(emulator: Backend, script: str) -> Used:
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **{name: os.environ[name] for name in ("PATH", "CLOUDSDK_PYTHON") if name in os.environ},
            **on_emulator(emulator.url),
            "HOME": folder,
            "CLOUDSDK_CONFIG": folder,
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        }
        return measured(["bash", "-c", script], env)
