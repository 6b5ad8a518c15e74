"""What is wrong with announced files themselves; when images that can't be read are looked at again."""

from __future__ import annotations

from typing import Any

import pytest

from replicator.commands.webhooks import event
from replicator.commands.webhooks.receiver.verification import Failed, unreachable, verified
from testkit.webhooks.signed import event_about, index

NOW = 1_800_000_000.0


def test_it_is_tried_again_after_ever_longer_pauses() -> None:
    """For over an hour, as docs/receiver.md says: after 1, 5, 15 and 60 minutes."""
    waiting = [unreachable("No answer.", tries, NOW) for tries in (1, 2, 3, 4)]
    assert [(each.due - NOW) / 60 for each in waiting] == [1, 5, 15, 60]
    assert {(each.status, each.reason, each.message) for each in waiting} == {
        ("verifying", "unreachable", "No answer.")
    }


def test_then_it_has_failed() -> None:
    given_up = unreachable("No\n::answer.", 5, NOW)
    assert (given_up.status, given_up.reason, given_up.due) == ("failed", "unreachable", 0.0)
    assert "\n" not in given_up.message
    assert len(unreachable("x" * 5000, 5, NOW).message) == 1000


HOOK: Any = None
"""What is wrong with the files themselves is told before any of its settings is looked at."""


def refused(name: str, **other: Any) -> str:
    """The message, of an event one of whose files is another."""
    document = event_about(index())
    document["data"][name] |= other
    with pytest.raises(Failed) as caught:
        verified(event.parse(event.to_bytes(document)), HOOK, {})
    assert caught.value.reason == "digest"
    return caught.value.message


@pytest.mark.parametrize("name", ["index", "bundle", "attestation"])
def test_files_are_those_whose_digest_and_size_are_named(name: str) -> None:
    size = event_about(index())["data"][name]["size"]
    assert refused(name, size=size + 1) == refused(name, digest=f"sha256:{'0' * 64}")
    assert refused(name, size=size + 1) == f"{name} isn't what its digest and size say"
    assert "announce with content: auto" in refused(name, content=None, url="https://forge.example/file")
