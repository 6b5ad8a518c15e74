from __future__ import annotations

import json
from typing import Any

import pytest

from replicator.commands.registry import policies
from replicator.commands.registry.policies import BadPolicies

KEEP: dict[str, Any] = {"name": "keep", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": 3}}
DROP: dict[str, Any] = {
    "name": "drop",
    "action": {"type": "Delete"},
    "condition": {"olderThan": "30d", "tagState": "untagged"},
}

#: What gcloud 528 sent for the usual policies, and Google's library with enums as numbers.
GCLOUD = {
    "delete-older-than-30d": {
        "action": "Delete",
        "condition": {"olderThan": "2592000.0s", "tagState": "any"},
        "id": "delete-older-than-30d",
    },
    "keep-latest": {"action": "Keep", "id": "keep-latest", "mostRecentVersions": {"keepCount": 16}},
}
NUMBERS = {
    "delete-older-than-30d": {"action": 1, "condition": {"olderThan": "2592000s", "tagState": 3}},
    "keep-latest": {"action": 2, "mostRecentVersions": {"keepCount": "16"}},
}


@pytest.mark.parametrize("other", [GCLOUD, NUMBERS])
def test_spellings_mean_the_same(other: dict[str, Any]) -> None:
    wanted = policies.parse(policies.DEFAULT)
    assert policies.same(wanted, other)
    assert not policies.same(wanted, {**other, "more": GCLOUD["keep-latest"]})
    assert not policies.same(
        wanted, {**other, "keep-latest": {"action": "KEEP", "mostRecentVersions": {"keepCount": 15}}}
    )
    assert not policies.same(wanted, {"delete-older-than-30d": {"condition": {"olderThan": "?"}}, "keep-latest": None})


def test_durations_become_seconds() -> None:
    sent = policies.parse(json.dumps([{**DROP, "condition": {"olderThan": "1.5h", "newerThan": "100s"}}]))["drop"]
    assert sent["condition"] == {"olderThan": "5400s", "newerThan": "100s"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "JSON"),
        ("{}", "list"),
        ([{}], "policy 1 needs a `name`"),
        ([KEEP, KEEP], "names two"),
        ([{**KEEP, "name": f"k{number}"} for number in range(11)], "11 policies"),
        ([{**KEEP, "action": {"type": "Remove"}}], "`action`"),
        ([{**KEEP, "condition": {"tagState": "any"}}], "exactly one"),
        ([{"name": "k", "action": {"type": "Keep"}}], "exactly one"),
        ([{**KEEP, "action": {"type": "Delete"}}], "Keep only"),
        ([{**KEEP, "mostRecentVersions": {"keepCount": 0}}], "from 1 on"),
        ([{**DROP, "condition": {"olderThan": "a month"}}], "30d"),
        ([{**DROP, "condition": {"tagState": "some"}}], "tagged, untagged, any"),
        ([{**DROP, "condition": {"age": "1d"}}], "takes"),
        ([{**DROP, "condition": {"tagPrefixes": "v"}}], "list of texts"),
        ([{**DROP, "when": "now"}], "unknown key"),
    ],
)
def test_what_the_api_would_refuse(text: Any, says: str) -> None:
    with pytest.raises(BadPolicies, match=says):
        policies.parse(text if isinstance(text, str) else json.dumps(text))


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(BadPolicies) as caught:
        policies.parse(
            json.dumps([{**KEEP, "x": 1, "mostRecentVersions": {"keepCount": 0}}, {**DROP, "condition": {}, "y": 2}])
        )
    assert len(caught.value.problems) == 3


def test_keeping_alone_deletes_nothing() -> None:
    assert "nothing is ever deleted" in policies.warning(policies.parse(json.dumps([KEEP])))
    assert not policies.warning(policies.parse(json.dumps([KEEP, DROP])))
    assert not policies.warning({})
