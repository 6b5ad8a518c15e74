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


@pytest.mark.parametrize("location", ["u-germany-northeast1", "u-france-east1", "s-berlin-west2"])
def test_regions_of_other_universes(location: str) -> None:
    assert validation.location_problem(location) == ""
    assert f"write its region, '{location}'" in validation.location_problem(f"{location}-a")


@pytest.mark.parametrize(
    "location", ["u-germany", "uu-germany-east1", "u--germany-east1", "-germany-east1", "U-germany-east1x"]
)
def test_what_is_like_a_region(location: str) -> None:
    assert validation.location_problem(location)


@pytest.mark.parametrize("text", ["diseño", "área", "größe_1", "設計", "ж-ю", "ñ" * 63, "d" * 63])
def test_labels_of_all_scripts(text: str) -> None:
    assert validation.labels_problems({text: text}) == []


@pytest.mark.parametrize(
    "text", ["Diseño", "É", "a b", "a.b", "ñ" * 64, "設" * 43, "a\u0301", "\ud800", "glpat-abcdefgh12345678"]
)
def test_what_no_label_can_hold(text: str) -> None:
    assert len(validation.labels_problems({text: text})) == 2


def test_the_sum_of_labels() -> None:
    source, more = {f"s{number}": "" for number in range(60)}, {f"m{number}": "" for number in range(4)}
    assert validation.too_many_labels(source, more) == ""
    assert validation.too_many_labels(source, {**more, "s1": "again"}) == ""
    said = validation.too_many_labels(source, {**source, **more, "one-more": ""})
    assert said.startswith("5 labels on top of the source's 60 make 65, and an image can have 64")


def test_labels() -> None:
    assert validation.labels_problems({"a": "", "b-1_": "x" * 63}) == []
    assert len(validation.labels_problems({"": "b", "1a": "B", "a" * 64: "x" * 64})) == 5
    assert "an image can have 64" in validation.labels_problems({f"l{number}": "" for number in range(65)})[0]
