from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator import promote
from replicator.model import Held, Image, Plan
from tests.make import copy, image, replica

AGES = st.integers(0, 6)


def plan(source: Image, lead: str = "") -> Plan:
    leads = {("p1", "web-eu"): lead} if lead else {}
    return Plan(source=source, source_policy=None, readers=(), steps=(), leads=leads, promote=True)


@pytest.mark.parametrize(
    ("ours", "source", "head", "origin", "expected"),
    [
        (5, 1, None, None, None),
        (5, 3, 4, 2, None),
        (5, 1, 4, 2, Held.FAMILY_IS_NEWER),
        (5, 1, 4, 4, Held.FAMILY_IS_NEWER),
        (5, 2, 4, 2, None),
        (3, 1, 4, 2, None),
        (4, 1, 4, 2, Held.FAMILY_IS_NEWER),
    ],
    ids=[
        "no head",
        "head of an older release",
        "head of a newer release",
        "head whose source is gone",
        "head of the same age of source",
        "older than the head, which stays head",
        "as old as the head: nobody knows who would win",
    ],
)
def test_never_backwards(ours: int, source: int, head: int | None, origin: int | None, expected: Held | None) -> None:
    found = promote.held(
        plan(image(age=source)),
        replica(),
        copy(age=ours),
        head=None if head is None else copy(id="8", age=head),
        head_source=None if origin is None else image(id="9", age=origin),
        lead=None,
    )
    assert found is expected


def test_the_head_itself() -> None:
    ours = copy(age=5)
    assert promote.held(plan(image(age=1)), replica(), ours, head=ours, head_source=image(age=3), lead=None) is None


@pytest.mark.parametrize(("ours", "lead", "held"), [(3, 4, False), (4, 4, True), (5, 4, True), (3, None, True)])
def test_never_away_from_the_lead(ours: int, lead: int | None, held: bool) -> None:
    found = promote.held(
        plan(image(), lead="us"),
        replica(),
        copy(age=ours),
        head=None,
        head_source=None,
        lead=None if lead is None else copy("us", id="7", age=lead),
    )
    assert found is (Held.WOULD_TAKE_FAMILY if held else None)


def test_the_lead_needs_no_lead() -> None:
    assert promote.held(plan(image(), "eu"), replica(), copy(), head=None, head_source=None, lead=None) is None


@given(ours=AGES, source=AGES, head=AGES, origin=AGES)
def test_whoever_becomes_head_is_of_no_older_source(ours: int, source: int, head: int, origin: int) -> None:
    mine, theirs = copy(age=ours), copy(id="8", age=head)
    first = image(id="9", age=origin)
    held = promote.held(plan(image(age=source)), replica(), mine, head=theirs, head_source=first, lead=None)
    family = [theirs] if held else [theirs, mine]
    youngest = max(family, key=lambda member: member.created)
    if youngest is mine:
        assert source >= origin
