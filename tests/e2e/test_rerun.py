"""What a run costs in API calls, and that a rerun changes nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from testkit.harness import manifest
from testkit.harness.backend import MUTATING
from testkit.harness.here import Done, run_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emulator.testing import Running

PROJECT = "projects/p1/global/images"
MOST_CALLS = 8


@pytest.fixture
def replicate(compute: Running, tmp_path: Path) -> Callable[..., Done]:
    manifest.put(tmp_path)

    def replicate(**inputs: str) -> Done:
        done = run_here(tmp_path, compute.url, {"packer_manifest": "packer-manifest.json", **inputs})
        assert (done.exit_code, done.outputs["result"]) == (0, "complete"), done.log
        return done

    return replicate


def changes(emulator: Running) -> list[tuple[str, str]]:
    journal = [(entry["method"].rpartition(".")[2], entry["target"]) for entry in emulator.journal()]
    return [call for call in journal if call[0] in MUTATING]


@pytest.mark.parametrize("templates", [{}, {"family_template": "{family}"}], ids=["family each", "shared family"])
def test_a_rerun_changes_nothing(compute: Running, replicate: Callable[..., Done], templates: dict[str, str]) -> None:
    first = replicate(**templates)
    before, state = changes(compute), compute.state()["images"]
    for order in itertools.permutations(("us", "eu", "asia")):
        again = replicate(locations=", ".join(order), **templates)
        assert set(again.images) == set(first.images)
        assert again.index == first.index
        assert again.outputs["index_digest"] == first.outputs["index_digest"]
        assert {row["outcome"] for row in again.replicas.values()} <= {"source", "adopted"}
    assert changes(compute) == before
    assert compute.state()["images"] == state


def test_the_first_index_does_not_depend_on_the_order(compute: Running, replicate: Callable[..., Done]) -> None:
    """Of wanted locations and names, that is: ids are new ones in an emulator that was emptied."""
    first = replicate(locations="asia eu us")
    again = replicate(locations="us,eu,asia")
    assert first.index == again.index


@pytest.mark.parametrize("templates", [{}, {"family_template": "{family}"}], ids=["family each", "shared family"])
def test_calls(compute: Running, replicate: Callable[..., Done], templates: dict[str, str]) -> None:
    done = replicate(**templates)
    made = [row["name"] for row in done.replicas.values() if row["outcome"] == "created"]
    assert made
    each: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for entry in compute.journal():
        method, target = entry["method"].removeprefix("compute."), entry["target"]
        name = target.removeprefix(f"{PROJECT}/")
        if method == "globalOperations.wait":
            continue
        if name in made:
            each[name] += 1
        elif method == "images.getFromFamily":
            # Asked before and after each replica is promoted.
            each["heads"] += 1
        else:
            own[f"{method} {target}"] += 1
    heads = each.pop("heads")
    assert heads <= 2 * len(made)
    assert own == {
        f"images.get {PROJECT}/web-20261122": 1,
        f"images.getIamPolicy {PROJECT}/web-20261122": 1,
        f"images.list {PROJECT}": 1,
        # Preflight: a missing permission is told before a copy is paid for.
        f"images.testIamPermissions {PROJECT}/web-20261122": 1,
    }
    assert {name: count + 2 <= MOST_CALLS for name, count in each.items()} == dict.fromkeys(made, True), each
