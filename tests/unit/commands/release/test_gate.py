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


@pytest.mark.parametrize(
    ("event", "ref", "inputs", "reason"),
    [
        ("push", "refs/tags/boot-v7", {}, None),
        ("push", "refs/tags/v1.0.0", {}, None),
        ("push", "refs/tags/nightly", {}, "tag"),
        ("push", "refs/heads/main", {}, "event"),
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
