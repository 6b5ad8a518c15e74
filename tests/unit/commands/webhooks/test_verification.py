"""What is wrong with announced files themselves; when images that can't be read are looked at again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.webhooks import event
from replicator.commands.webhooks.receiver import verification
from replicator.commands.webhooks.receiver.verification import (
    Failed,
    amends,
    compare,
    may_amend,
    unreachable,
    verified,
)
from replicator.core.errors import ReplicaError, ReplicatorError
from replicator.index import image_index
from replicator.index.errors import TRUST_UNUSABLE
from replicator.replicas.audit import Finding, State
from testkit.webhooks.signed import event_about, index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.webhooks.receiver.tables import Settled
    from replicator.compute.retry import Calls
    from replicator.index.image_index import Index
    from replicator.replicas.audit import Seen

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


def test_a_message_is_one_line_and_no_page() -> None:
    failed = Failed("statement", "A\n::b." + "x" * 5000)
    assert (failed.reason, len(failed.message), "\n" in failed.message) == ("statement", 1000, False)


def parsed(document: dict[str, Any]) -> Index:
    return image_index.parse(image_index.to_bytes(document), Path("index.json"))


class TestImages:
    """What is made of the findings of an audit."""

    @staticmethod
    def compared(
        monkeypatch: pytest.MonkeyPatch, *states: State, tries: int = 1, error: Exception | None = None
    ) -> Settled | None:
        asked = []

        async def findings(index: Index, endpoint: str, env: Mapping[str, str]) -> list[Finding]:
            asked.append((endpoint, env))
            if error:
                raise error
            places = ("us", "eu", "asia", *(f"region-{number}" for number in range(100)))
            return [
                Finding(location=place, architecture="ARM64", uri="", state=state)
                for place, state in zip(places, states, strict=False)
            ]

        monkeypatch.setattr(verification, "_findings", findings)
        result = compare(parsed(index()), "https://compute.example", {"A": "b"}, tries, NOW)
        assert asked == [("https://compute.example", {"A": "b"})]
        return result

    def test_all_are_right(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.compared(monkeypatch, State.CORRECT, State.CORRECT) is None
        assert self.compared(monkeypatch) is None

    @pytest.mark.parametrize(
        ("states", "reason", "message"),
        [
            ((State.CORRECT, State.MISSING), "missing", "eu missing"),
            ((State.MISSING, State.CORRECT, State.MISSING), "missing", "us missing; asia missing"),
            ((State.MISSING, State.DRIFTED), "drifted", "us missing; eu drifted"),
            ((State.DRIFTED, State.UNREACHABLE), "drifted", "us drifted; eu unreachable"),
            ((State.UNREACHABLE, State.MISSING), "drifted", "us unreachable; eu missing"),
            ((State.UNPROVEN,), "drifted", "us unproven"),
        ],
    )
    def test_one_is_wrong(
        self, states: tuple[State, ...], reason: str, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for tries in (1, 9):
            found = self.compared(monkeypatch, *states, tries=tries)
            assert found
            assert (found.status, found.reason, found.message, found.due) == ("failed", reason, message, 0.0)

    def test_a_message_is_no_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.compared(monkeypatch, *[State.MISSING] * 100)
        assert found
        assert len(found.message) == 1000

    def test_how_long_all_of_them_may_take(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []

        async def check(calls: Calls, _index: Index) -> list[Seen]:
            seen.append((calls.deadline - asyncio.get_running_loop().time(), calls.within))
            return []

        monkeypatch.setattr("replicator.replicas.audit.check", check)
        env = {"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
        assert compare(parsed(index()), "http://127.0.0.1:1", env, 1, NOW) is None
        ((left, within),) = seen
        assert (290 < left <= 300, within) == (True, "the minutes of a verification")

    def test_what_can_not_be_read_is_read_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.compared(monkeypatch, State.CORRECT, State.UNREACHABLE, tries=2)
        assert found == unreachable("eu unreachable", 2, NOW)

    @pytest.mark.parametrize(
        "error", [ReplicatorError(TRUST_UNUSABLE, "No answer."), ReplicaError("No answer.")], ids=type
    )
    def test_so_it_is_where_nothing_can_be_asked(self, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.compared(monkeypatch, tries=3, error=error) == unreachable("No answer.", 3, NOW)


class TestAmends:
    """Whether a later index only adds to one that was announced before."""

    @staticmethod
    def both(before: dict[str, Any], later: dict[str, Any]) -> bool:
        earlier = event.to_bytes(event_about(before))
        answer = amends(earlier, parsed(later))
        # Before anything is verified it is only a guess, and the same one.
        assert may_amend(earlier, event.parse(event.to_bytes(event_about(later)))) is answer
        return answer

    def test_the_same_and_more(self) -> None:
        assert self.both(index(2), index(2))
        assert self.both(index(1), index(3))
        turned = {**index(3), "images": index(3)["images"][::-1]}
        assert self.both(index(2), turned)

    @pytest.mark.parametrize("at", [0, 1])
    def test_less(self, at: int) -> None:
        assert self.both(index(3), index(2)) is False
        one = [index(3)["images"][at]]
        assert self.both(index(3), {**index(3), "images": one}) is False
        # An architecture more is another release, too.
        assert self.both({**index(3), "images": one}, index(3)) is False

    @pytest.mark.parametrize("at", [0, 1])
    def test_other_images(self, at: int) -> None:
        source, replica, variant = index(3), index(3), index(3)
        source["images"][at]["source"]["id"] = "99"
        replica["images"][at]["locations"]["asia"]["id"] = "99"
        variant["images"][at]["variant"] = "gpu"
        assert self.both(index(3), source) is False
        assert self.both(index(3), replica) is False
        assert self.both(index(3), variant) is False

    def test_two_variants_of_one_architecture(self) -> None:
        def release(count: int) -> dict[str, Any]:
            document = index(count)
            document["images"] += [index(count)["images"][0] | {"variant": "gpu"}]
            document["images"][-1]["source"] |= {"name": "gpu", "id": "77", "uri": "projects/p1/global/images/gpu"}
            return document

        assert self.both(release(2), release(3))

    @pytest.mark.parametrize("content", ["", "[]", None])
    def test_what_is_no_index_is_worth_verifying_which_says_so(self, content: str | None) -> None:
        document = event_about(index())
        document["data"]["index"]["content"] = content
        assert may_amend(event.to_bytes(event_about(index())), event.parse(event.to_bytes(document)))
