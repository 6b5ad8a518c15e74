"""The log of a whole run."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testkit.action import Action


def test_the_log_is_folded_and_timed(action: Action) -> None:
    stuck = {"kind": "operation", "state": "stuck"}
    action.emulator.faults([{"method": "compute.images.insert", "match": "-eu", "action": stuck}])
    lines = action(timeout_minutes="4").log.splitlines()
    begin = lines.index("::group::Replicating to eu, asia")
    end = lines.index("::endgroup::", begin)
    inside = lines[begin + 1 : end]
    assert inside[0].startswith("     0 s  ")
    assert inside[0].endswith("asking for the copy")
    times = [int(line.split(" s  ")[0]) for line in inside]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= 30
    assert len([line for line in inside if "copying, 0 %" in line]) <= 1
    assert not [line for line in lines[end + 1 :] if line.startswith("::group")]
    assert lines[-2].startswith("partial: ")
