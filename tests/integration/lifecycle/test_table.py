"""Twelve releases in three locations for two architectures, in every status that there is (A1); and what reading costs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from testkit.lifecycle.listing import listed
from testkit.lifecycle.releases import add, of, release
from testkit.lifecycle.sweeping import Swept, change

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running

LINES = {"families": "web, web-arm64", "project_id": "p1"}
#: What becomes of each release, by its number: how it is put in place, and its status.
TABLE: dict[int, tuple[dict[str, Any], str]] = {
    12: ({"family": ""}, "staged"),
    11: ({"marked": "DEPRECATED"}, "withdrawn"),
    10: ({"family": "", "PENDING": True}, "busy"),
    9: ({"family": "", "FAILED": True}, "broken"),
    8: ({}, "default"),
    7: ({"copies": ("eu", "asia", "us-west1")}, "partly_default"),
    6: ({}, "published"),
    5: ({"one": "DEPRECATED"}, "mixed"),
    4: ({"marked": "DEPRECATED", "dated": True}, "retired"),
    3: ({"marked": "OBSOLETE"}, "deprecated"),
    2: ({"labels": {"hold": "legal", "critical": "yes"}}, "published"),
    1: ({"lost": True}, "sourceless"),
}


def put(emulator: Running, line: str, number: int, made: dict[str, Any]) -> None:
    name = f"{line}-v{number}"
    own = {key: value for key, value in made.items() if key not in {"PENDING", "FAILED", "one", "dated", "lost"}}
    release(emulator, name, day=1000 + number, line=line, **own)
    for status in made.keys() & {"PENDING", "FAILED"}:
        emulator.delete_image("p1", f"{name}-eu")
        parent = of(emulator, f"projects/p1/global/images/{name}")
        add(emulator, f"{name}-eu", day=1000.5 + number, location="eu", status=status, **parent)
    for at in ("", "-eu", "-asia"):
        if made.get("dated"):
            mark(emulator, f"{name}{at}", deleted="2999-01-01T00:00:00Z")
        if made.get("one") and at == "-eu":
            mark(emulator, f"{name}{at}")
    if made.get("lost"):
        emulator.delete_image("p1", name)


def mark(emulator: Running, name: str, **dates: str) -> None:
    deprecated = {"state": "DEPRECATED", **dates}
    change(emulator, name, lambda image: image.fields.update(deprecated=deprecated))


def test_every_status_in_one_table(emulator: Running) -> None:
    for line in ("web", "web-arm64"):
        for number in sorted(TABLE):
            put(emulator, line, number, TABLE[number][0])
    told = listed(emulator, LINES)
    assert told.exit_code == 0, told.log
    for line in ("web", "web-arm64"):
        found = {name.removeprefix(f"{line}-v"): row for (of_line, name), row in told.rows.items() if of_line == line}
        wanted = {str(number): status for number, (_, status) in TABLE.items() if number != 1}
        assert {name: row["status"] for name, row in found.items()} == wanted
        assert (found["2"]["hold"], found["2"]["critical"], found["8"]["hold"]) == (True, True, False)
        assert found["4"]["until"] == "2999-01-01T00:00:00Z"
    lost = [row for row in told.document["releases"] if row["status"] == "sourceless"]
    assert Counter(row["line"] for row in lost) == {"web": 2, "web-arm64": 2}
    assert told.document["default"] == {"web": "web-v8", "web-arm64": "web-arm64-v8"}


def test_what_reading_costs(emulator: Running, tmp_path: Path) -> None:
    """A13: pages of 500, one read for each family, pages of templates, at most three more for each project.

    So 21,500 images of 43 families are read by 43 + 43 + 1 calls.
    """
    for number in range(501):
        add(emulator, f"other-{number}", day=number + 1, family="other")
    for number in range(30):
        release(emulator, f"web-v{number}", day=2000 + number)
    done = Swept(emulator, tmp_path, {"families": "web"})
    assert done.exit_code == 0, done.log
    calls = Counter(entry["method"].removeprefix("compute.") for entry in done.calls)
    assert calls == {"images.list": 2, "images.getFromFamily": 3, "instanceTemplates.aggregatedList": 1}
