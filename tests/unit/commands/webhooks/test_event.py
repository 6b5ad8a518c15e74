"""The event: the same for the same index, strict when it is read, and true of what was signed."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.commands.webhooks import event
from replicator.index import bundle
from testkit.places import ROOT
from testkit.signing import world


def document() -> dict[str, Any]:
    data = (world.KEPT / "index.json").read_bytes()
    return {
        "type": "image.published",
        "timestamp": "2026-11-28T19:45:00Z",
        "data": {
            "schema": 1,
            "repository": {"server_url": "https://github.com", "name": "o/r"},
            "commit": "c" * 40,
            "version": "v1",
            "run": {"url": "https://github.com/o/r/actions/runs/1", "attempt": "1"},
            "release": None,
            "index": event.file("image-index.json", data, inline=True, release_url=""),
            "bundle": None,
            "attestation": None,
            "images": [{"architecture": "ARM64", "variant": "", "source": "s", "locations": ["eu"]}],
        },
    }


def test_the_bytes_are_canonical_and_read_back() -> None:
    made = document()
    body = event.to_bytes(made)
    assert event.to_bytes(json.loads(body)) == body
    assert event.parse(body).data.index.content == (world.KEPT / "index.json").read_text("utf-8")


def test_the_id_is_by_what_is_announced() -> None:
    made = document()
    first = event.delivery_id(made)
    assert len(first) == 30
    assert first.startswith("msg_")
    later = copy.deepcopy(made)
    later["timestamp"], later["data"]["run"] = "2027-01-01T00:00:00Z", None
    assert event.delivery_id(later) == first
    for change in ({"version": "v2"}, {"repository": {"server_url": "https://github.com", "name": "o/x"}}):
        assert event.delivery_id({**made, "data": {**made["data"], **change}}) != first


def test_the_statement_says_what_was_built() -> None:
    read = bundle.read(world.KEPT / "ours.intoto.sigstore.json", "attestation")
    origin = event.origin_of_statement(read.statement)
    assert (origin.repository, origin.commit, origin.version) == ("https://github.com/o/r", "c" * 40, "v1")


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"predicate":1}', b"\xff"])
def test_what_is_no_statement_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="statement"):
        event.origin_of_statement(payload)


BODY = event.to_bytes(document())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "strict JSON"),
        (b"\xff\xfe", "strict JSON"),
        (BODY.replace(b'"type":', b'"type":"x","type":'), "strict JSON"),
        (BODY.replace(b'"size":', b'"size":NaN,"other":'), "strict JSON"),
        (b"[" * 100_000, "strict JSON"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "32 levels"),
        (b"[]", "the body"),
        (BODY.replace(b'"v1"', b'"\\ud800"'), "surrogate"),
        (BODY.replace(b'"v1"', b'"v1","\\udfff":1'), "surrogate"),
        (b'{"size":' + b"9" * 5000 + b"}", "strict JSON"),
        (BODY.replace(b"image.published", b"image.deleted"), "type"),
        (BODY.replace(b'"schema":1', b'"schema":2'), "data.schema"),
        (BODY.replace(b'"schema":1', b'"schema":true'), "data.schema"),
        (BODY.replace(b'"schema":1', b'"schema":1,"more":1'), "data.more"),
        (BODY.replace(b"sha256:", b"sha512:"), "data.index.digest"),
        (BODY.replace(b'"o/r"', b'"../r"'), "data.repository.name"),
        (BODY.replace(b'"o/r"', b'"o/r/x"'), "data.repository.name"),
        (BODY.replace(b'https://github.com"', b'https://u:p@github.com"'), "data.repository.server_url"),
        (BODY.replace(b'"version":"v1"', b'"version":"v1\\n::error::x"'), "data.version"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_by_field(body: bytes, says: str) -> None:
    with pytest.raises(event.BadEvent, match=says):
        event.parse(body)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps(x).encode()))  # fmt: skip
def test_anything_else_is_a_bad_event(body: bytes) -> None:
    with pytest.raises(event.BadEvent):
        event.parse(body)


@pytest.mark.parametrize(
    ("url", "asset"),
    [
        ("https://github.com/o/r/releases/tag/v1", "https://github.com/o/r/releases/download/v1/image-index.json"),
        (
            "https://forge.example/a/o/r/releases/tag/b",
            "https://forge.example/a/o/r/releases/download/b/image-index.json",
        ),
        ("", ""),
        ("https://github.com/o/r", ""),
    ],
)
def test_assets_are_beside_their_release(url: str, asset: str) -> None:
    assert event.asset_url(url, "image-index.json") == asset


@pytest.mark.parametrize(("tag", "is_pre"), [("v1", False), ("v1-rc1", True), ("v1-RC.2", True), ("v1-beta", True), ("vrc", False)])  # fmt: skip
def test_prereleases_by_their_tag(tag: str, is_pre: bool) -> None:
    assert event.is_prerelease(tag) is is_pre


class TestSchema:
    """Receivers that know only the schema take and refuse what we take and refuse."""

    SCHEMA = jsonschema.Draft202012Validator(
        json.loads((ROOT / "schemas" / "event.schema.json").read_text("utf-8")),
    )

    def test_it_takes_what_we_send(self) -> None:
        self.SCHEMA.check_schema(self.SCHEMA.schema)
        self.SCHEMA.validate(document())

    @given(st.data())
    def test_it_refuses_what_the_parser_refuses(self, data: st.DataObject) -> None:
        """One field, anywhere, is another value or gone, or there is one more."""
        made = document()
        where = made
        for _ in range(data.draw(st.integers(0, 3))):
            inner = [value for value in where.values() if isinstance(value, dict)]
            where = data.draw(st.sampled_from(inner)) if inner else where
        name = data.draw(st.sampled_from([*sorted(where), "more"]))
        value: Any = data.draw(
            st.sampled_from(["", "x", "sha256:" + "0" * 64, "a\x1b", "v" * 201, 0, -1, True, None, [], {}, "gone"])
        )
        if value == "gone":
            where.pop(name, None)
        else:
            where[name] = value
        try:
            event.parse(event.to_bytes(made))
        except event.BadEvent:
            taken = False
        else:
            taken = True
        assert self.SCHEMA.is_valid(made) == taken
