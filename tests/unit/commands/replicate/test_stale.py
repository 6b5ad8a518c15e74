"""How often a change is repeated that others forestalled, and what is said when they never stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from replicator.commands.replicate.stale import until_fresh
from replicator.compute.refusals import Refusal
from replicator.core import errors
from replicator.core.images import ImageRef

IMAGE = ImageRef("p1", "web-1-eu")


class Changing:
    """An image that others change right before ours, so many times; or our change is refused otherwise."""

    def __init__(self, times: float, *, status: int = 412) -> None:
        self.left, self.status = times, status
        self.did: list[str] = []

    async def act(self) -> None:
        self.did.append("act")
        if self.left:
            self.left -= 1
            raise Refusal("compute.images.setLabels", status=self.status, message="Labels fingerprint is invalid")

    async def reread(self) -> None:
        self.did.append("read")

    async def pause(self, seconds: float, **told: Any) -> None:
        assert told == {"where": "eu", "because": "Someone changed the image meanwhile."}
        self.did.append(f"wait {seconds:g}")

    def settle(self) -> list[str]:
        asyncio.run(until_fresh(self, IMAGE, self.act, self.reread, where="eu"))  # type: ignore[arg-type]
        return self.did


def test_it_is_read_again_and_repeated() -> None:
    assert Changing(0).settle() == ["act"]
    once = ["act", "wait 1", "read"]
    twice = [*once, "act", "wait 2", "read"]
    assert Changing(1).settle() == [*once, "act"]
    assert Changing(2).settle() == [*twice, "act"]
    assert Changing(3).settle() == [*twice, "act", "wait 4", "read", "act"]


def test_somebody_who_never_stops_is_told_of() -> None:
    """After five times, as docs/reliability.md says."""
    image = Changing(float("inf"))
    with pytest.raises(errors.Drift) as caught:
        image.settle()
    assert str(caught.value) == f"Someone else keeps changing {IMAGE}: Labels fingerprint is invalid"
    assert caught.value.todo == "Run this again."
    # Reading after the last try would be for nothing.
    assert image.did[-1] == "act"
    assert (image.did.count("act"), image.did.count("read")) == (5, 4)


def test_another_refusal_is_not_repeated() -> None:
    image = Changing(1, status=403)
    with pytest.raises(Refusal):
        image.settle()
    assert image.did == ["act"]
