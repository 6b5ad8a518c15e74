"""The gate of the release action: server first, then event, then tag."""

from __future__ import annotations

import pytest

from replicator.bootstrap.decide import WrongInput
from replicator.commands.release.gate import from_env

RIGHT = {
    "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/tags/boot-v7",
    "INPUT_SKIP_SERVER_URLS": "https://codeberg.org",
}


@pytest.mark.parametrize(
    "server",
    [
        "https://codeberg.org",
        "https://codeberg.org/",
        "https://codeberg.org//",
        "https://Codeberg.org",
        "https://CODEBERG.ORG/",
        "HTTPS://codeberg.org",
        "https://codeberg.org:443",
        "https://codeberg.org:443/",
        "https://codeberg.org.",
        "https://codeberg.org./",
        "https://codeberg.org.:443",
        "https://codeberg.org:",
        " https://codeberg.org ",
    ],
)
def test_a_mirror_is_skipped_however_it_is_written(server: str) -> None:
    decision = from_env({**RIGHT, "GITHUB_SERVER_URL": server})
    assert not decision.replicate
    assert decision.more == {"skipped_reason": "server"}


@pytest.mark.parametrize(
    "server",
    [
        "https://codeberg.org.evil.example",
        "http://codeberg.org:8080",
        "http://codeberg.org",
        "https://codeberg.org:8443",
        "https://evilcodeberg.org",
        "https://codeberg.org/git",
        "https://codeberg.org@evil.example",
        "https://www.codeberg.org",
    ],
)
def test_what_only_looks_like_a_mirror_is_not(server: str) -> None:
    assert from_env({**RIGHT, "GITHUB_SERVER_URL": server}).replicate


def test_a_host_of_digits_is_no_port() -> None:
    """An address may be written as one number."""
    listed = {**RIGHT, "INPUT_SKIP_SERVER_URLS": "https://443"}
    assert from_env({**listed, "GITHUB_SERVER_URL": "https://443."}).more == {"skipped_reason": "server"}
    assert from_env({**listed, "GITHUB_SERVER_URL": "https://80"}).replicate


@pytest.mark.parametrize(
    ("event", "ref", "inputs", "reason"),
    [
        ("push", "refs/tags/boot-v7", {}, None),
        ("push", "refs/tags/v1.0.0", {}, None),
        ("push", "refs/tags/nightly", {}, "tag"),
        ("push", "refs/heads/main", {}, "event"),
        ("create", "refs/tags/nightly", {}, "event"),
        ("push", "refs/tags/boot-v7", {"INPUT_DISTRIBUTE": "false"}, "distribute"),
        ("workflow_dispatch", "refs/heads/main", {"INPUT_RELEASE_TAG": "boot-v7"}, None),
        ("workflow_dispatch", "refs/tags/boot-v7", {}, None),
        ("workflow_dispatch", "refs/heads/main", {"INPUT_RELEASE_TAG": "x", "INPUT_DISTRIBUTE": "false"}, "distribute"),
        ("schedule", "refs/heads/main", {}, "event"),
        ("pull_request", "refs/pull/7/merge", {"INPUT_RELEASE_TAG": "boot-v7"}, "event"),
        (
            "pull_request_target",
            "refs/heads/main",
            {"INPUT_RELEASE_TAG": "boot-v7", "INPUT_DISTRIBUTE": "true"},
            "event",
        ),
        ("workflow_run", "refs/heads/main", {"INPUT_RELEASE_TAG": "boot-v7"}, "event"),
    ],
)
def test_events(event: str, ref: str, inputs: dict[str, str], reason: str | None) -> None:
    decision = from_env({**RIGHT, "GITHUB_EVENT_NAME": event, "GITHUB_REF": ref, **inputs})
    assert decision.replicate is (reason is None)
    assert decision.more.get("skipped_reason") == reason


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_REF": "refs/heads/main"}, "release_tag"),
        ({"GITHUB_REF": "refs/heads/main", "INPUT_DISTRIBUTE": "true"}, "release_tag"),
        ({"GITHUB_SERVER_URL": ""}, "server_url"),
        ({"INPUT_DISTRIBUTE": "maybe"}, "distribute"),
    ],
)
def test_what_is_refused(change: dict[str, str], named: str) -> None:
    with pytest.raises(WrongInput) as caught:
        from_env({**RIGHT, **change})
    assert [name for name, _ in caught.value.problems] == [named]


@pytest.mark.parametrize("listed", ["https://a.example, http://mirror.example,https://[::1]:3000", "https://[::1]:3000  https://a.example http://mirror.example/"])  # fmt: skip
def test_several_mirrors(listed: str) -> None:
    """By commas or blanks; each scheme has a port of its own that may be left out."""
    for server, skipped in (
        ("https://a.example", True),
        ("http://mirror.example:80", True),
        ("http://mirror.example:443", False),
        ("https://a.example:80", False),
        ("https://b.example", False),
        ("https://A.example.:443/", True),
        ("https://[::1]:3000", True),
        ("https://[::1].:3000", True),
        ("https://[::1]", False),
    ):
        decision = from_env({**RIGHT, "INPUT_SKIP_SERVER_URLS": listed, "GITHUB_SERVER_URL": server})
        assert decision.replicate is not skipped, server
        if server in {"http://mirror.example:80", "https://[::1]:3000"}:
            named = server.removesuffix(":80")
            assert decision.reason == f"the server {named} is in skip_server_urls"


def test_what_is_no_address_is_compared_as_it_is() -> None:
    for server, skipped in (("codeberg.org", True), ("git.example", False)):
        given = {"GITHUB_SERVER_URL": server, "INPUT_SKIP_SERVER_URLS": "codeberg.org"}
        assert from_env({**RIGHT, **given}).replicate is not skipped


def test_without_a_list_no_server_is_skipped() -> None:
    assert from_env({name: text for name, text in RIGHT.items() if name != "INPUT_SKIP_SERVER_URLS"}).replicate


@pytest.mark.parametrize(("ref", "taken"), [("refs/tags/nightly-1", True), ("refs/tags/boot-v7", False)])
def test_ones_own_tag_pattern(ref: str, taken: bool) -> None:
    assert from_env({**RIGHT, "GITHUB_REF": ref, "INPUT_TAG_PATTERN": "nightly-*"}).replicate is taken


BRANCH = {"GITHUB_REF": "refs/heads/main"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"GITHUB_SERVER_URL": None}, "is needed: GITHUB_SERVER_URL is empty, so nobody can tell whether this server is one to skip"),
        ({**BRANCH, "INPUT_DISTRIBUTE": "true"}, "is needed on push of a branch: name the tag to release"),
        ({**BRANCH, "GITHUB_EVENT_NAME": "workflow_dispatch"}, "is needed on a dispatch from a branch: name the tag to release, or dispatch on a tag"),
    ],
)  # fmt: skip
def test_what_is_said_of_what_is_missing(change: dict[str, str | None], told: str) -> None:
    env = {name: text for name, text in {**RIGHT, **change}.items() if text is not None}
    with pytest.raises(WrongInput) as caught:
        from_env(env)
    assert [text for _, text in caught.value.problems] == [told]


def test_a_dispatch_that_names_a_tag_says_so() -> None:
    named = {**RIGHT, **BRANCH, "GITHUB_EVENT_NAME": "workflow_dispatch", "INPUT_RELEASE_TAG": " v1 "}
    assert from_env(named).reason == "the dispatch names a tag"
