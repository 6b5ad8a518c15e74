from __future__ import annotations

import json
from typing import Any

import pytest

from replicator.commands.registry import mirrors
from replicator.commands.registry.mirrors import BadMirrors, Mirror, Mirrors

RECORD = Mirrors(
    "example.com:acme",
    (
        Mirror("quay.io", "asia-south1", "example.com:acme", "quay"),
        Mirror("ghcr.io", "us", "example.com:acme", "ghcr-mirror", ("group:b@x", "group:a@x")),
    ),
    {"me": "error", "asia": "us"},
)


def test_the_record_is_canonical_and_comes_back() -> None:
    text = mirrors.text(RECORD)
    back = mirrors.parse(text)
    assert (
        mirrors.text(back)
        == text
        == mirrors.text(Mirrors(RECORD.project, RECORD.mirrors[::-1], {"asia": "us", "me": "error"}))
    )
    assert [each["uri"] for each in json.loads(text)["mirrors"]] == [
        "us-docker.pkg.dev/example.com/acme/ghcr-mirror",
        "asia-south1-docker.pkg.dev/example.com/acme/quay",
    ]
    assert text.endswith("}\n")


def changed(**row: Any) -> str:
    record = mirrors.document(RECORD)
    record["mirrors"][0].update(row)
    return json.dumps(record)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "JSON"),
        ("[]", "record of mirrors"),
        ('{"schema": 2}', "schema 1"),
        ('{"schema": 1, "project": "P!", "mirrors": [], "zones": {}}', "project"),
        ('{"schema": 1, "project": "p", "mirrors": {}, "zones": {}}', "list"),
        ('{"schema": 1, "project": "p", "mirrors": [], "zones": {"asia": "eu"}}', "zones"),
        (changed(uri="evil.example/p/ghcr-mirror"), "its uri must be us-docker.pkg.dev"),
        (changed(location="eu"), "location"),
        (changed(repository="../x"), "repository"),
        (changed(upstream="::error::x"), "mirror 1"),
        (
            changed(
                upstream="quay.io",
                location="asia-south1",
                repository="quay",
                uri="asia-south1-docker.pkg.dev/example.com/acme/quay",
            ),
            "two mirrors",
        ),
        (changed(extra="1"), "exactly"),
    ],
)
def test_another_file_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadMirrors, match=says):
        mirrors.parse(text)
