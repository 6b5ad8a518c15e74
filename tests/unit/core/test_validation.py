from __future__ import annotations

import json
from pathlib import Path

import pytest
from googleapiclient.discovery_cache import DISCOVERY_DOC_DIR

from replicator.core import validation


def test_every_region_that_google_names() -> None:
    """The regions of Compute's own endpoints, from the discovery document that google-api-python-client ships."""
    document = json.loads((Path(DISCOVERY_DOC_DIR) / "compute.v1.json").read_text(encoding="utf-8"))
    regions = [item["location"] for item in document["endpoints"]]
    assert len(regions) >= 40
    assert not [region for region in regions if validation.location_problem(region)]


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("EU", "write 'eu'"),
        ("Europe", "write 'eu'"),
        ("US-Central1", "write 'us-central1'"),
        ("us-central1-a", "that is a zone"),
        ("nam4", "dual-region"),
        ("EUR4", "dual-region"),
        ("", "write us, eu, asia"),
        ("us\n", "write us, eu, asia"),
    ],
)
def test_hints(location: str, hint: str) -> None:
    assert hint in validation.location_problem(location)


def test_labels() -> None:
    assert validation.labels_problems({"a": "", "b-1_": "x" * 63}) == []
    assert len(validation.labels_problems({"": "b", "1a": "B", "a" * 64: "x" * 64})) == 5
    assert "an image can have 64" in validation.labels_problems({f"l{number}": "" for number in range(65)})[0]
