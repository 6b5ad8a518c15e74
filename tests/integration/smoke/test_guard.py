"""The smoke changes nothing but its own: each rule, and that what breaks it is never sent."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from scripts.smoke import cleaning
from scripts.smoke.api import REGISTRY
from scripts.smoke.guard import Guarded, Refused
from scripts.smoke.journal import Journal
from scripts.smoke.options import LABEL, MOST_IMAGES, MOST_IMAGES_THOROUGH
from testkit.smoking.trying import ID, PROJECT, Tried, cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emulator.testing import Running

IMAGES = f"projects/{PROJECT}/global/images"
OWN = {LABEL: ID}
OTHERS: list[dict[str, Any]] = [
    {"name": "web"},
    {"name": "labelled", "labels": OWN},
    {"name": f"girs-{ID}-unlabelled"},
    {"name": f"girs-{ID}-of-another", "labels": {LABEL: "ffffffff"}},
    {"name": f"girs-{ID.upper().lower()}x-longer", "labels": OWN},
    {"name": "girs-0123abc-shorter", "labels": OWN},
]
VERBS = (
    ("DELETE", ""),
    ("PATCH", ""),
    ("POST", "/deprecate"),
    ("POST", "/setLabels"),
    ("POST", "/setIamPolicy"),
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with cloud(images=[{"project": PROJECT, **each} for each in OTHERS]) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Running, tmp_path: Path) -> Guarded:
    tried = Tried(emulator, tmp_path)
    options = tried.options()
    return Guarded(tried.api(options), options, Journal(tmp_path / "journal.jsonl"))


def changing(emulator: Running) -> int:
    return len([entry for entry in emulator.journal() if not entry["method"].endswith((".get", ".list", ".wait"))])


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: f"{verb[0]}{verb[1]}")
@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other["name"])
def test_what_is_anothers_is_not_touched(
    emulator: Running, client: Guarded, other: dict[str, Any], verb: tuple[str, str]
) -> None:
    before = changing(emulator)
    with pytest.raises(Refused):
        client.send(verb[0], f"{IMAGES}/{other['name']}{verb[1]}", {})
    assert changing(emulator) == before


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", f"projects/{PROJECT}/global/instanceTemplates", {"name": f"girs-{ID}-x", "labels": OWN}),
        ("POST", f"projects/{PROJECT}/zones/us-central1-a/instances", {"name": f"girs-{ID}-x", "labels": OWN}),
        ("POST", f"projects/{PROJECT}/global/networks", {"name": f"girs-{ID}-x"}),
        ("DELETE", f"projects/{PROJECT}/global/operations/operation-1", None),
        ("DELETE", f"projects/{PROJECT}/global/images", None),
        ("PUT", f"{IMAGES}/girs-{ID}-x", {}),
        ("POST", f"{IMAGES}/girs-{ID}-x/somethingNew", {}),
        ("POST", "projects/other/global/images", {"name": f"girs-{ID}-x", "labels": OWN}),
        ("DELETE", f"projects/other/global/images/girs-{ID}-x", None),
        ("POST", IMAGES, {"name": f"girs-{ID}-x"}),
        ("POST", IMAGES, {"name": f"girs-{ID}-x", "labels": {LABEL: "ffffffff"}}),
        ("POST", IMAGES, {"name": "girs-ffffffff-x", "labels": {LABEL: "ffffffff"}}),
        ("POST", IMAGES, {"name": "web-2", "labels": OWN}),
        ("POST", IMAGES, {"labels": OWN}),
        ("PATCH", f"{IMAGES}/girs-{ID}-x/../web", {}),
        ("POST", f"projects/{PROJECT}:setIamPolicy", {}),
    ],
)
def test_what_is_no_image_disk_or_repository_of_the_run_is_not_sent(
    emulator: Running, client: Guarded, verb: str, path: str, body: dict[str, Any] | None
) -> None:
    before = len(emulator.journal())
    try:
        answer = client.send(verb, path, body)
    except Refused:
        assert len(emulator.journal()) == before
    else:
        # It was looked for, and isn't there.
        assert (answer.status, changing(emulator)) == (404, changing(emulator))
        assert [entry["method"] for entry in emulator.journal()[before:]] in (["compute.images.get"], [""])


def test_its_own_is_made_changed_and_deleted(emulator: Running, client: Guarded, tmp_path: Path) -> None:
    body = {"name": f"girs-{ID}-own", "labels": OWN, "sourceSnapshot": f"projects/{PROJECT}/global/snapshots/s"}
    assert client.send("POST", IMAGES, body).ok
    path = f"{IMAGES}/girs-{ID}-own"
    assert client.send("PATCH", path, {"description": "d"}).ok
    assert client.send("DELETE", path).ok
    assert Journal(tmp_path / "journal.jsonl").created() == [path]


def test_another_name_is_not_even_looked_for(emulator: Running, client: Guarded) -> None:
    before = len(emulator.journal())
    with pytest.raises(Refused, match="a name that no run gives"):
        client.send("DELETE", f"{IMAGES}/not-there")
    assert len(emulator.journal()) == before


def test_what_is_made_is_written_down_before(
    emulator: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is on the disk when the request reaches the service: file and folder."""
    synced: list[bool] = []
    fsync = os.fsync

    def heard(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", heard)
    tried = Tried(emulator, tmp_path)
    run = tried.run()
    seen: list[list[str]] = []
    tried.tap = lambda when, request, number: seen.append(run.journal.created()) if request.startswith("POST") else None
    body = {"name": f"girs-{ID}-late", "labels": OWN, "sourceSnapshot": f"projects/{PROJECT}/global/snapshots/s"}
    run.client.send("POST", IMAGES, body)
    assert seen[0] == [f"{IMAGES}/girs-{ID}-late"]
    assert synced == [False, True]
    run.client.send("DELETE", f"{IMAGES}/girs-{ID}-late")


@pytest.mark.parametrize(("thorough", "most"), [(False, MOST_IMAGES), (True, MOST_IMAGES_THOROUGH)])
def test_no_more_images_than_announced(tmp_path: Path, thorough: bool, most: int) -> None:
    with cloud() as emulator:
        tried = Tried(emulator, tmp_path)
        client = tried.run(thorough=thorough).client
        source = f"projects/{PROJECT}/global/snapshots/s"
        for number in range(most):
            assert client.send(
                "POST", IMAGES, {"name": f"girs-{ID}-{number}", "labels": OWN, "sourceSnapshot": source}
            ).ok
        with pytest.raises(Refused, match=f"{most} that a run may make"):
            client.send("POST", IMAGES, {"name": f"girs-{ID}-more", "labels": OWN, "sourceSnapshot": source})
        disks = f"projects/{PROJECT}/zones/us-central1-a/disks"
        assert client.send("POST", disks, {"name": f"girs-{ID}-disk", "labels": OWN}).ok
        with pytest.raises(Refused, match="1 that a run may make"):
            client.send("POST", disks, {"name": f"girs-{ID}-disk-2", "labels": OWN})
        assert len(emulator.state()["images"]) == most


def test_a_patch_may_make_a_repository_only_with_our_label(emulator: Running, client: Guarded) -> None:
    path = f"projects/{PROJECT}/locations/us/repositories/girs-{ID}-none"
    with pytest.raises(Refused):
        client.send("PATCH", path, {"labels": {LABEL: "ffffffff"}}, service=REGISTRY)
    assert client.send("PATCH", path, {"labels": OWN}, service=REGISTRY).status == 404


def test_what_is_left_is_counted_by_name_and_label(emulator: Running, tmp_path: Path) -> None:
    emulator.advance(60.0)
    tried = Tried(emulator, tmp_path)
    assert list(cleaning.own(tried.api(tried.options()), PROJECT, registry=True)) == []
    emulator.add_image(project=PROJECT, name=f"girs-{ID}-left", labels=OWN)
    assert list(cleaning.own(tried.api(tried.options()), PROJECT, registry=True)) == [f"{IMAGES}/girs-{ID}-left"]
    assert tried.clean() == []
    assert {image["name"] for image in emulator.state()["images"]} == {each["name"] for each in OTHERS}


def test_a_journal_that_names_anothers_deletes_nothing(emulator: Running, tmp_path: Path) -> None:
    for other in OTHERS:
        Journal(tmp_path / f"{ID}.jsonl").write("create", kind="image", target=f"{IMAGES}/{other['name']}")
    Journal(tmp_path / f"{ID}.jsonl").write("create", kind="image", target="projects/other/global/images/web")
    tried = Tried(emulator, tmp_path)
    assert tried.clean() == []
    assert {image["name"] for image in emulator.state()["images"]} == {each["name"] for each in OTHERS}
    assert len([line for line in tried.lines if line.startswith("left alone")]) == len(OTHERS)
