"""`retain`: what it deletes, in which order, and everything that keeps it from deleting."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.lifecycle.retain import sweep
from testkit.sweeping import Swept, add, change, changes, copy_of, moment, names, pass_time, release, two_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emulator.testing import Running

APPLY = {"apply": "true"}
OLD = {"age": 300, "marked": "DEPRECATED", "deleted": moment(-2)}


@pytest.fixture
def lines(emulator: Running) -> Running:
    two_lines(emulator)
    return emulator


def one_line(emulator: Running, *, retired: bool = True) -> None:
    """Three releases that stay, and one, web-v0, that is to go."""
    for number, age in enumerate((150, 120, 50), 1):
        release(emulator, f"web-v{number}", age=age)
    release(emulator, "web-v0", **(OLD if retired else {"age": 300}))


def test_a_dry_run_changes_nothing_and_says_everything(lines: Running, tmp_path: Path) -> None:
    told = Swept(lines, tmp_path)
    assert told.exit_code == 0, told.log
    assert (told.changed, told.document["result"], told.document["due"]) == ([], "planned", 10)
    assert told.decisions == {
        "web-v5": "default",
        "web-v4": "keep_count",
        "web-v3": "keep_count",
        "web-v2": "retire",
        "web-v1": "purge",
        "arm-v5": "default",
        "arm-v4": "keep_count",
        "arm-v3": "keep_count",
        "arm-v2": "retire",
        "arm-v1": "purge",
    }
    assert "web (p1): 5 releases, default v5, keep 3, routine 90 days, critical 365" in told.log
    assert "- purge   v1  3 images      date" in told.log
    assert "web-v1-asia, web-v1-eu, then web-v1" in told.log
    assert "Plan: 5 images to retire, 5 to delete (cap 20), 6 releases stay. Nothing was changed" in told.log
    assert "gcloud compute images add-labels web-v2-asia --project=p1 --labels=hold=true" in told.summary
    plan = json.loads((tmp_path / "retention-plan.json").read_text(encoding="utf-8"))
    assert [image["name"] for image in plan["purge"]] == ["arm-v1", "arm-v1-eu", "web-v1", "web-v1-asia", "web-v1-eu"]
    assert plan["keep"] == {"default": 2, "keep_count": 4}
    assert told.document["plan_digest"].startswith("sha256:")
    assert Swept(lines, tmp_path).document["plan_digest"] == told.document["plan_digest"]


def test_three_sweeps(lines: Running, tmp_path: Path) -> None:
    """A5: the second changes nothing; after the dates exactly what was retired goes, sources last, nothing of others."""
    ids = {image["id"]: image["name"] for image in lines.state()["images"]}
    first = Swept(lines, tmp_path, APPLY)
    assert (first.exit_code, first.document["retired"], first.document["purged"]) == (0, 5, 5), first.log
    retired = [name for method, name in first.changed if method == "deprecate"]
    purged = [ids[name] for method, name in first.changed if method == "delete"]
    assert {*retired[:2]} == {"web-v2-asia", "web-v2-eu"}
    assert retired[2:] == ["web-v2", "arm-v2-eu", "arm-v2"]
    assert purged == ["web-v1-asia", "web-v1-eu", "web-v1", "arm-v1-eu", "arm-v1"]
    image = lines.image("p1", "web-v2-eu")
    assert image
    assert image["deprecated"]["state"] == "DEPRECATED"
    assert image["deprecated"]["replacement"].endswith("projects/p1/global/images/web-v5-eu")
    assert image["deprecated"]["deleted"].endswith("Z")
    second = Swept(lines, tmp_path, APPLY)
    assert (second.exit_code, second.changed, second.document["result"]) == (0, [], "complete")
    assert second.decisions["web-v2"] == "grace"
    pass_time(lines, 8)
    third = Swept(lines, tmp_path, APPLY)
    assert [ids[name] for _, name in third.changed] == ["web-v2-asia", "web-v2-eu", "web-v2", "arm-v2-eu", "arm-v2"]
    assert {"db-v1", "my-test", "web-v3", "arm-v5-eu"} <= names(lines)
    assert Swept(lines, tmp_path, APPLY).changed == []


def meddle(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let somebody act after the plan, right before a set is looked at again."""
    again = sweep.situation.again

    async def later(*args: Any) -> Any:
        act()
        return await again(*args)

    monkeypatch.setattr(sweep.situation, "again", later)


def promoted(emulator: Running) -> None:
    for name in ("web-v0", "web-v0-eu", "web-v0-asia"):
        change(emulator, name, lambda image: image.fields.pop("deprecated"))


def held(emulator: Running) -> None:
    change(emulator, "web-v0-eu", lambda image: image.labels.update(hold="legal"))


def replaced(emulator: Running) -> None:
    state = emulator.compute.state
    emulator.run(lambda: state.images.pop(("p1", "web-v0-eu"), None) if hasattr(state, "images") else None)


def used(emulator: Running) -> None:
    emulator.add_template(project="p1", name="batch", images=["global/images/web-v0-asia"])


@pytest.mark.parametrize(
    ("act", "reason"),
    [(promoted, "changed"), (held, "changed"), (used, "in_use")],
    ids=["promoted", "held", "a template"],
)
def test_somebody_acts_between_the_plan_and_the_call(
    emulator: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Running], None],
    reason: str,
) -> None:
    """A7: nothing is deleted, and the reason says why; a rerun tells the same without a surprise."""
    one_line(emulator)
    meddle(monkeypatch, lambda: act(emulator) if not changes(emulator) else None)
    before = names(emulator)
    told = Swept(emulator, tmp_path, {**APPLY, "families": "web"})
    assert (told.exit_code, told.document["purged"], told.document["result"]) == (0, 0, "complete"), told.log
    assert told.decisions["web-v0"] == reason
    assert names(emulator) == before
