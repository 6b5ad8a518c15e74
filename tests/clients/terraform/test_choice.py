"""The Terraform module chooses what Python chooses, and its own tests hold."""

from __future__ import annotations

import hashlib
import resource
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from replicator.core import locations
from testkit.resolve import indexes
from testkit.terraform import MODULE, Terraform, module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Every place there is, and some that are newer than the table, in parts of the world that it knows and that it doesn't.
NEWER = ["europe-newer7", "europe-newer8", "me-newer1", "us-newer1", "atlantis-south1", "u-germany-northeast1"]
PLACES = [*locations.MULTI_REGIONS, *locations.REGIONS, *NEWER]
TIERS = {"none": 1, "continent": 2, "nearest": 3}


def place_of(where: str) -> str:
    return locations.region_of_zone(where) or where


def choice(where: str, there: list[str], fallback: str) -> dict[str, Any] | None:
    """What the module says of a place, by Python's order."""
    best = locations.order(place_of(where), there)[0]
    if best.tier > TIERS[fallback]:
        return None
    return {
        "image": f"projects/p1/global/images/web-1-{best.location}",
        "id": str(there.index(best.location) + 2),
        "location": best.location,
        "tier": best.tier,
    }


def worlds(number: int) -> list[tuple[list[str], str]]:
    """Locations of an index, from one to all, and a fallback."""
    rng = Random(18)
    sizes = [1, 1, 2, 2, 3, 4, 6, 9, 20, len(PLACES)]
    return [(rng.sample(PLACES, sizes[at % 10]), list(TIERS)[at % 3]) for at in range(number)]


def test_choices_are_those_of_python(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """36 indexes for each place, as a zone or by its name; those for which there is nothing near enough are left out."""
    rng = Random(9)
    asked: dict[str, dict[str, Any]] = {}
    expected: dict[str, dict[str, Any]] = {}
    unserved = 0
    for number, (there, fallback) in enumerate(worlds(36)):
        where = [name if name in locations.MULTI_REGIONS or rng.random() < 0.5 else f"{name}-a" for name in PLACES]
        found = {name: choice(name, there, fallback) for name in where}
        served = {name: chosen for name, chosen in found.items() if chosen}
        unserved += len(found) - len(served)
        # The other architecture is elsewhere, so taking its entry by mistake changes the choice.
        index = indexes.text(indexes.entry(there), indexes.entry(PLACES[::5], "ARM64"))
        asked[f"{number}"] = {"index": index, "where": list(served), "fallback": fallback}
        expected[f"{number}"] = served
    (tmp_path / "main.tf").write_text(
        f"""
        variable "asked" {{ type = map(object({{ index = string, where = set(string), fallback = string }})) }}
        module "image" {{
          source   = "{MODULE}"
          for_each = var.asked
          index    = each.value.index
          where    = each.value.where
          fallback = each.value.fallback
        }}
        output "replicas" {{ value = {{ for name, image in module.image : name => image.replicas }} }}
        """,
        encoding="utf-8",
    )
    terraform = Terraform(tmp_path)
    terraform.run("init", "-input=false")
    assert terraform.outputs(asked=asked)["replicas"] == expected
    pairs = sum(map(len, expected.values()))
    assert pairs > 1000 < pairs + unserved
    record_property("counted", ("Terraform's choice = Python's", pairs))


@pytest.mark.parametrize("fallback", ["none", "continent"])
def test_what_is_too_far_is_what_is_too_far_for_python(tmp_path: Path, fallback: str) -> None:
    """The error names every place that nothing near enough serves, and no other."""
    terraform = module(tmp_path)
    terraform.run("init", "-input=false")
    there = ["us", "europe-west4", "asia-newer3", "me-west1"]
    far = sorted(name for name in PLACES if choice(name, there, fallback) is None)
    said = terraform.refusal(index=indexes.text(indexes.entry(there)), where=PLACES, fallback=fallback)
    assert 5 < len(far) < 40
    assert f"No replica serves {', '.join(far)} with fallback" in said


def test_its_own_tests_hold_in_seconds_without_a_provider(tmp_path: Path) -> None:
    terraform = module(tmp_path)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    terraform.run("init", "-input=false")
    said = terraform.run("test", "-no-color")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "19 passed, 0 failed" in said
    # CPU time, since others use this machine, too.
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 5
    assert "provider[" not in terraform.run("providers")
    assert not (terraform.folder / ".terraform.lock.hcl").exists()
    assert not (terraform.folder / ".terraform" / "providers").exists()


def test_the_digest_is_that_of_the_bytes_in_any_script(tmp_path: Path) -> None:
    terraform = module(tmp_path)
    terraform.run("init", "-input=false")
    index = indexes.text(indexes.entry(["us"], variant="größe-日本"))
    digest = f"sha256:{hashlib.sha256(index.encode()).hexdigest()}"
    assert terraform.outputs(index=index, where=["us"], digest=digest)["digest"] == digest
