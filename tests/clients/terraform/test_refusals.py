"""What the Terraform module refuses is one error that says what to do, and nothing is chosen then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.resolve import indexes
from testkit.terraform import MODULE, Terraform, module

if TYPE_CHECKING:
    from pathlib import Path

GOOD = indexes.text(indexes.entry(["us", "eu"]), indexes.entry(["us"], "ARM64", "gpu"))
NONE = f"sha256:{'0' * 64}"
NO_INDEX = "index isn't an image-index.json of schema 1. Pass the whole text of the file"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"index": "image-index.json"}, NO_INDEX),
        ({"index": '"text"'}, NO_INDEX),
        ({"index": "[1]", "digest": NONE}, NO_INDEX),
        ({"index": '{"schema": 1, "images": []}'}, NO_INDEX),
        ({"index": '{"schema": 1, "images": [{"architecture": "X86_64", "variant": "", "locations": 5}]}'}, NO_INDEX),
        ({"index": GOOD.replace('"schema": 1', '"schema": 2')}, "if it is of a newer schema, take a newer version"),
        ({"index": GOOD.replace("global/images/web-1-eu", "global/images/${file(1)}")}, NO_INDEX),
        ({"index": GOOD.replace("global/images/web-1-eu", "global/images/x\\n::error::y")}, NO_INDEX),
        ({"index": GOOD.replace('"eu": {', '"${path.cwd}": {')}, NO_INDEX),
        ({"digest": NONE}, f"digest says {NONE}. If the release is meant to change, set digest"),
        ({"variant": "a100"}, "no image for X86_64/a100. It holds: ARM64/gpu, X86_64. Set architecture, and variant"),
        ({"architecture": "ARCHITECTURE_UNSPECIFIED"}, "no image for ARCHITECTURE_UNSPECIFIED. It holds: ARM64/gpu"),
        (
            {"index": indexes.text(indexes.entry(["us"]), indexes.entry(["eu"]))},
            "more than one image for X86_64. It holds: X86_64, X86_64.",
        ),
        ({"index": indexes.text(indexes.entry([]))}, "The image is stored in: no location. Add a location"),
        (
            {"fallback": "none", "where": ["us-east1-b", "me-west1"]},
            'No replica serves me-west1 with fallback = "none". The image is stored in: eu, us. Add a location to',
        ),
        ({"fallback": "none", "where": ["me-west1"]}, "release again, or set fallback to continent or nearest."),
        ({"where": ["europe"]}, "where holds what isn't a zone (europe-west4-a), a region"),
        ({"where": [None]}, "where holds what isn't a zone"),
        ({"digest": "0" * 64}, 'digest isn\'t a valid digest: write "sha256:" and 64'),
        ({"architecture": "arm64"}, "architecture isn't X86_64, ARM64 or"),
        ({"fallback": "far"}, "fallback isn't nearest, continent or none."),
    ],
)
def test_one_mistake_is_one_error(tmp_path: Path, given: dict[str, object], says: str) -> None:
    said = module(tmp_path).refusal(**{"index": GOOD, "where": ["us-east1-b"]} | given)
    assert says in said
    assert said.count("Error: ") == 1


def test_nothing_is_chosen_from_another_index_even_with_target(tmp_path: Path) -> None:
    """With -target Terraform evaluates only the output that is used, so its precondition alone would not do."""
    (tmp_path / "main.tf").write_text(
        f"""
        variable "digest" {{ type = string }}
        variable "index" {{ type = string }}
        module "image" {{
          source = "{MODULE}"
          index  = var.index
          digest = var.digest
          where  = ["us"]
        }}
        resource "terraform_data" "it" {{ input = module.image.replicas["us"].image }}
        """,
        encoding="utf-8",
    )
    terraform = Terraform(tmp_path)
    terraform.run("init", "-input=false")
    words = ["plan", "-input=false", "-no-color", "-target=terraform_data.it", f"-var=index={GOOD}"]
    assert "web-1-us" in terraform.run(*words, "-var=digest=")
    said = terraform.run(*words, f"-var=digest={NONE}", code=1)
    assert "module.image.replicas is object with no attributes" in said
