"""What is said of a source that is held back: exactly, for both architectures, and of few families by name."""

from __future__ import annotations

import pytest

from replicator.core import held_back
from replicator.core.images import ImageRef
from testkit.make import image

SAID = (
    "The source projects/p1/global/images/web-1 is marked DEPRECATED: it was held back, rolled back or retired. Its replicas "
    "are made and verified, and none is given a family; what one carries stays."
)


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_what_families_resolve_to_is_told(architecture: str) -> None:
    source = image(architecture=architecture, deprecated="DEPRECATED")
    assert held_back.warning(source, {}) == SAID
    heads = {("p1", "web-eu"): ImageRef("p1", "web-0-eu"), ("p1", "web-asia"): None}
    assert held_back.warning(source, heads) == (
        f"{SAID} Now the family web-eu resolves to projects/p1/global/images/web-0-eu; the family web-asia resolves to "
        "nothing."
    )


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
@pytest.mark.parametrize(("count", "named", "more"), [(7, 7, 0), (8, 8, 0), (9, 7, 2), (43, 7, 36)])
def test_of_many_families_few_are_named(count: int, named: int, more: int, architecture: str) -> None:
    source = image(architecture=architecture, deprecated="DEPRECATED")
    said = held_back.warning(source, {("p1", f"web-{number}"): None for number in range(count)})
    assert said.count("resolves to nothing") == named
    assert said.endswith(
        f"; {more} more are told with their replicas." if more else f"web-{count - 1} resolves to nothing."
    )
