"""Routes and checks against the discovery document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from emulator.compute.discovery import DOCUMENT
from emulator.compute.discovery.reduce import KEPT
from emulator.compute.service import Compute
from emulator.core.discovery import reduce as reducer
from emulator.core.discovery.document import Api

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.client import Client

API = Api(DOCUMENT)


def test_the_reduced_document_is_what_the_script_makes() -> None:
    whole = reducer.installed(DOCUMENT.name)
    kept = json.loads(DOCUMENT.read_text("utf-8"))
    if whole["revision"] != kept["revision"]:
        pytest.skip(f"google-api-python-client brings revision {whole['revision']}, kept is {kept['revision']}")
    assert DOCUMENT.read_text("utf-8") == reducer.text(reducer.reduce(whole, KEPT))


def test_every_kept_method_has_a_handler() -> None:
    assert set(Compute.handlers) == KEPT == {method.id for method in API.methods.values() if method.emulated}


def test_an_unknown_keyword_of_the_document_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(DOCUMENT.read_text("utf-8"))
    document["schemas"]["Image"]["properties"]["family"]["maxLength"] = 63
    (tmp_path / "compute.v1.json").write_text(json.dumps(document), "utf-8")
    (tmp_path / "corrections.yaml").write_text((DOCUMENT.with_name("corrections.yaml")).read_text("utf-8"), "utf-8")
    with pytest.raises(ValueError, match="maxLength"):
        Api(tmp_path / "compute.v1.json")


@pytest.mark.parametrize(
    ("verb", "path", "method", "target"),
    [
        ("GET", "projects/p/global/images", "compute.images.list", "projects/p/global/images"),
        ("POST", "projects/p/global/images", "compute.images.insert", "projects/p/global/images"),
        ("GET", "projects/p/global/images/family", "compute.images.get", "projects/p/global/images/family"),
        (
            "GET",
            "projects/p/global/images/family/f",
            "compute.images.getFromFamily",
            "projects/p/global/images/family/f",
        ),
        (
            "POST",
            "projects/p/global/images/family/setLabels",
            "compute.images.setLabels",
            "projects/p/global/images/family",
        ),
        ("GET", "projects/p/global/images/i/getIamPolicy", "compute.images.getIamPolicy", "projects/p/global/images/i"),
        (
            "POST",
            "projects/p/global/operations/o/wait",
            "compute.globalOperations.wait",
            "projects/p/global/operations/o",
        ),
        ("GET", "projects/a.b%3Ap/global/images/i", "compute.images.get", "projects/a.b:p/global/images/i"),
        ("GET", "projects/p/zones/z/instances/i", "compute.instances.get", "projects/p/zones/z/instances/i"),
        ("GET", "projects/p", "compute.projects.get", "projects/p"),
    ],
)
def test_routes(verb: str, path: str, method: str, target: str) -> None:
    route = API.route(verb, f"/compute/v1/{path}")
    assert route is not None
    assert (route.method.id, route.target) == (method, target)


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/compute/v1/projects/p/global/nothing"),
        ("PUT", "/compute/v1/projects/p/global/images/i"),
        ("GET", "/compute/v1/projects/p/global/images/i/setLabels"),
        ("GET", "/compute/v1/projects/p/global/images/"),
        ("GET", "/compute/v1/projects//global/images"),
        ("GET", "/compute/v1/projects/p%2Fglobal/images"),
        ("GET", "/compute/beta/projects/p/global/images"),
        ("GET", "/projects/p/global/images"),
        ("GET", "//compute/v1/projects/p/global/images"),
        ("GET", "http://x/compute/v1/projects/p/global/images"),
        ("GET", "/"),
        ("GET", ""),
        ("GET", "*"),
    ],
)
def test_what_the_document_lacks(verb: str, path: str) -> None:
    assert API.route(verb, path) is None


def test_missing_methods_are_404_and_unsupported_ones_501(still: Client) -> None:
    missing = still.get("/nothing")
    assert (missing.status, missing.reason) == (404, "notFound")
    unsupported = still.get("/snapshots")
    assert (unsupported.status, unsupported.reason) == (501, "notImplemented")
    first, second = still.emulator.journal()
    assert (first["method"], first["target"], first["unsupported"]) == ("", "", False)
    assert (second["method"], second["unsupported"]) == ("compute.snapshots.list", True)


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("bla=1", 400, "invalidParameter"),
        ("image=x", 400, "invalidParameter"),
        ("maxResults=1&maxResults=2", 400, "invalidParameter"),
        ("maxResults=many", 400, "invalid"),
        ("maxResults=4294967296", 400, "invalid"),
        ("returnPartialSuccess=maybe", 400, "invalid"),
        ("alt=xml", 400, "invalid"),
        ("alt=media", 501, "notImplemented"),
        ("fields=items", 501, "notImplemented"),
        ("callback=f", 501, "notImplemented"),
    ],
)
def test_parameters_that_are_refused(still: Client, query: str, status: int, reason: str) -> None:
    answer = still.get(f"/images?{query}")
    assert (answer.status, answer.reason) == (status, reason)


@pytest.mark.parametrize(
    "query",
    ["alt=json", "$alt=json", "%24alt=json;enum-encoding=int", "alt=json%3Benum-encoding%3Dint", "prettyPrint=true",
     "prettyPrint=false&quotaUser=me&key=secret&access_token=secret", "$.xgafv=2", "returnPartialSuccess=True", "fields="],
)  # fmt: skip
def test_parameters_that_any_method_takes(still: Client, query: str) -> None:
    assert still.get(f"/images/web?{query}").status == (400 if "returnPartial" in query else 200)
    assert still.get(f"/images?{query}").status == 200
    assert not {"key", "access_token"} & still.emulator.journal()[-1]["query"].keys()


def test_path_parameters_are_checked_with_the_real_wording(still: Client) -> None:
    answer = still.get("/images/Web")
    assert answer.reason == "invalid"
    assert answer.message.startswith("Invalid value for field 'image': 'Web'. Must be a match of regex '[a-z]")
    assert still.send("GET", "/compute/v1/projects/P_1/global/images").reason == "invalid"


@pytest.mark.parametrize(
    ("body", "reason", "text"),
    [
        (None, "required", "Required field 'resource' not specified"),
        (b"{", "parseError", "Parse Error"),
        (b"\xff", "parseError", "Parse Error"),
        (b'{"name": NaN}', "parseError", "Parse Error"),
        (b"[" * 100_000, "parseError", "Parse Error"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "parseError", "Parse Error"),
        ([], "invalid", "an object is expected"),
        ({"name": 1}, "invalid", "resource.name"),
        ({"nme": "x"}, "invalid", 'Unknown name "nme"'),
        ({"rawDisk": {"url": "x"}}, "invalid", "resource.rawDisk"),
        ({"storageLocations": "us"}, "invalid", "array"),
        ({"labels": {"a": 1}}, "invalid", "resource.labels.a"),
        ({"labels": {"a": None}}, "required", "resource.name"),
        ({"diskSizeGb": "ten"}, "invalid", "int64"),
        ({"diskSizeGb": "9223372036854775808"}, "invalid", "int64"),
        ({"labelFingerprint": "***"}, "invalid", "byte"),
        ({"architecture": "SPARC"}, "invalid", "X86_64"),
        ({"id": "1"}, "invalid", "output only"),
    ],
)
def test_bodies_that_are_refused(still: Client, body: Any, reason: str, text: str) -> None:
    answer = still.post("/images", body)
    assert (answer.status, answer.reason) == (400, reason)
    assert text in answer.message


def test_all_problems_of_a_body_are_named(still: Client) -> None:
    answer = still.post("/images", {"name": "X", "status": "READY", "what": 1})
    assert len(answer.json["error"]["errors"]) == 3


def test_nulls_stand_for_fields_left_out(still: Client) -> None:
    nulls: dict[str, Any] = {"labels": {"a": None}, "guestOsFeatures": [{"type": None}], "family": None, "status": None}
    assert still.insert("copy", **nulls).status == 200
    assert "labels" not in still.get("/images/copy").json


def test_text_that_is_no_unicode_comes_back_as_it_went(still: Client) -> None:
    body = b'{"name": "copy", "sourceImage": "global/images/web", "description": "\\ud800 \\u0000"}'
    assert still.post("/images", body).status == 200
    assert still.get("/images/copy").json["description"] == "\ud800 \0"


def test_answers_of_our_own_are_checked() -> None:
    get = API.methods["compute.images.get"]
    assert API.check_answer(get, {"name": "x", "diskSizeGb": "10", "status": "READY"}) == []
    wrongs: list[Any] = [{"diskSizeGb": 10}, {"what": 1}, {"status": "OK"}, {"family": None}, [], {"id": "-1"}]
    for wrong in wrongs:
        assert API.check_answer(get, wrong)


def test_an_answer_against_the_document_is_a_defect(
    still: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("emulator.compute.creation.DEFAULT_LOCATION", 1)
    still.wait(still.insert("new", "", sourceDisk="zones/z/disks/d"))
    answer = still.get("/images/new")
    assert (answer.status, answer.reason) == (500, "internalError")
    assert "storageLocations" in caplog.text
