from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from replicator.core import locations
from replicator.core.images import ImageRef
from replicator.core.replicas import Outcome, ReplicaResult
from replicator.replicas import settings, snippets
from testkit.hostile_text import hostile
from testkit.make import EU, US, copy, image, replica
from testkit.pages import program

if TYPE_CHECKING:
    from pathlib import Path
EAST = ReplicaResult(replica=replica("asia-east2"), outcome=Outcome.CREATED)


def test_gcloud() -> None:
    create = "gcloud compute instances create my-instance"
    assert snippets.gcloud([US, EU, EAST]) == [
        f"{create} --zone=us-central1-b --image=projects/p1/global/images/web-1",
        f"{create} --zone=us-central1-b --image-family=web --image-project=p1",
        f"{create} --zone=europe-west1-b --image=projects/p1/global/images/web-1-eu",
        f"{create} --zone=europe-west1-b --image-family=web-eu --image-project=p1",
        f"{create} --zone=asia-east2-b --image=projects/p1/global/images/web-1-asia-east2",
    ]


def test_terraform() -> None:
    assert "\n".join(snippets.terraform([US, EU, EAST])).startswith(
        """\
locals {
  image_by_region_prefix = {
    "asia-east2" = "projects/p1/global/images/web-1-asia-east2"
    "europe"     = "projects/p1/global/images/web-1-eu"
    "us"         = "projects/p1/global/images/web-1"
  }
}
"""
    )


@given(hostile)
def test_names_mean_themselves(name: str) -> None:
    row = ReplicaResult(replica=replica("eu", ref=ImageRef("p1", name)), outcome=Outcome.CREATED)
    (line,) = (line for line in snippets.terraform([row]) if '"europe"' in line)
    text = line.partition(" = ")[2]
    assert re.fullmatch(r'"(?:[^"\\]|\\["\\])*"', text)
    assert not re.search(r"(?<!\$)\$(?:\$\$)*\{|(?<!%)%(?:%%)*\{", text)
    (command,) = snippets.gcloud([row])
    assert len(shlex.split(command)) == 7


def test_what_could_mean_something_is_quoted() -> None:
    row = ReplicaResult(replica=replica("eu", ref=ImageRef("p'1", 'a"\\\n${x}%{y}$$ {')), outcome=Outcome.CREATED)
    (line,) = (line for line in snippets.terraform([row]) if '"europe"' in line)
    assert line == '    "europe" = "projects/p\'1/global/images/a\\"\\\\ $${x}%%{y}$$ {"'
    (command,) = snippets.gcloud([row])
    assert command.endswith("""--image='projects/p'"'"'1/global/images/a"\\ ${x}%{y}$$ {'""")


REGIONS = list(locations.REGIONS)


def served(*locations: str) -> list[ReplicaResult]:
    return [ReplicaResult(replica=replica(name), outcome=Outcome.CREATED, image=copy(name)) for name in locations]


@pytest.mark.parametrize(
    ("locations", "picked"),
    [
        (
            ["us", "eu", "asia"],
            {"europe-west4": "eu", "asia-south1": "asia", "us-central1": "us", "us-east5": "us", "me-west1": "none"},
        ),
        (REGIONS, {name: name for name in REGIONS} | {"us-central2": "none"}),
        (["us", "us-east1", "eu"], {"us-east1": "us-east1", "us-east4": "us", "europe-west10": "eu"}),
    ],
    ids=["3", "43", "both"],
)
def test_terraform_takes_it_and_picks_the_right_image(
    tmp_path: Path, locations: list[str], picked: dict[str, str]
) -> None:
    """Terraform itself runs the lines, with the lookup that the comment shows for each region."""
    lines = snippets.terraform(served(*locations))
    (lookup,) = [line.partition("image = ")[2] for line in lines if line.startswith("# image = ")]
    lookup = lookup.replace("var.region", "region")
    regions = json.dumps(list(picked))
    output = f'output "picked" {{ value = {{ for region in {regions} : region => try({lookup}, "none") }} }}'
    (tmp_path / "main.tf").write_text("\n".join([*lines, output]), encoding="utf-8")
    terraform = program("terraform")
    (tmp_path / "settings").touch()
    env = {"PATH": os.environ["PATH"], "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": str(tmp_path / "settings")}

    def run(*words: str) -> str:
        command = [terraform, f"-chdir={tmp_path}", *words]
        return subprocess.run(command, env=env, check=True, timeout=120, capture_output=True, text=True).stdout

    run("init", "-input=false")
    run("apply", "-auto-approve", "-input=false")
    found = json.loads(run("output", "-json", "picked"))
    assert {region: image.rpartition("web-1-")[2] for region, image in found.items()} == picked


def load(given: dict[str, str]) -> list[str]:
    loaded = settings.load(given, {}).settings
    return shlex.split("\n".join(snippets.again(loaded, given, image().ref)).replace("\\\n", ""))


def test_again_says_what_was_said() -> None:
    given = {
        "source_image": "web-1",
        "project_id": "p1",
        "locations": "us,\n eu",
        "labels": "a=b\nc=d",
        "access": "source",
        "promote": "false",
        "family_template": "{family}",
    }
    words = load(given)
    program = [".venv/bin/python", "-m", "replicator", "replicate"]
    assert words[:5] == [*program, "--source-image=projects/p1/global/images/web-1"]
    options = {name.replace("-", "_"): value for name, _, value in (word[2:].partition("=") for word in words[4:])}
    assert set(options) == {"source_image", "locations", "labels", "promote", "family_template"}
    again, before = (settings.load(item, {}).settings for item in (options, given))
    assert again.model_copy(update={"source_image": "web-1", "project_id": "p1"}) == before


def test_again_leaves_out_what_is_usual() -> None:
    usual = {
        "locations": "us, eu, asia",
        "name_template": "{name}-{location}",
        "promote": "true",
        "timeout_minutes": "60",
    }
    assert len(load({"source_image": "projects/p1/global/images/web-1", **usual})) == 5
