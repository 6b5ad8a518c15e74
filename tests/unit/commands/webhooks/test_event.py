"""The event: the same for the same index, strict when it is read, and true of what was signed."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.commands.webhooks import event
from replicator.core.replicas import Revision
from replicator.index import bundle, image_index
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


@pytest.mark.parametrize(("tag", "is_pre"), [("v1", False), ("v1-rc1", True), ("v1-RC.2", True), ("v1-beta", True), ("v1-alpha.1", True), ("vrc", False), ("boot-v1", False), ("arch-v1", False)])  # fmt: skip
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


def with_value(place: str, value: Any) -> dict[str, Any]:
    """The event with another value at a place: names and numbers, apart by dots."""
    made = document()
    made["data"]["release"] = {"url": "https://github.com/o/r/releases/tag/v1", "tag": "v1", "prerelease": False}
    *way, last = ["data", *place.split(".")] if place != "timestamp" else [place]
    where: Any = made
    for name in way:
        where = where[int(name) if name.isdigit() else name]
    where[int(last) if last.isdigit() else last] = value
    return made


IMAGE = document()["data"]["images"][0]
HOST = "https://github.com"
SHORT, LINE = ("v" * 200, "v" * 201), ("v" * 1000, "v" * 1001)


@pytest.mark.parametrize(
    ("place", "right", "wrong"),
    [
        ("version", SHORT[0], SHORT[1]),
        ("run.attempt", *SHORT),
        ("run.url", *LINE),
        ("release.tag", *SHORT),
        ("release.url", *LINE),
        ("index.name", *SHORT),
        ("index.url", *LINE),
        ("images.0.architecture", *SHORT),
        ("images.0.variant", *SHORT),
        ("images.0.source", *LINE),
        ("images.0.locations", ["eu"] * 200, ["eu"] * 201),
        ("images.0.locations.0", *SHORT),
        ("images", [IMAGE] * 1000, [IMAGE] * 1001),
        ("images", [IMAGE], []),
        ("index.size", 0, -1),
        ("index.size", 64 * 2**20, 64 * 2**20 + 1),
        ("index.content", None, 1),
        ("release.prerelease", True, 1),
        ("schema", 1, 0),
        ("schema", 1, 2),
        ("repository.server_url", HOST + "/" + "p" * 181, HOST + "/" + "p" * 182),
        ("repository.server_url", "http://git.example:3000/forge/a", "ftp://git.example"),
        ("repository.server_url", HOST + "/", HOST + "?x"),
        ("repository.server_url", HOST, HOST + "#x"),
        ("repository.server_url", HOST, HOST + "/a?x"),
        ("repository.server_url", HOST, HOST + "/a#x"),
        ("repository.server_url", HOST, HOST + "/a b"),
        ("repository.server_url", HOST, "https://git hub.com"),
        ("repository.server_url", HOST, "https://"),
        ("repository.server_url", HOST, "x" + HOST),
        ("repository.name", "o/" + "r" * 198, "o/" + "r" * 199),
        ("repository.name", "O_.-1/-R_.9z", "-o/r"),
        ("repository.name", "Az09_/_azAZ09", ".o/r"),
        ("repository.name", "o/r", "o/.r"),
        ("repository.name", "o/r", "o/r/"),
        ("repository.name", "o/r", "o/"),
        ("repository.name", "o/r", "o@x/r"),
        ("repository.name", "o/r", "o/r@x"),
        ("index.digest", "sha256:" + "09af" * 16, "sha256:" + "09AF" * 16),
        ("index.digest", "sha256:" + "0" * 64, "sha256:" + "0" * 63),
        ("index.digest", "sha256:" + "0" * 64, "sha256:" + "0" * 65),
        ("index.digest", "sha256:" + "0" * 64, "xsha256:" + "0" * 64),
        ("commit", "", "c"),
        ("commit", "0f" * 20, "0F" * 20),
        ("commit", "0f" * 32, "0F" * 32),
        ("commit", "c" * 40, "c" * 41),
        ("commit", "c" * 64, "c" * 65),
        ("timestamp", "2026-11-28T19:45:00.123456Z", "2026-11-28T19:45:00.Z"),
        ("timestamp", "2026-11-28T19:45:00+05:30", "2026-11-28T19:45:00"),
        ("timestamp", "2026-11-28T19:45:00-05:30", "2026-11-28T19:45:00-0530"),
        ("timestamp", "2026-11-28T19:45:00Z", "2026-11-28 19:45:00Z"),
        ("timestamp", "2026-11-28T19:45:00Z", "x2026-11-28T19:45:00Z"),
        ("timestamp", "2026-11-28T19:45:00Z", "2026-11-28T19:45:00Zx"),
        *((place, "a \x80~", f"a{letter}") for place in ("version", "run.url") for letter in "\x00\n\x1f\x7f"),
    ],
)  # fmt: skip
def test_what_each_field_may_hold(place: str, right: Any, wrong: Any) -> None:
    event.parse(event.to_bytes(with_value(place, right)))
    with pytest.raises(event.BadEvent, match=r"^not as they must be: "):
        event.parse(event.to_bytes(with_value(place, wrong)))


@pytest.mark.parametrize("server", [HOST, f"{HOST}/"])
def test_the_whole_address_of_a_repository(server: str) -> None:
    """As a signed statement has it, with which it is compared."""
    read = event.parse(event.to_bytes(with_value("repository.server_url", server)))
    assert read.data.repository.url == f"{HOST}/o/r"


def test_every_field_is_needed_and_none_more_is_taken() -> None:
    def parts(value: Any) -> list[dict[str, Any]]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return [*([value] if isinstance(value, dict) else []), *(part for item in inner for part in parts(item))]

    made = with_value("version", "v1")
    for part in parts(made):
        for name in [*part]:
            value = part.pop(name)
            with pytest.raises(event.BadEvent, match=f"(^|[ .]){name}(,|$)"):
                event.parse(event.to_bytes(made))
            part[name] = value
        part["more"] = 1
        with pytest.raises(event.BadEvent, match="more"):
            event.parse(event.to_bytes(made))
        del part["more"]
    event.parse(event.to_bytes(made))


def test_at_most_ten_fields_are_named_and_none_is_quoted() -> None:
    made = document()
    made["data"] |= {f"{number:02}" + "x" * 200: "\x1b" for number in range(20)}
    with pytest.raises(event.BadEvent) as caught:
        event.parse(event.to_bytes(made))
    told = str(caught.value).removeprefix("not as they must be: ").split(", ")
    assert told == [f"data.{number:02}" + "x" * 93 for number in range(10)]


def test_a_depth_of_32_is_read() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    for body in (nested(32), b'{"b":' * 31 + b"{}" + b"}" * 31):
        with pytest.raises(event.BadEvent, match=r"not as they must be: a|b, data"):
            event.parse(body)
    for body in (nested(33), b'{"b":' * 32 + b"{}" + b"}" * 32):
        with pytest.raises(event.BadEvent, match=r"^the body is nested more than 32 levels deep$"):
            event.parse(body)


class TestWhatIsSaidOfAnIndex:
    INDEX = image_index.parse((world.KEPT / "index.json").read_bytes(), Path("index.json"))

    def revised(self, *revisions: Revision | None) -> image_index.Index:
        """The index with these revisions, an image for each."""
        entry = self.INDEX.images[0]
        images = [entry.model_copy(update={"revision": revision}) for revision in revisions]
        return self.INDEX.model_copy(update={"images": images})

    def test_one_revision_is_its_origin(self) -> None:
        one = Revision(repository="o/r", ref="refs/tags/v1", commit="c" * 40)
        other = Revision(repository="o/r", ref="refs/tags/v1", commit="d" * 40)
        origin = event.origin_of_index(self.revised(one, one), HOST)
        assert origin == event.Origin(repository=f"{HOST}/o/r", commit="c" * 40, ref="refs/tags/v1")
        assert origin.version == "v1"
        for unclear in ((one, other), (one, None), (None,)):
            origin = event.origin_of_index(self.revised(*unclear), HOST)
            assert (origin.repository, origin.commit, origin.ref, origin.version) == ("", "", "", "")

    @pytest.mark.parametrize(("ref", "version"), [("refs/tags/a/b", "a/b"), ("refs/heads/main", ""), ("", "")])
    def test_only_a_tag_is_a_version(self, ref: str, version: str) -> None:
        assert event.Origin(ref=ref).version == version

    def test_images_have_one_order(self) -> None:
        turned = self.INDEX.model_copy(update={"images": [*reversed(self.INDEX.images)]})
        told = event.images(self.INDEX)
        assert event.images(turned) == told
        assert [(image["architecture"], image["variant"]) for image in told] == sorted(
            (entry.architecture, entry.variant) for entry in self.INDEX.images
        )
        for image, entry in zip(told, sorted(self.INDEX.images, key=lambda entry: entry.architecture), strict=True):
            assert (image["source"], image["locations"]) == (entry.source.uri, sorted(entry.locations))

    @pytest.mark.parametrize("differs", ["architecture", "variant", "source"])
    def test_the_order_looks_at_all_that_differs(self, differs: str) -> None:
        entry = self.INDEX.images[0]
        names = ["projects/p/global/images/a", "projects/p/global/images/b"]
        # What counts less says the opposite.
        less = [{"variant": "b"}, {"variant": "a"}]
        changes: list[dict[str, Any]] = [{"variant": name} for name in names]
        if differs == "architecture":
            changes = [{"architecture": name, **other} for name, other in zip(names, less, strict=True)]
        if differs == "source":
            changes = [{"source": entry.source.model_copy(update={"uri": name})} for name in names]
        first, second = (entry.model_copy(update=change) for change in changes)
        for order in ([first, second], [second, first]):
            told = event.images(self.INDEX.model_copy(update={"images": order}))
            assert [image[differs] for image in told] == names


class TestStatements:
    @staticmethod
    def changed(**parts: Any) -> bytes:
        payload = json.loads(bundle.read(world.KEPT / "ours.intoto.sigstore.json", "attestation").statement)
        payload["predicate"]["buildDefinition"] |= parts
        return json.dumps(payload).encode()

    def test_without_a_workflow_the_dependency_names_the_repository(self) -> None:
        found = [{"uri": "x"}, {"uri": "git+https://f.example/o/r@refs/tags/v2", "digest": {"gitCommit": "d" * 40}}]
        given: list[dict[str, Any]] = [{}, {"workflow": None}, {"workflow": {}}]
        for parameters in given:
            payload = self.changed(externalParameters=parameters, resolvedDependencies=found)
            expected = event.Origin(repository="https://f.example/o/r", commit="d" * 40, ref="refs/tags/v2")
            assert event.origin_of_statement(payload) == expected

    def test_the_workflow_is_believed_before_the_dependency(self) -> None:
        found = [{"uri": "git+https://f.example/o/r@refs/tags/v2", "digest": {"gitCommit": "d" * 40}}]
        workflow = {"workflow": {"repository": f"{HOST}/o/x"}}
        origin = event.origin_of_statement(self.changed(externalParameters=workflow, resolvedDependencies=found))
        assert (origin.repository, origin.ref) == (f"{HOST}/o/x", "refs/tags/v2")

    def test_without_a_commit_the_workflow_names_what_it_can(self) -> None:
        workflow = {"repository": f"{HOST}/o/r", "ref": "refs/tags/v3"}
        payload = self.changed(externalParameters={"workflow": workflow}, resolvedDependencies=[])
        assert event.origin_of_statement(payload) == event.Origin(repository=f"{HOST}/o/r", ref="refs/tags/v3")
        nothing = self.changed(externalParameters={}, resolvedDependencies=[{"uri": "x"}])
        assert event.origin_of_statement(nothing) == event.Origin()

    @pytest.mark.parametrize("parts", [{"resolvedDependencies": 1}, {"externalParameters": 1}, {"resolvedDependencies": [1]}])  # fmt: skip
    def test_another_form_is_refused(self, parts: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"^a statement without what it must have$"):
            event.origin_of_statement(self.changed(**parts))

    @pytest.mark.parametrize("lacks", ["externalParameters", "resolvedDependencies"])
    def test_a_part_that_lacks_is_refused(self, lacks: str) -> None:
        payload = json.loads(self.changed())
        del payload["predicate"]["buildDefinition"][lacks]
        with pytest.raises(ValueError, match=r"^a statement without what it must have$"):
            event.origin_of_statement(json.dumps(payload).encode())

    @pytest.mark.parametrize("named", [{"name": "o/r@refs/tags/v2"}, {"uri": ""}, {}])
    def test_a_repository_without_an_address_is_refused(self, named: dict[str, str]) -> None:
        """Cloud Build's statements name none; a workflow's address is taken all the same."""
        found = [{**named, "digest": {"gitCommit": "d" * 40}}]
        with pytest.raises(ValueError, match=r"^a statement that doesn't say at which address its repository is$"):
            event.origin_of_statement(self.changed(externalParameters={}, resolvedDependencies=found))
        workflow = {"workflow": {"repository": f"{HOST}/o/r"}}
        origin = event.origin_of_statement(self.changed(externalParameters=workflow, resolvedDependencies=found))
        assert origin == event.Origin(repository=f"{HOST}/o/r", commit="d" * 40)

    def test_what_it_is_about(self) -> None:
        assert hashlib.sha256((world.KEPT / "index.json").read_bytes()).hexdigest() in event.subjects(self.changed())
        assert event.subjects(b"{}") == []


class TestFiles:
    def test_inline_or_linked(self) -> None:
        data, page = "ä".encode(), "https://f.example/o/r/releases/tag/v1"
        told = {"name": "x", "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": 2}
        assert event.file("x", data, inline=True, release_url="") == {**told, "content": "ä", "url": ""}
        url = "https://f.example/o/r/releases/download/v1/x"
        assert event.file("x", data, inline=False, release_url=page) == {**told, "content": None, "url": url}

    def test_up_to_256_kib_together_are_carried(self) -> None:
        whole = b"x" * (128 * 1024)
        assert event.fits([whole, whole])
        assert not event.fits([whole, whole, b"x"])
        assert event.fits([b"\xff"]) is False


class TestBytes:
    def test_they_are_canonical(self) -> None:
        assert event.to_bytes({"b": [1, 2], "a": "ä"}) == '{"a":"ä","b":[1,2]}'.encode()

    def test_each_part_of_the_id_counts_by_itself(self) -> None:
        def named(**parts: str) -> str:
            given = {"type": "t", "server": "s", "name": "n", "version": "v", "digest": "d", **parts}
            data = {"repository": {"server_url": given["server"], "name": given["name"]}, "version": given["version"]}
            return event.delivery_id({"type": given["type"], "data": {**data, "index": {"digest": given["digest"]}}})

        ids = [named(), *(named(**{part: "x"}) for part in ("type", "server", "name", "version", "digest"))]
        ids += [named(server="ab", name="c"), named(server="a", name="bc")]
        assert len({*ids}) == len(ids)
        assert all(re.fullmatch(r"msg_[a-z2-7]{26}", each) for each in ids)


def test_the_schema_names_itself() -> None:
    made = event.schema()
    assert made == TestSchema.SCHEMA.schema
    assert made["title"] == f"The webhook {document()['type']}"
    assert made["$id"].endswith("/event.schema.json")
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
