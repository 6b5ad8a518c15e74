"""A sweep and a `replicate` at once, either of them standing still at each of its calls while the other does all (A6).

The release that is replicated is a new one, one that the sweep is to retire, or one that it is to delete: of the older
two a location is missing, and is repaired.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testkit.action import Action
from testkit.crash import threads
from testkit.lifecycle import releases
from testkit.lifecycle.sweeping import LINES, Swept, add, moment, names, release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testkit.action import Finished
    from testkit.crash.theatre import Theatre

GIVEN = {**LINES, "families": "web", "keep": "1", "apply": "true"}
SOURCES = ("web-v4", "web-v2", "web-v1")
PLACES = ("us", "eu", "asia")
#: The calls are divided among so many tests, because how many there are is only known once a run has ended.
SHARES = 3
#: No sweep touches the default, nor the release that was just built.
KEPT = {"web-v4", "web-v3", "web-v3-eu"}
#: What a sweep may retire, and what it may delete.
OLD, GONE = {"web-v2", "web-v2-eu"}, {"web-v1", "web-v1-eu"}


def begin(theatre: Theatre) -> dict[str, str]:
    """Nothing leads the family of asia, so the release that is repaired may. Returns the id of each image."""
    emulator = theatre.emulator
    emulator.reset()
    theatre.stage.set()
    for name, age in (("web-v3", 50), ("web-v2", 200)):
        release(emulator, name, age=age, places=("eu",))
    release(emulator, "web-v1", age=300, places=("eu",), marked="DEPRECATED", deleted=moment(-2))
    add(emulator, "web-v4", age=0, family="web", location="us")
    return {image["name"]: image["id"] for image in emulator.state()["images"]}


def replicate(theatre: Theatre, folder: Path, source: str, **more: Any) -> Finished:
    """Replicate one of the releases to all places."""
    own = Path(tempfile.mkdtemp(dir=folder))
    given = {"source_image": f"projects/p1/global/images/{source}", "locations": ", ".join(PLACES)}
    return Action(theatre.emulator, own, **more)(**given)


@pytest.fixture(scope="module")
def calls(theatre: Theatre, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sequence[str]]:
    """The calls of a sweep, and of the replication of each release, when nothing disturbs them."""
    found: dict[str, Sequence[str]] = {}
    for source in SOURCES:
        begin(theatre)
        done = replicate(theatre, tmp_path_factory.mktemp("whole"), source)
        assert done.result == "complete", done.log
        found[source] = sorted(theatre.stage.calls)
    begin(theatre)
    swept = Swept(theatre.emulator, tmp_path_factory.mktemp("sweep"), GIVEN)
    assert (swept.exit_code, swept.document["retired"], swept.document["purged"]) == (0, 2, 2), swept.log
    found["sweep"] = sorted(theatre.stage.calls)
    return found


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("source", SOURCES)
def test_a_sweep_while_a_replication_stands_still(
    theatre: Theatre,
    tmp_path: Path,
    calls: dict[str, Sequence[str]],
    source: str,
    share: int,
    record_property: Callable[[str, object], None],
) -> None:
    for call in calls[source][share::SHARES]:
        ids = begin(theatre)
        with threads.held(
            theatre.stage, call, "after", lambda loop: replicate(theatre, tmp_path, source, make_loop=lambda: loop)
        ) as left:
            swept = Swept(theatre.emulator, tmp_path, GIVEN)
        judged(theatre, tmp_path, source, ids, (left[0], swept))
        record_property("counted", "a sweep beside a replication")


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("source", SOURCES)
def test_a_replication_while_a_sweep_stands_still(
    theatre: Theatre,
    tmp_path: Path,
    calls: dict[str, Sequence[str]],
    source: str,
    share: int,
    record_property: Callable[[str, object], None],
) -> None:
    for call in calls["sweep"][share::SHARES]:
        ids = begin(theatre)
        with threads.held(
            theatre.stage, call, "after", lambda loop: Swept(theatre.emulator, tmp_path, GIVEN, make_loop=lambda: loop)
        ) as left:
            done = replicate(theatre, tmp_path, source)
        judged(theatre, tmp_path, source, ids, (done, left[0]))
        record_property("counted", "a sweep beside a replication")


def judged(theatre: Theatre, folder: Path, source: str, ids: dict[str, str], both: tuple[Finished, Swept]) -> None:
    """Whatever they did to each other, nothing was touched that no sweep may touch, and reruns end right."""
    done, swept = both
    # 3: what the other did showed in one answer, and not yet in another one; then nothing was changed.
    assert swept.exit_code in {0, 3}, swept.log
    assert swept.exit_code == 0 or not swept.document["due"]
    assert (done.exit_code, done.result) in {(0, "complete"), (0, "partial"), (0, "failed"), (3, "failed")}, done.log
    assert done.result == "complete" or source == "web-v1", done.log
    untouched(theatre, ids)
    looked_for_copies(theatre, ids)
    settled(theatre, folder, source)
    untouched(theatre, ids)


def untouched(theatre: Theatre, ids: dict[str, str]) -> None:
    """Sweeps changed only what was old when they began; what the replication made is all there."""
    images = {image["name"]: image for image in theatre.emulator.state()["images"]}
    assert images.keys() >= KEPT
    assert not releases.marked(theatre.emulator).keys() - OLD - GONE
    made = [each for each in theatre.emulator.journal() if each["method"].endswith(".insert") and each["committed"]]
    for name in (each["target"].split("/")[-1] for each in made):
        assert images[name]["status"] == "READY", name
        assert "deprecated" not in images[name], name
    deleted = {
        each["target"].split("/")[-1]
        for each in theatre.emulator.journal()
        if each["method"].endswith(".delete") and each["committed"]
    }
    assert deleted <= {ids[name] for name in GONE}
    heads = releases.heads(theatre.emulator)
    assert heads["web"] == "web-v4"
    assert heads["web-eu"] in {"web-v3-eu", "web-v4-eu"}


def looked_for_copies(theatre: Theatre, ids: dict[str, str]) -> None:
    """No source is deleted that has a copy, unless that was begun after the last look at what was copied from it."""
    journal = theatre.emulator.journal()
    targets = [each["target"].split("/")[-1] for each in journal]
    methods = [each["method"].split(".")[-1] if each["committed"] or not each["body"] else "" for each in journal]
    for at in (
        number for number, target in enumerate(targets) if target == ids["web-v1"] and methods[number] == "delete"
    ):
        looked = max(n for n in range(at) if methods[n] == "list" and "sourceImage" in str(journal[n]["query"]))
        begun = [n for n in range(at) if methods[n] == "insert" and targets[n].startswith("web-v1-")]
        assert all(number > looked for number in begun)


def settled(theatre: Theatre, folder: Path, source: str) -> None:
    """A rerun of the replication is complete where its source is left, and after it a sweep finds nothing to do."""
    again = replicate(theatre, folder, source)
    if source in names(theatre.emulator):
        assert again.result == "complete", again.log
        assert {source, f"{source}-eu", f"{source}-asia"} <= names(theatre.emulator)
    else:
        assert (source, again.exit_code) == ("web-v1", 3), again.log
    for _ in range(6):
        last = Swept(theatre.emulator, folder, GIVEN)
        assert last.exit_code == 0, last.log
        if not last.changed:
            break
    assert last.changed == []
