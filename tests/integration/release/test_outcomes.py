"""What a run says became of each asset: only what the release holds, as it was read back, and never what was meant."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testkit.forges.caller import FILES, Caller
from testkit.forges.front import Front, Request, Response, as_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.forges.github import GitHub

UPLOADED, FAILED = "boot.iso", "initrd.zst"
#: In the order in which they are uploaded; the last ones are never tried.
EXPECTED = {UPLOADED: "uploaded", FAILED: "failed", "vmlinuz-x86_64": "failed", "SHA256SUMS": "failed"}
assert {*EXPECTED} == {*FILES, "SHA256SUMS"}


def refused(_github: GitHub, _request: Request) -> Response:
    return as_json(422, {"message": "no such type", "errors": []})


def forgotten(github: GitHub, request: Request) -> Response:
    """Acknowledged, and not stored."""
    answer = github(request)
    for held in github.releases.values():
        for number in [number for number, asset in held.assets.items() if asset["name"] == FAILED]:
            del held.assets[number]
    return answer


def altered(github: GitHub, request: Request) -> Response:
    """Acknowledged, and stored with one bit changed."""
    return github(replace(request, body=bytes([request.body[0] ^ 1]) + request.body[1:]))


def unclear(github: GitHub, _request: Request) -> Response:
    return as_json(502, {"message": "no answer"})


@pytest.mark.parametrize("forge", [refused, forgotten, altered, unclear])
@pytest.mark.parametrize("digests", [True, False])
def test_an_upload_that_is_not_there_is_not_counted(
    forge: Callable[[GitHub, Request], Response], digests: bool, github: GitHub, server: Front, tmp_path: Path
) -> None:
    """Whatever the forge answered to it; and the release stays invisible."""
    github.digests = digests

    def backend(request: Request) -> Response:
        uploads = request.method == "POST" and f"name={FAILED}" in request.target
        return forge(github, request) if uploads else github(request)

    server.backend = backend
    left = Caller(tmp_path, server.url)()
    assert (left.exit_code == 0, left.result) == (False, "failed"), left.log
    assert left.outcomes == EXPECTED
    assert all(held.fields["draft"] for held in github.releases.values())
    rows = {name: line for line in html.unescape(left.summary).splitlines() for name in EXPECTED if f">{name}<" in line}
    assert {name: line.split("|")[-2].strip() for name, line in rows.items()} == EXPECTED


def test_a_dry_run_uploads_nothing_and_says_so(server: Front, tmp_path: Path) -> None:
    left = Caller(tmp_path, server.url)(dry_run="true")
    assert set(left.outcomes.values()) == {"planned"}


def test_what_is_there_already_is_kept(github: GitHub, server: Front, tmp_path: Path) -> None:
    held = github.add("boot-v7")
    github.add_asset(held, UPLOADED, FILES[UPLOADED])
    caller = Caller(tmp_path, server.url)
    assert caller().outcomes == {**dict.fromkeys(EXPECTED, "uploaded"), UPLOADED: "kept"}
    assert set(caller().outcomes.values()) == {"kept"}


def test_what_is_gone_when_it_is_read_back_is_not_counted(github: GitHub, server: Front, tmp_path: Path) -> None:
    """All was there, and published; a moment later somebody has deleted one of them."""

    def backend(request: Request) -> Response:
        return forgotten(github, request) if request.method == "PATCH" else github(request)

    server.backend = backend
    left = Caller(tmp_path, server.url)()
    assert (left.exit_code, left.result, left.why) == (1, "failed", "release_differs"), left.log
    assert left.outcomes == {**dict.fromkeys(EXPECTED, "uploaded"), FAILED: "failed"}


@pytest.mark.parametrize(("spoiled", "code", "why"), [("tag", 1, "tag_elsewhere"), ("draft", 3, "not_verified")])
def test_a_release_that_is_changed_in_place_is_read_back_whole(
    spoiled: str, code: int, why: str, github: GitHub, server: Front, tmp_path: Path
) -> None:
    """Its last step reads the assets alone: what somebody did to the tag or the release meanwhile is seen after it."""
    caller = Caller(tmp_path, server.url)
    assert caller().result == "published"
    (tmp_path / "out" / UPLOADED).write_bytes(b"another build")
    (held,) = github.releases.values()

    def backend(request: Request) -> Response:
        answer = github(request)
        if request.method == "PATCH" and b"SHA256SUMS" in request.body:
            if spoiled == "tag":
                github.tags["boot-v7"] = "b" * 40
            else:
                held.fields["draft"] = True
        return answer

    server.backend = backend
    left = caller(replace="always", publish="false")
    assert (left.exit_code, left.result, left.why) == (code, "failed", why), left.log
    said = {"tag": f"is at commit {'b' * 40}, not at", "draft": "Read back, the release is a draft again"}
    assert said[spoiled] in left.log
