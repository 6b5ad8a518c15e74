"""What nobody could confirm of the service, in each value: sweeps, rollbacks and promotions do what they say (A9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from replicator.commands.lifecycle.promote import run as turn
from testkit.action import Action
from testkit.lifecycle import releases
from testkit.lifecycle.listing import listed
from testkit.lifecycle.sweeping import Swept, names, pass_time, two_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SWITCHES = {
    "undeprecate": ("clear", "body_only", "refuse"),
    "past_dates": ("accept", "refuse"),
    "date_form": ("any", "rfc3339"),
    "replacement": ("any", "existing", "same_project"),
    "image_by_id": ("accept", "refuse"),
    "empty_family": ("clear", "refuse"),
    "template_images": ("any", "existing"),
}
VALUES = [(switch, value) for switch, values in SWITCHES.items() for value in values]
#: What is to be deleted at once, and what is retired first, of the world of `two_lines`.
PURGED = {"web-v1", "web-v1-eu", "web-v1-asia", "arm-v1", "arm-v1-eu"}
RETIRED = {"web-v2", "web-v2-eu", "web-v2-asia", "arm-v2", "arm-v2-eu"}
#: What is left after the first sweep.
STATUSES = {
    f"{stem}-v{number}": status
    for stem in ("web", "arm")
    for number, status in ((5, "default"), (4, "published"), (3, "published"), (2, "retired"))
}


@pytest.mark.parametrize(("switch", "value"), VALUES)
def test_three_sweeps(switch: str, value: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """A5: what is due goes, the second sweep changes nothing, and what was retired goes once its date has passed."""
    with running(wait_seconds=0.05, scenario={"switches": {switch: value}}) as emulator:
        two_lines(emulator)
        before, given = names(emulator), {"apply": "true"}
        first = Swept(emulator, tmp_path, given)
        assert (first.exit_code, first.document["retired"], first.document["purged"]) == (0, 5, 5), first.log
        assert names(emulator) == before - PURGED
        told = listed(emulator, {"families": "web, web-arm64", "project_id": "p1"})
        assert told.exit_code == 0, told.log
        assert {name: row["status"] for (_, name), row in told.rows.items()} == STATUSES
        second = Swept(emulator, tmp_path, given)
        assert (second.exit_code, second.changed) == (0, []), second.log
        pass_time(emulator, 8)
        third = Swept(emulator, tmp_path, given)
        assert (third.exit_code, third.document["purged"]) == (0, 5), third.log
        assert names(emulator) == before - PURGED - RETIRED
    record_property("counted", "three sweeps under a switch")


@pytest.mark.parametrize(("switch", "value"), VALUES)
def test_back_and_forward(
    switch: str, value: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A2: a rollback needs no return to ACTIVE; a promotion of what was rolled back does, and fails whole without."""
    common = {"families": "web, web-arm64", "project_id": "p1"}
    with running(wait_seconds=0.05, scenario={"switches": {switch: value}}) as emulator:
        for line in ("web", "web-arm64"):
            for number in (1, 2):
                label = {"release": f"v{number}"}
                releases.release(emulator, f"{line}-{number}", day=number, line=line, labels=label)
        action = Action(emulator, tmp_path)

        def led() -> set[str]:
            return {name.removesuffix("-eu").removesuffix("-asia")[-1] for name in releases.heads(emulator).values()}

        back = action.carry_out(turn.run, {**common, "verb": "rollback"})
        assert (back.exit_code, led()) == (0, {"1"}), back.log
        marked = releases.marked(emulator)
        assert len(marked) == 6
        forward = action.carry_out(turn.run, {**common, "verb": "promote", "release": "v2", "reactivate": "true"})
        if value == "refuse" and switch == "undeprecate":
            assert (forward.exit_code, led(), releases.marked(emulator)) == (1, {"1"}, marked), forward.log
            assert "still_deprecated" in forward.log
        else:
            assert (forward.exit_code, led(), releases.marked(emulator)) == (0, {"2"}, {}), forward.log
    record_property("counted", "a rollback and a promotion under a switch")
