from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from replicator.core import errors
from replicator.core.replicas import Outcome, ReplicaResult, Revision
from replicator.index import image_index
from testkit.make import copy, image, replica
from testkit.places import ROOT

SCHEMA = json.loads((ROOT / "schemas" / "image-index.schema.json").read_text(encoding="utf-8"))
ROWS = [
    ReplicaResult(replica=replica("us", family="web"), outcome=Outcome.SOURCE, image=image(), access="public"),
    ReplicaResult(replica=replica("eu"), outcome=Outcome.CREATED, image=copy("eu"), access="public", seconds=7.1),
    ReplicaResult(replica=replica("asia"), outcome=Outcome.FAILED, error=errors.Quota("x"), image=copy("asia")),
]


def build(rows: list[ReplicaResult], revision: Revision | None = None) -> dict[str, object]:
    return image_index.build(image(), ["us", "eu", "asia"], rows, revision)


def test_contract() -> None:
    built = build(ROWS)
    jsonschema.validate(built, SCHEMA)
    assert built == {
        "schema": 1,
        "images": [
            {
                "architecture": "X86_64",
                "variant": "",
                "revision": None,
                "source": {
                    "project": "p1",
                    "name": "web-1",
                    "id": "1",
                    "uri": "projects/p1/global/images/web-1",
                    "storage_location": "us",
                    "family": "web",
                },
                "wanted_locations": ["asia", "eu", "us"],
                "locations": {
                    "us": {
                        "project": "p1",
                        "name": "web-1",
                        "id": "1",
                        "uri": "projects/p1/global/images/web-1",
                        "source_image_id": "",
                        "copied_from": None,
                        "family": "web",
                        "public": True,
                        "disk_size_gb": "20",
                        "labels": {"a": "b"},
                    },
                    "eu": {
                        "project": "p1",
                        "name": "web-1-eu",
                        "id": "2",
                        "uri": "projects/p1/global/images/web-1-eu",
                        "source_image_id": "1",
                        "copied_from": "projects/p1/global/images/web-1",
                        "family": "web-eu",
                        "public": True,
                        "disk_size_gb": "20",
                        "labels": {"a": "b"},
                    },
                },
            }
        ],
    }


@given(st.permutations(ROWS), st.permutations(["us", "eu", "asia"]))
def test_bytes_do_not_depend_on_order(rows: list[ReplicaResult], wanted: list[str]) -> None:
    data = image_index.to_bytes(image_index.build(image(), wanted, rows, None))
    assert data == image_index.to_bytes(build(ROWS))


def test_bytes() -> None:
    data = image_index.to_bytes(build(ROWS, Revision("o/ü", "refs/tags/v1", "12")))
    assert data.endswith(b"}\n")
    assert not data.endswith(b"\n\n")
    assert "o/ü".encode() in data
    jsonschema.validate(json.loads(data), SCHEMA)
    assert image_index.digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_only_verified_images() -> None:
    assert set(build(ROWS)["images"][0]["locations"]) == {"us", "eu"}  # type: ignore[index]
    jsonschema.validate(build([]), SCHEMA)


def test_schema_refuses_what_does_not_belong() -> None:
    for spoil in ({"made_at": "now"}, {"schema": 2}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**build(ROWS), **spoil}, SCHEMA)


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = image_index.write(b"new", tmp_path)
    assert path.read_bytes() == b"new"
    assert [item.name for item in tmp_path.iterdir()] == ["image-index.json"]
    with pytest.raises(OSError, match="missing"):
        image_index.write(b"x", tmp_path / "missing")


@pytest.mark.parametrize("many", [{"images": [{}] * 99}, {"images": [{"wanted_locations": ["x"] * 99}]}])
def test_one_problem_is_looked_for(many: dict[str, object]) -> None:
    """An index of nothing but problems could keep a run busy for minutes."""
    with pytest.raises(image_index.BadIndex) as info:
        image_index.parse(json.dumps({"schema": 1, **many}).encode(), Path("x"))
    assert isinstance(info.value.__context__, ValidationError)
    assert info.value.__context__.error_count() < 10
