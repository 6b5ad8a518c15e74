"""What deciding costs a sweep: 500 releases in 43 locations, in a process of its own.

The decision is what `retain` makes before it changes anything: images are grouped into releases, then judged. Reading
them from the API isn't in it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import ROOT
from benchmarks.figures import Figure
from benchmarks.spread import REGIONS
from replicator.commands.lifecycle import releases
from replicator.commands.lifecycle.lines import Scope
from replicator.commands.lifecycle.retain import retention
from replicator.commands.lifecycle.retain.policy import Policy, Rules
from replicator.commands.lifecycle.retain.standing import newest
from replicator.replicas.settings import Settings
from testkit.lifecycle.retention import NOW, heads, release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicator.core.images import Image

RELEASES = 500
#: The source is in one location, copies are in the others.
_PLACES = REGIONS[1:]
#: How many of the releases are retired, with a date that has passed.
_RETIRED = 200


def measure() -> Iterator[Figure]:
    """Seconds of the decision, and memory of the process."""
    command = [sys.executable, "-m", "benchmarks.retention"]
    told = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    what = f"{RELEASES} releases in {len(REGIONS)} locations"
    if told["purge"] != _RETIRED * len(REGIONS):
        raise RuntimeError(f"{told['purge']} images are to be deleted")
    yield Figure(
        name=f"{what}: the decision of a sweep",
        value=told["seconds"],
        unit="s",
        at_most=10,
        note=f"{told['images']} images: {told['retire']} to retire, {told['purge']} to delete",
    )
    yield Figure(name=f"{what}: memory", value=told["memory"], unit="MB", at_most=400)


def _images() -> Iterator[Image]:
    for number in range(RELEASES):
        retired = number >= RELEASES - _RETIRED
        marks = {"deprecated": "DEPRECATED", "deleted": "2026-11-01T00:00:00Z"} if retired else {}
        labels = {"release": f"v{RELEASES - number}"}
        yield from release(f"web-v{RELEASES - number}", age=2.0 + number, places=_PLACES, labels=labels, **marks)


def main() -> None:
    """Decide once, and print what it took."""
    images = tuple(_images())
    scope = Scope.of("p1", ["web"], Settings(locations=_PLACES))
    asked = heads(images)
    uses = {images[-1].id + "-of-others": "instance template t"}
    policy = Policy(lines={"web": Rules()}, max_deletions=len(images))
    began = time.perf_counter()
    world = releases.grouped(scope, images)
    plan = retention.decide(world, heads=asked, newest=newest(images), uses=uses, policy=policy, now=NOW)
    seconds = time.perf_counter() - began
    # In kilobytes; in bytes on macOS.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = most / 1024 / (1024 if sys.platform == "darwin" else 1)
    counts = {
        kind: sum(len(each.due) for each in sets) for kind, sets in (("retire", plan.retire), ("purge", plan.purge))
    }
    print(json.dumps({"seconds": seconds, "memory": memory, "images": len(images), **counts}))


if __name__ == "__main__":
    main()
