"""The way to the API, where no run needs it so: many images at once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from replicator.compute import connect
from replicator.core.images import ImageRef

if TYPE_CHECKING:
    from emulator.testing import Running

#: Servers and proxies take URLs of that length for certain.
LONGEST_URL = 8 * 2**10


@pytest.mark.parametrize(("count", "lists"), [(0, 0), (1, 1), (90, 1), (91, 2), (6 * 2 * 43, 6)])
def test_no_list_of_names_is_too_long_for_a_url(emulator: Running, count: int, lists: int) -> None:
    """A merge of many variants asks for hundreds of images; with the longest names."""
    names = [f"web-{number:04}".ljust(63, "x") for number in range(count)]
    there = names[::7]
    for name in there:
        emulator.add_image(project="p1", name=name)
    found = connect.connect(emulator.url, {}, anonymous=True).find("p1", names).send()
    assert sorted(found) == [ImageRef("p1", name) for name in there]
    sent = emulator.journal()
    assert len(sent) == lists
    assert all(len(f"{emulator.url}{entry['target']}?{urlencode(entry['query'])}") < LONGEST_URL for entry in sent)
