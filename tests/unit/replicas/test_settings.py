from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from replicator.core.errors import BadSettings
from replicator.core.images import ImageRef
from replicator.core.replicas import Access, Revision
from replicator.inputs.fields import READ_ELSEWHERE
from replicator.replicas import settings
from replicator.replicas.settings import Settings
from testkit.places import ROOT

SOURCE = {"source_image": "projects/p1/global/images/web-1"}


def load(**given: str) -> Settings:
    return settings.load({**SOURCE, **given}, {}).settings


def problems(env: dict[str, str] | None = None, **given: str) -> dict[str, str]:
    with pytest.raises(BadSettings) as caught:
        settings.load({**SOURCE, **given}, env or {})
    return {problem.input: problem.text for problem in caught.value.problems}


def test_defaults_are_those_of_action_yml() -> None:
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    assert set(inputs) == set(Settings.model_fields) | READ_ELSEWHERE
    described = {name: info.description for name, info in Settings.model_fields.items()}
    for name, wanted in inputs.items():
        if name not in READ_ELSEWHERE:
            assert " ".join((described[name] or "").split()) == wanted["description"].strip()
    defaults = {name: text for name, item in inputs.items() if (text := item.get("default", ""))}
    assert load(**defaults) == load()


def test_empty_means_not_given() -> None:
    assert load(**{name: " \n" for name in Settings.model_fields if name not in SOURCE}) == load()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("locations", "us,eu", ("us", "eu")),
        ("locations", " us\n  europe-west4 ,\n", ("us", "europe-west4")),
        ("required_locations", "all", ("us", "eu", "asia")),
        ("required_locations", "eu", ("eu",)),
        ("labels", "a=b, c=\nd-1=e_2", {"a": "b", "c": "", "d-1": "e_2"}),
        ("access", "public", Access.PUBLIC),
        ("promote", "FALSE", False),
        ("dry_run", "True", True),
        ("home_copy", "true", "true"),
        ("timeout_minutes", "0.5", 0.5),
        ("compute_endpoint", "http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("compute_endpoint", "http://[::1]:8080/compute/v1/", "http://[::1]:8080"),
        ("compute_endpoint", "https://compute.example", "https://compute.example"),
        ("revision", '{"repository": "o/r", "ref": "refs/tags/v1", "commit": "12"}', Revision("o/r", "refs/tags/v1", "12")),
    ],
)  # fmt: skip
def test_good_values(name: str, text: str, value: Any) -> None:
    assert getattr(load(**{name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("locations", "EU", "'EU' isn't a storage location: write 'eu'"),
        ("locations", "europe", "write 'eu'"),
        ("locations", "us-central1-a", "that is a zone; write its region, 'us-central1'"),
        ("locations", "nam4", "dual-region"),
        ("locations", "mars", "write us, eu, asia or a region"),
        ("locations", "us,us", "'us' is given 2 times"),
        ("locations", "EU, nam4", "'nam4' isn't a storage location"),
        ("required_locations", "us, mars", "'mars' is not among locations (us, eu, asia)"),
        ("required_locations", "us us", "given 2 times"),
        ("name_template", "{nam}", "holds {nam}; placeholders are {location} and {name}"),
        ("name_template", "{name}", "names are unique in a project"),
        ("name_template", "{name}_{location}", "isn't a valid name in Compute Engine"),
        ("family_template", "{name}", "placeholders are {family} and {location}"),
        ("replica_project", "{location}_x", "can't be the id of a project"),
        ("replica_project", "{name}", "placeholders are {location} and {project}"),
        ("home_copy", "false", "'false' is not one of auto or true"),
        ("access", "everybody", "'everybody' is not one of source, public or private"),
        ("labels", "a", "'a' has no '='"),
        ("labels", "A=b", "'A' isn't a valid label key"),
        ("labels", "a=B", "'B' (of 'a') isn't a valid label value"),
        ("labels", "a=b,a=c", "'a' is given twice"),
        ("labels", "A=b,a=B", "'B' (of 'a')"),
        ("labels", ",".join(f"l{number}=x" for number in range(65)), "65 labels"),
        ("promote", "yes", "'yes' is not one of true, false"),
        ("replace_failed", "1", "'1' is not one of true, false"),
        ("timeout_minutes", "0", "isn't a positive number of minutes"),
        ("timeout_minutes", "-1", "isn't a positive number"),
        ("timeout_minutes", "inf", "isn't a positive number"),
        ("timeout_minutes", "nan", "isn't a positive number"),
        ("timeout_minutes", "an hour", "isn't a positive number"),
        ("compute_endpoint", "http://compute.example", "would get credentials unencrypted"),
        ("compute_endpoint", "http://127.0.0.1.evil.example/", "would get credentials unencrypted"),
        ("compute_endpoint", "ftp://127.0.0.1", "isn't a valid endpoint"),
        ("compute_endpoint", "https://host:port", "isn't a valid endpoint"),
        ("compute_endpoint", "https://host/path", "isn't a valid endpoint"),
        ("revision", "main", "neither auto nor a JSON object"),
        ("revision", '{"repository": "o/r"}', "neither auto nor a JSON object"),
        ("revision", '{"repository": 1, "ref": "", "commit": ""}', "neither auto nor a JSON object"),
        (
            "revision",
            '{"repository": "", "ref": "r", "commit": "1"}',
            "leaves out repository",
        ),
        ("compute_endpoint", "https://user:pw@host", "isn't a valid endpoint"),
        ("compute_endpoint", "https://host?x", "isn't a valid endpoint"),
        ("config", "replicate.yaml", "can't be read"),
        ("source_image", "Web_1", "'Web_1' isn't a valid image reference"),
        ("packer_manifest", "m.json", "it and packer_manifest are both given"),
        ("project_id", "p2", "'p2' is not the project of source_image ('p1')"),
    ],
)
def test_bad_values(name: str, text: str, says: str) -> None:
    found = problems({}, **{name: text})
    assert says in "; ".join(found.values()), found
    assert list(found) == ["source_image" if name == "packer_manifest" else name]


def test_every_problem_at_once_in_the_order_of_the_inputs() -> None:
    found = problems(
        source_image="", locations="EU", labels="A=1", timeout_minutes="0", promote="x", access="y", revision="z"
    )
    assert list(found) == ["source_image", "locations", "labels", "access", "promote", "revision", "timeout_minutes"]
    both = problems(locations="EU", required_locations="mars, eu")
    assert list(both) == ["locations", "required_locations"]
    assert both["required_locations"].startswith("'mars' isn't a storage location")
    assert list(problems(locations="EU", required_locations="all")) == ["locations"]


def test_unknown_input() -> None:
    assert problems(locatons="us") == {"locatons": "isn't an input of this version"}


def test_revision_of_the_run() -> None:
    env = {"GITHUB_REPOSITORY": "o/r", "GITHUB_REF": "refs/tags/v1", "GITHUB_SHA": "12"}
    loaded = settings.load({**SOURCE, "revision": "auto"}, env)
    assert loaded.settings.revision == Revision("o/r", "refs/tags/v1", "12")


def test_revision_of_the_run_elsewhere() -> None:
    env = {"GITLAB_CI": "true", "CI_PROJECT_PATH": "g/sub/r", "CI_COMMIT_TAG": "v1", "CI_COMMIT_SHA": "12"}
    loaded = settings.load({**SOURCE, "revision": "auto"}, env)
    assert loaded.settings.revision == Revision("g/sub/r", "refs/tags/v1", "12")


def test_a_revision_that_nobody_knows() -> None:
    """Jenkins and others are told what to give; a known system, which of its variables is empty."""
    assert "this is none of them: give a JSON object" in problems({"GIT_COMMIT": "1"}, revision="auto")["revision"]
    by_hand = {"PROJECT_ID": "p", "BUILD_ID": "0f0e0d0c-0b0a-0908-0706-050403020100", "REPO_FULL_NAME": "o/r"}
    said = problems(by_hand, revision="auto")["revision"]
    assert "what Cloud Build says of ref (TAG_NAME or BRANCH_NAME), commit (COMMIT_SHA): give a JSON object" in said
    half = problems({"GITHUB_REPOSITORY": "o/r", "GITHUB_REF": "r"}, revision="auto")["revision"]
    assert "what GitHub says of commit (GITHUB_SHA)" in half


def test_endpoint_and_credentials_of_gcloud() -> None:
    env = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": "http://127.0.0.1:1234/compute/v1/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "True",
    }
    loaded = settings.load(SOURCE, env)
    assert (loaded.settings.compute_endpoint, loaded.anonymous) == ("http://127.0.0.1:1234", True)
    assert loaded.source == ImageRef("p1", "web-1")
    assert not settings.load(SOURCE, {}).anonymous
    assert "compute_endpoint" in problems({"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": "http://evil.example/"})


def test_messages_hold_no_noise() -> None:
    for text in problems(locations="EU", access="x", promote="x", timeout_minutes="x", home_copy="x").values():
        assert not re.search(r"pydantic|Value error|Input should", text)
