"""Terraform runs the module's examples as they stand, the one about http with the real provider if it can be installed."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from testkit.listening import listening
from testkit.pages import page
from testkit.terraform import MODULE, Terraform, module

if TYPE_CHECKING:
    from pathlib import Path

INDEX = (MODULE / "examples" / "image-index.json").read_text(encoding="utf-8")
DIGEST = f"sha256:{hashlib.sha256(INDEX.encode()).hexdigest()}"
IMAGES = "projects/acme-images/global/images"


def test_every_example_is_run_here() -> None:
    tested = {name.removeprefix("test_example_").replace("_", "-") for name in globals() if "test_example_" in name}
    assert tested == {path.name for path in (MODULE / "examples").iterdir() if path.is_dir()}


def test_example_file(tmp_path: Path) -> None:
    terraform = module(tmp_path, "file")
    terraform.run("init", "-input=false")
    assert terraform.outputs()["images"] == {
        "europe-west4-a": f"{IMAGES}/web-v1-eu",
        "asia-northeast1": f"{IMAGES}/web-v1-asia",
        "southamerica-east1": f"{IMAGES}/web-v1",
    }


def test_example_multi_arch(tmp_path: Path) -> None:
    terraform = module(tmp_path, "multi-arch")
    terraform.run("init", "-input=false")
    assert terraform.outputs()["images"] == {
        "X86_64": {"us-central1-a": f"{IMAGES}/web-v1", "asia-east1-b": f"{IMAGES}/web-v1-asia"},
        "ARM64": {"us-central1-a": f"{IMAGES}/web-arm64-v1", "europe-west4-b": f"{IMAGES}/web-arm64-v1-eu"},
    }


def test_example_instance_template(tmp_path: Path) -> None:
    """Without Google's provider: the template's region and image are outputs here, in the words of the example."""
    terraform = module(tmp_path, "instance-template")
    template = terraform.folder / "template.tf"
    text = template.read_text(encoding="utf-8")
    template.unlink()
    said = dict(re.findall(r"^ +(for_each|region|source_image) += (.+)$", text, re.MULTILINE))
    pair = f"{said['region']} => {said['source_image']}".replace("each.", "")
    output = f'output "templates" {{ value = {{ for key, value in {said["for_each"]} : {pair} }} }}'
    (terraform.folder / "output.tf").write_text(output, encoding="utf-8")
    terraform.run("init", "-input=false")
    assert terraform.outputs()["templates"] == {
        "europe-west4": f"{IMAGES}/web-v1-eu",
        "us-central1": f"{IMAGES}/web-v1",
    }


@pytest.fixture
def http(tmp_path: Path) -> Terraform:
    terraform = module(tmp_path, "http")
    try:
        terraform.run("init", "-input=false", "-no-color")
    except AssertionError as error:
        if "Failed to query available provider packages" in str(error):
            pytest.skip("the provider hashicorp/http can't be installed: no registry, and it is in no plugin folder")
        raise
    return terraform


def test_example_http(http: Terraform) -> None:
    """The index from a server, pinned; then another file than the pinned one, and none."""
    with listening(200, INDEX) as (port, _):
        url = f"http://127.0.0.1:{port}/image-index.json"
        found = http.outputs(index_url=url, index_digest=DIGEST)
        assert found["images"] == {"us-east1-b": f"{IMAGES}/web-v1", "me-west1": f"{IMAGES}/web-v1-eu"}
    with listening(200, INDEX.replace("4203942934759", "4203942934750")) as (port, _):
        url = f"http://127.0.0.1:{port}/image-index.json"
        said = http.refusal(index_url=url, index_digest=DIGEST)
        assert f"digest says {DIGEST}" in said
    with listening(404, "not found") as (port, _):
        url = f"http://127.0.0.1:{port}/image-index.json"
        assert "answered 404 instead of the index" in http.refusal(index_url=url, index_digest=DIGEST)


def test_the_lines_of_the_page(tmp_path: Path) -> None:
    """With the source replaced by this folder: git and a tag are what is not tried."""
    (lines,) = re.findall(r"```hcl\n(.*?)```", page("terraform.md"), re.DOTALL)
    lines, replaced = re.subn(r'"git::.*//terraform\?ref=v1"', f'"{MODULE}"', lines)
    assert replaced == 1
    (tmp_path / "main.tf").write_text(lines, encoding="utf-8")
    (tmp_path / "image-index.json").write_text(INDEX, encoding="utf-8")
    terraform = Terraform(tmp_path)
    terraform.run("init", "-input=false")
    assert terraform.outputs() == {"image": f"{IMAGES}/web-v1-eu"}


@pytest.mark.parametrize(
    "given", [{"digest": f"sha256:{'0' * 64}"}, {"fallback": "none", "where": ["me-west1"]}], ids=["digest", "fallback"]
)
def test_the_messages_of_the_page(tmp_path: Path, given: dict[str, object]) -> None:
    said = module(tmp_path).refusal(**{"index": INDEX, "where": ["us"]} | given)
    said = re.sub(r"(sha256:\w{4})\w{60}", r"\1…", said)
    shown = [" ".join(text.split()) for text in re.findall(r"```text\n(.*?)```", page("terraform.md"), re.DOTALL)]
    assert sum(text in said for text in shown) == 1


def test_an_index_that_is_known_when_applying_only(tmp_path: Path) -> None:
    """A resource's attribute as the index: the plan can't choose yet, apply chooses."""
    (tmp_path / "main.tf").write_text(
        f"""
        variable "index" {{ type = string }}
        resource "terraform_data" "index" {{ input = var.index }}
        module "image" {{
          source = "{MODULE}"
          index  = terraform_data.index.output
          digest = "{DIGEST}"
          where  = ["us-east1-b"]
        }}
        output "images" {{ value = module.image.images }}
        """,
        encoding="utf-8",
    )
    terraform = Terraform(tmp_path)
    terraform.run("init", "-input=false")
    assert terraform.outputs(index=INDEX)["images"] == {"us-east1-b": f"{IMAGES}/web-v1"}
