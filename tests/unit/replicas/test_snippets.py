from __future__ import annotations

import re
import shlex

from hypothesis import given

from replicator.core.images import ImageRef
from replicator.core.replicas import Outcome, ReplicaResult
from replicator.replicas import settings, snippets
from testkit.make import EU, US, image, replica
from testkit.texts.hostile_text import hostile

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
    "africa"       = "projects/p1/global/images/web-1-eu"
    "asia"         = "projects/p1/global/images/web-1-asia-east2"
    "australia"    = "projects/p1/global/images/web-1-asia-east2"
    "europe"       = "projects/p1/global/images/web-1-eu"
    "me"           = "projects/p1/global/images/web-1-eu"
    "northamerica" = "projects/p1/global/images/web-1"
    "southamerica" = "projects/p1/global/images/web-1"
    "us"           = "projects/p1/global/images/web-1"
  }
}
"""
    )


def test_a_region_that_differs_from_its_part_of_the_world_has_a_line_of_its_own() -> None:
    east = ReplicaResult(replica=replica("us-east1"), outcome=Outcome.CREATED)
    keys = [line.split()[0] for line in snippets.terraform([US, EU, east]) if line.startswith('    "us')]
    assert keys == ['"us"', '"us-east1"']


def test_no_replica_gives_an_empty_map() -> None:
    assert snippets.terraform([])[:4] == ["locals {", "  image_by_region_prefix = {", "  }", "}"]


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
    assert line == '    "europe"       = "projects/p\'1/global/images/a\\"\\\\ $${x}%%{y}$$ {"'
    (command,) = snippets.gcloud([row])
    assert command.endswith("""--image='projects/p'"'"'1/global/images/a"\\ ${x}%{y}$$ {'""")


def load(given: dict[str, str]) -> list[str]:
    loaded = settings.load(given, {}).settings
    lines = snippets.typed("program", snippets.again("replicate", loaded, given, image().ref))
    return shlex.split("\n".join(lines).replace("\\\n", ""))


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
    assert words[:3] == ["program", "replicate", "--source-image=projects/p1/global/images/web-1"]
    options = {name.replace("-", "_"): value for name, _, value in (word[2:].partition("=") for word in words[2:])}
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
    assert len(load({"source_image": "projects/p1/global/images/web-1", **usual})) == 3
