from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
from testkit.signing import world

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


def test_an_update_changes_the_identity_of_nothing_published() -> None:
    """The bytes are signed, and a rerun makes the same ones."""
    kept = (world.KEPT / "index.json").read_bytes()
    assert image_index.to_bytes(json.loads(kept)) == kept


@given(
    architecture=st.sampled_from(["X86_64", "ARM64", ""]),
    revision=st.none() | st.just(Revision("o/r", "refs/tags/v1", "12")),
    variant=st.sampled_from(["", "lts"]),
    family=st.sampled_from(["", "web"]),
)
def test_what_was_built_is_read_as_it_was_written(
    architecture: str, revision: Revision | None, variant: str, family: str
) -> None:
    source = image(architecture=architecture, family=family)
    rows = [
        *ROWS,
        ReplicaResult(replica=replica("me-west1", family=""), outcome=Outcome.ADOPTED, image=copy("me-west1")),
    ]
    built = image_index.build(source, ["us", "eu", "europe-west9"], rows, revision, variant)
    jsonschema.validate(built, SCHEMA)
    (entry,) = built["images"]
    assert (entry["architecture"], entry["variant"]) == (architecture or "ARCHITECTURE_UNSPECIFIED", variant)
    assert entry["revision"] == (asdict(revision) if revision else None)
    assert entry["source"]["family"] == (family or None)
    assert {at: served["family"] for at, served in entry["locations"].items()} == {
        "us": "web", "eu": "web-eu", "me-west1": None
    }  # fmt: skip
    assert entry["wanted_locations"] == ["asia", "eu", "europe-west9", "me-west1", "us"], (
        "asked for or added by the plan"
    )
    read = image_index.parse(image_index.to_bytes(built), Path("x"))
    assert read.model_dump(by_alias=True) == built
    assert [str(served.ref) for served in (read.images[0].source, read.images[0].locations["eu"])] == [
        "projects/p1/global/images/web-1", "projects/p1/global/images/web-1-eu"
    ]  # fmt: skip


def test_nothing_was_written() -> None:
    assert set(asdict(image_index.Written()).values()) == {""}


def test_only_verified_images() -> None:
    assert set(build(ROWS)["images"][0]["locations"]) == {"us", "eu"}  # type: ignore[index]
    unread = ReplicaResult(replica=replica("us"), outcome=Outcome.SOURCE, image=None)
    for rows in ([], [unread]):
        built = build(rows)
        jsonschema.validate(built, SCHEMA)
        assert built["images"][0]["locations"] == {}  # type: ignore[index]
        assert built["images"][0]["wanted_locations"] == ["asia", "eu", "us"]  # type: ignore[index]


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


def test_the_index_follows_no_link_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / f".image-index.json.{os.getpid()}").symlink_to(tmp_path / "theirs")
    (tmp_path / "folder" / "image-index.json").symlink_to(tmp_path / "theirs")
    assert image_index.write(b"ours", tmp_path / "folder").read_bytes() == b"ours"
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["image-index.json"]
    (tmp_path / "other" / "image-index.json").mkdir(parents=True)
    with pytest.raises(OSError, match="image-index"):
        image_index.write(b"ours", tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["image-index.json"]


def spoiled(*path: str, **fields: Any) -> bytes:
    """A right index, but for these fields of what is at the path below its entry."""
    built: dict[str, Any] = build(ROWS)
    place = built["images"][0]
    for key in path:
        place = place[key]
    place.update(fields)
    return json.dumps(built).encode()


NO_FAMILY = "Value error, 'Web' isn't a valid family"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{", "the file: Invalid JSON: EOF while parsing an object at line 1 column 1"),
        (b'{"schema": 1, "images": []}', "images: List should have at least 1 item after validation, not 0"),
        (b'{"schema": 2, "images": [{}]}', "schema: Input should be 1"),
        (b'{"schema_version": 1, "images": [{}]}', "schema: Field required"),
        (b'{"schema": 1, "images": [{"x": 1}]}', "images.0.architecture: Field required"),
        (
            spoiled(wanted_locations=["EU"]),
            "images.0.wanted_locations.0: Value error, 'EU' isn't a storage location: write 'eu'",
        ),
        (spoiled(made_at="now"), "images.0.made_at: Extra inputs are not permitted"),
        (spoiled("source", labels={}), "images.0.source.labels: Extra inputs are not permitted"),
        (spoiled("source", family="Web"), f"images.0.source.family: {NO_FAMILY}"),
        (spoiled("locations", "eu", family="Web"), f"images.0.locations.eu.family: {NO_FAMILY}"),
        (spoiled("locations", "eu", public="yes"), "images.0.locations.eu.public: Input should be a valid boolean"),
        *(
            (spoiled("source", id=wrong), "images.0.source.id: String should match pattern '^[0-9]+$'")
            for wrong in ("", "x", "1x", "x1", "1\n", "-1")
        ),
        *(
            (spoiled("source", **wrong), f"images.0.source: Value error, {says}")
            for wrong, says in (
                ({"project": "p1/x"}, "'p1/x' and 'web-1' can't be a project and an image"),
                ({"name": "web_1"}, "'p1' and 'web_1' can't be a project and an image"),
                ({"uri": "u"}, "'u' is not the uri of 'web-1' in 'p1'"),
            )
        ),
    ],
)
def test_what_is_said_of_a_wrong_index(data: bytes, says: str) -> None:
    with pytest.raises(image_index.BadIndex) as info:
        image_index.parse(data, Path("x"))
    assert str(info.value) == f"'x' isn't an index of ours: {says}"


def test_text_that_is_none() -> None:
    with pytest.raises(image_index.BadIndex, match=r"^'x' is not UTF-8 text$"):
        image_index.parse(b"\xff{}", Path("x"))
    # As editors on Windows save it.
    assert image_index.parse(b"\xef\xbb\xbf" + image_index.to_bytes(build(ROWS)), Path("x")).images


def test_what_was_read_stays_as_it_is() -> None:
    """Checks come before use, so that nothing may change in between."""
    read = image_index.parse(image_index.to_bytes(build(ROWS)), Path("x"))
    for held, name in ((read, "images"), (read.images[0], "variant"), (read.images[0].source, "id")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(held, name, None)


def test_which_files_are_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "index.json"
    inside.mkdir()
    outside.write_bytes(image_index.to_bytes(build(ROWS)))
    assert image_index.read(outside) == image_index.read(outside, [tmp_path])
    with pytest.raises(image_index.BadIndex, match="lies outside"):
        image_index.read(outside, [inside])
    with outside.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(image_index.BadIndex, match=r"at most \d+ are read"):
        image_index.read(outside)


@pytest.mark.parametrize("many", [{"images": [{}] * 99}, {"images": [{"wanted_locations": ["x"] * 99}]}])
def test_one_problem_is_looked_for(many: dict[str, object]) -> None:
    """An index of nothing but problems could keep a run busy for minutes."""
    with pytest.raises(image_index.BadIndex) as info:
        image_index.parse(json.dumps({"schema": 1, **many}).encode(), Path("x"))
    assert isinstance(info.value.__context__, ValidationError)
    assert info.value.__context__.error_count() < 10
