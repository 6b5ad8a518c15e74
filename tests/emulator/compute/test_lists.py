"""Filters, order and pages."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.compute.lists.filters import parse
from emulator.core.api_errors import ApiError

if TYPE_CHECKING:
    from testkit.client import Client

FIELDS = frozenset({"name", "family", "labels", "diskSizeGb", "deprecated", "storageLocations", "guestOsFeatures"})
WEB = {
    "name": "web-1",
    "family": "web",
    "diskSizeGb": "20",
    "labels": {"env": "prod", "goog.x": "y"},
    "deprecated": {"state": "DEPRECATED"},
    "storageLocations": ["eu"],
    "guestOsFeatures": [{"type": "GVNIC"}, {"type": "UEFI_COMPATIBLE"}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  ", True),
        ("name = web-1", True),
        ("name=web-1", True),
        ('name = "web-1"', True),
        ("name = 'web-1'", True),
        ("name = web", False),
        ("name = WEB-1", False),
        ("name = web-*", True),
        ("name = *-2", False),
        ("name != web-1", False),
        ("name != web-2", True),
        ("name : web", True),
        ("name:WEB*", True),
        ("name:db", False),
        ("labels.env = prod", True),
        ("labels.env:*", True),
        ("labels.none:*", False),
        ("labels.goog.x = y", True),
        ("labels:env", True),
        ("deprecated.state = DEPRECATED", True),
        ("deprecated:*", True),
        ("storageLocations:eu", True),
        ("storageLocations = us", False),
        ("guestOsFeatures.type = GVNIC", True),
        ("diskSizeGb > 9", True),
        ("diskSizeGb >= 20", True),
        ("diskSizeGb < 20", False),
        ("diskSizeGb <= 3", False),
        ("name = web-1 AND family = web", True),
        ("name = web-1 family = web", True),
        ("(name = web-1) (family = db)", False),
        ("(name = db) OR (family = web)", True),
        ("name = db OR family = web AND diskSizeGb = 1", False),
        ("diskSizeGb = 1 AND name = db OR family = web", False),
        ("diskSizeGb = 20 AND name = db OR family = web", True),
        ("NOT name = db", True),
        ("-name = db", True),
        ("NOT (name = web-1 OR name = db)", False),
        ("((name = web-1))", True),
        ("family eq web", True),
        ("family eq we", False),
        ("family ne we", True),
        ("family eq w.*", True),
        ("family eq (web|db)", True),
        (r'family eq ".*\bweb\b.*"', True),
        (r'(family eq ".*\bweb\b.*") (name eq "db")', False),
        ("(family eq w.b) (name ne (db|x))", True),
        ("(family eq 'web')", True),
    ],
)
def test_filters(text: str, expected: bool) -> None:
    assert parse(text, FIELDS)(WEB) is expected


@pytest.mark.parametrize(
    "text",
    [
        "name", "name =", "= x", "name == x", "unknown = x", "(name = x", "name = x)", "name = x AND", "OR name = x",
        "name eq (", "name eq [", 'family eq "x" AND name = y', '(family eq "x") (name = y)', "()", "NOT", 'name = "x',
        "(" * 1000 + "name = x" + ")" * 1000, "NOT " * 1000 + "name = x", "name = x ; name = y",
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(text, FIELDS)
    assert (caught.value.code, caught.value.reason) == (400, "invalid")


@given(st.text(alphabet="nameNOTANDORfamily eq=!:<>()\"'\\*-. 1", max_size=60))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    with contextlib.suppress(ApiError):
        assert parse(text, FIELDS)(WEB) in {True, False}


words = st.text(alphabet="abcxyz-019", min_size=1, max_size=12).filter(lambda text: not text.startswith("-"))
restrictions = st.tuples(st.sampled_from(["name", "family"]), st.sampled_from(["=", "!="]), words)


@given(st.lists(st.lists(restrictions, min_size=1, max_size=3), min_size=1, max_size=3), words, words)
def test_and_of_ors_means_what_it_says(clauses: list[list[tuple[str, str, str]]], name: str, family: str) -> None:
    resource = {"name": name, "family": family}
    text = " AND ".join(" OR ".join(f"{field} {op} {value}" for field, op, value in clause) for clause in clauses)
    expected = all(any((resource[field] == value) == (op == "=") for field, op, value in clause) for clause in clauses)
    assert parse(text, FIELDS)(resource) is expected
    assert parse(f"NOT ({text})", FIELDS)(resource) is not expected


def names(body: Any) -> list[str]:
    return [image["name"] for image in body.get("items", [])]


def test_lists_are_by_name_or_newest_first(still: Client) -> None:
    for name in ("b", "a", "c"):
        still.insert(name)
    assert names(still.get("/images").json) == ["a", "b", "c", "web"]
    assert names(still.get("/images", orderBy="name").json) == ["a", "b", "c", "web"]
    assert names(still.get("/images", orderBy="creationTimestamp desc").json) == ["c", "a", "b", "web"]
    assert still.get("/images", orderBy="creationTimestamp").reason == "invalid"


@pytest.mark.parametrize("order", ["name", "creationTimestamp desc"])
def test_pages_hold_everything_once(still: Client, order: str) -> None:
    for number in (3, 1, 2, 0):
        still.emulator.add_image(project="p1", name=f"image-{number}")
    whole = names(still.get("/images", orderBy=order).json)
    query: dict[str, object] = {"orderBy": order, "maxResults": 2, "pageToken": ""}
    pages = []
    while True:
        page = still.get("/images", **query).json
        pages.append(names(page))
        if "nextPageToken" not in page:
            break
        query["pageToken"] = page["nextPageToken"]
        # What comes in between neither hides nor repeats others.
        still.emulator.add_image(project="p1", name=f"{'a' if order == 'name' else 'z'}-{len(pages)}")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [name for page in pages for name in page] == whole


def test_wrong_pages_are_refused(still: Client) -> None:
    token = still.get("/images", maxResults=1)
    assert "nextPageToken" not in token.json
    still.emulator.add_image(project="p1", name="a")
    token = still.get("/images", maxResults=1).json["nextPageToken"]
    assert still.get("/images", pageToken=token, orderBy="creationTimestamp desc").reason == "invalid"
    for query in (
        {"pageToken": "x"},
        {"pageToken": "e30="},
        {"pageToken": "é"},
        {"maxResults": 501},
        {"maxResults": -1},
    ):
        assert still.get("/images", **query).reason == "invalid"
    assert still.get("/images", filter="nothing here").reason == "invalid"


def test_an_empty_list_has_no_items(still: Client) -> None:
    body = still.send("GET", "/compute/v1/projects/empty/global/images").json
    assert "items" not in body
    assert body["kind"] == "compute#imageList"
    assert len(still.get("/images", maxResults=0).json["items"]) == 1
