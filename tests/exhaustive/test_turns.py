"""Every fault at every call of a rollback and of a promotion: no family is ever empty, and a rerun finishes (A3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from replicator.commands.lifecycle.promote import run as turn
from testkit.action import Action
from testkit.lifecycle.releases import heads, release

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTS: dict[str, dict[str, Any]] = {
    "403": {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."},
    "503": {"kind": "http", "code": 503, "reason": "backendError", "message": "Later."},
    "412": {"kind": "http", "code": 412, "reason": "conditionNotMet", "message": "Not so."},
    "503 after": {"kind": "http", "when": "after", "code": 503, "reason": "backendError", "message": "Later."},
    "drop before": {"kind": "drop", "when": "before", "how": "close"},
    "drop after": {"kind": "drop", "when": "after", "how": "reset"},
    "operation": {
        "kind": "operation",
        "code": "RESOURCE_OPERATION_RATE_EXCEEDED",
        "message": "Too much.",
        "http_status": None,
        "leaves": "nothing",
    },
}
LINES = ("web", "web-arm64")
COMMON = {"families": ", ".join(LINES), "project_id": "p1"}
#: The method, and more calls of it than a run makes.
CALLS = [("list", 3), ("getFromFamily", 14), ("get", 16), ("testIamPermissions", 5), ("deprecate", 5), ("patch", 3)]
VERBS = {
    "rollback": ({"verb": "rollback", "to": "v1"}, "1"),
    "promote": ({"verb": "promote", "release": "v3"}, "3"),
}
CASES = [
    (verb, f"compute.images.{method}", number, fault)
    for verb in VERBS
    for method, most in CALLS
    for number in range(most)
    for fault in FAULTS
    if fault != "operation" or method in {"deprecate", "patch"}
] + [
    (verb, "compute.globalOperations.wait", number, fault)
    for verb in VERBS
    for number in range(5)
    for fault in ("403", "503", "drop after")
]


def world(emulator: Running) -> None:
    for line in LINES:
        for number in (1, 2, 3):
            family = "" if number == 3 else "{line}-{place}"
            label = {"release": f"v{number}"}
            release(emulator, f"{line}-{number}", day=number, line=line, copies=("eu",), family=family, labels=label)


@pytest.mark.parametrize(("verb", "method", "number", "fault"), CASES)
def test_a_fault_and_a_rerun(
    verb: str,
    method: str,
    number: int,
    fault: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    given, wanted = VERBS[verb]
    with running(copy_seconds=0.01, wait_seconds=0.05) as emulator:
        world(emulator)
        emulator.faults([{"method": method, "skip": number, "times": 1, "action": FAULTS[fault]}])
        action = Action(emulator, tmp_path)
        first = action.carry_out(turn.run, {**COMMON, **given})
        assert len(heads(emulator)) == 4, first.log
        assert first.exit_code in {0, 1, 3}, first.log
        if first.exit_code == 3:
            assert not action.mutations()
        emulator.faults([])
        again = action.carry_out(turn.run, {**COMMON, **given})
        assert again.exit_code == 0, again.log
        assert {name.removesuffix("-eu")[-1] for name in heads(emulator).values()} == {wanted}
    record_property("counted", "a fault in a turn, then a rerun")
