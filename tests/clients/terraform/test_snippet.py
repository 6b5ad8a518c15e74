"""Terraform takes the snippet that the summary shows, and picks the right image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from replicator.core import locations
from replicator.core.replicas import Outcome, ReplicaResult
from replicator.replicas import snippets
from testkit.make import copy, replica
from testkit.terraform import Terraform

if TYPE_CHECKING:
    from pathlib import Path

REGIONS = list(locations.REGIONS)


def served(*there: str) -> list[ReplicaResult]:
    return [ReplicaResult(replica=replica(name), outcome=Outcome.CREATED, image=copy(name)) for name in there]


@pytest.mark.parametrize(
    ("there", "picked"),
    [
        (
            ["us", "eu", "asia"],
            {name: locations.order(name, ["us", "eu", "asia"])[0].location for name in REGIONS}
            | {"me-newer7": "eu", "us-central2": "us", "atlantis-south1": "none"},
        ),
        (REGIONS, {name: name for name in REGIONS} | {"southamerica-north1": "southamerica-west1"}),
        (["us", "us-east1", "eu"], {"us-east1": "us-east1", "us-east4": "us", "europe-west10": "eu"}),
        (
            ["asia-south1", "u-germany-northeast1"],
            {"us-west1": "asia-south1", "u-germany-northeast1": "u-germany-northeast1"},
        ),
    ],
    ids=["3", "43", "both", "other universe"],
)
def test_terraform_takes_it_and_picks_the_right_image(tmp_path: Path, there: list[str], picked: dict[str, str]) -> None:
    """Terraform itself runs the lines, with the lookup that the comment shows for each region."""
    lines = snippets.terraform(served(*there))
    (lookup,) = [line.partition("image = ")[2] for line in lines if line.startswith("# image = ")]
    lookup = lookup.replace("var.region", "region")
    regions = json.dumps(list(picked))
    output = f'output "picked" {{ value = {{ for region in {regions} : region => try({lookup}, "none") }} }}'
    (tmp_path / "main.tf").write_text("\n".join([*lines, output]), encoding="utf-8")
    terraform = Terraform(tmp_path)
    terraform.run("init", "-input=false")
    found = terraform.outputs()["picked"]
    assert {region: image.rpartition("web-1-")[2] for region, image in found.items()} == picked
