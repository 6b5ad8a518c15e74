from __future__ import annotations

import pytest
import yaml

from replicator.commands.merge import settings
from replicator.commands.merge.fragments import Key
from replicator.commands.merge.settings import MergeSettings
from replicator.core.errors import BadSettings
from replicator.inputs.fields import ENDPOINT_VARIABLE, READ_ELSEWHERE
from testkit.places import ROOT

INPUTS = yaml.safe_load((ROOT / "merge" / "action.yml").read_text(encoding="utf-8"))["inputs"]
NEEDED = {"fragments": "fragments", "expect": "X86_64, ARM64"}


def load(**given: str) -> MergeSettings:
    return settings.load({**NEEDED, **given}, {}).settings


def test_inputs_are_those_of_action_yml() -> None:
    assert set(INPUTS) == set(MergeSettings.model_fields) | READ_ELSEWHERE
    for name, field in MergeSettings.model_fields.items():
        assert " ".join((field.description or "").split()) == INPUTS[name]["description"].strip()
        assert INPUTS[name].get("required", False) == field.is_required()
    defaults = {name: text for name, item in INPUTS.items() if (text := item.get("default", ""))}
    assert load(**defaults) == load()


def test_shared_inputs_have_the_words_of_the_main_action() -> None:
    main = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    for name in ("tag_pattern", "compute_endpoint", "python", "distribute"):
        assert INPUTS[name].get("default") == main[name].get("default")
    for name in ("compute_endpoint", "python"):
        assert INPUTS[name]["description"] == main[name]["description"]


@pytest.mark.parametrize("text", ["X86_64,ARM64/lts-1.2", "X86_64\nARM64/lts-1.2", " ARM64/lts-1.2  X86_64 , "])
def test_expect(text: str) -> None:
    assert load(expect=text).expected == {Key("X86_64"), Key("ARM64", "lts-1.2")}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("fragments", "", "is needed"),
        ("expect", "", "is needed"),
        ("expect", ",", "isn't a valid architecture"),
        ("expect", "amd64, ARM64", "write 'X86_64'"),
        ("expect", "X86_64, aarch64", "write 'ARM64'"),
        ("expect", "arm64", "write 'ARM64'"),
        ("expect", "X86_64 X86_64", "given 2 times"),
        ("expect", "X86_64/", "'' isn't a valid variant"),
        ("expect", "X86_64/LTS", "'LTS' isn't a valid variant"),
        ("expect", "X86_64/a/b", "'a/b' isn't a valid variant"),
        ("required_locations", "europe", "write 'eu'"),
        ("required_locations", "eu eu", "given 2 times"),
        ("required_locations", "all eu", "'all' isn't a storage location"),
        ("promote", "yes", "is not one of true, false"),
        ("timeout_minutes", "0", "isn't a positive number"),
        ("compute_endpoint", "http://example.com", "unencrypted"),
    ],
)
def test_bad_values(name: str, text: str, says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load(**{name: text})
    (problem,) = caught.value.problems
    assert problem.input == name
    assert says in problem.text


def test_every_problem_at_once() -> None:
    with pytest.raises(BadSettings) as caught:
        settings.load({"promote": "maybe"}, {})
    assert [problem.input for problem in caught.value.problems] == ["fragments", "expect", "promote"]


def test_endpoint_and_credentials_of_gcloud() -> None:
    env = {ENDPOINT_VARIABLE: "http://127.0.0.1:1/", "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
    request = settings.load(NEEDED, env)
    assert (request.settings.compute_endpoint, request.anonymous) == ("http://127.0.0.1:1", True)
