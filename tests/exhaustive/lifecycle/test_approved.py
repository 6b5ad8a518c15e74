"""A plan that was approved, and the world as it is later: what is done is in both (A12)."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from testkit.lifecycle.sweeping import Swept, add, change, moment, names, release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GIVEN = {"families": "web, web-arm64", "project_id": "p1", "keep": "1", "routine_days": "60"}
#: Line → the places of its copies, and where in the two worlds its releases have their numbers.
LINES = {"web": ("eu", "asia"), "web-arm64": ("eu",)}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """One for all: each world begins with nothing."""
    with running(copy_seconds=0.005, wait_seconds=0.05) as emulator:
        yield emulator


def begin(emulator: Running, random: Random) -> None:
    """Four releases of each architecture: some to delete, some to retire, the newest stays."""
    emulator.reset()
    for line, places in LINES.items():
        for number in range(4):
            more: dict[str, Any] = {"labels": {"release": f"v{number}"}} if random.random() < 0.3 else {}
            if number < 3 and random.random() < 0.5:
                more |= {"marked": "DEPRECATED", "deleted": moment(random.choice([-9, -2, 3]))}
            release(emulator, f"{line}-v{number}", age=300 - 80 * number, line=line, places=places, **more)


def later(emulator: Running, random: Random) -> None:
    """What may happen between the approval and the sweep, to any image of any release."""

    def held(image: Any) -> None:
        image.labels.update(hold="true")

    def promoted(image: Any) -> None:
        image.fields.pop("deprecated", None)

    def retired(image: Any) -> None:
        image.fields.update(deprecated={"state": "DEPRECATED", "deleted": moment(-1)})

    for _ in range(random.randint(1, 4)):
        name = random.choice(sorted(names(emulator)))
        stem, kind = (
            name.rsplit("-v", 1)[0],
            random.choice(["held", "promoted", "retired", "replaced", "template", "new"]),
        )
        if kind == "replaced":
            emulator.delete_image("p1", name)
            add(emulator, name, age=100, location="eu")
        elif kind == "template":
            emulator.add_template(project="p1", name=f"t{random.randrange(10**6)}", images=[f"global/images/{name}"])
        elif kind == "new":
            number = random.randrange(10, 10**6)
            release(emulator, f"{stem}-v{number}", age=10, line=stem, places=LINES[stem])
        else:
            change(emulator, name, {"held": held, "promoted": promoted, "retired": retired}[kind])


def due(done: Swept) -> set[tuple[str, str]]:
    """The images to change, each with its fate."""
    return {
        (each["decision"], image["id"])
        for each in done.document["releases"]
        for image in each["images"]
        if each["decision"] in {"retire", "purge"}
    }


@pytest.mark.parametrize("seed", range(200))
def test_what_is_done_is_approved_and_due(
    emulator: Running, tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", "approved plans beside later worlds")
    random = Random(seed)
    begin(emulator, random)
    planned = Swept(emulator, tmp_path, GIVEN)
    assert planned.exit_code == 0, planned.log
    approved = shutil.copy(tmp_path / "retention-plan.json", tmp_path / "approved.json")
    later(emulator, random)
    now = Swept(emulator, tmp_path, GIVEN)
    assert now.exit_code == 0, now.log
    before = {image["id"]: image.get("deprecated", {}) for image in emulator.state()["images"]}
    done = Swept(emulator, tmp_path, {**GIVEN, "apply": "true", "approved_plan": str(approved)})
    assert done.exit_code == 0, done.log
    after = {image["id"]: image.get("deprecated", {}) for image in emulator.state()["images"]}
    changed = {("purge", identity) for identity in before.keys() - after.keys()}
    changed |= {("retire", identity) for identity, marked in after.items() if marked != before[identity]}
    assert changed <= due(planned) & due(now), done.log
