from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.runtime import dotenv

URI = "projects/p1/global/images/web-1"
OUTPUTS = {
    "decision": "replicate",
    "reason": "all of it is there",
    "images": '{"us": "x"}',
    "image_us": URI,
    "image_eu": "",
    "replicas": "[]",
    "index_path": "/builds/a b/image-index.json",
}


def as_gitlab(text: str) -> dict[str, str]:
    """The variables that GitLab reads: every line must match, blanks around name and value go."""
    found = {}
    for line in text.splitlines():
        said = re.fullmatch(r"(.*?)=(.*)", line)
        assert said, line
        assert re.fullmatch("[A-Za-z0-9_]+", said[1])
        found[said[1]] = said[2].strip()
    return found


def test_what_is_one_value_of_one_line() -> None:
    text = dotenv.lines(OUTPUTS)
    assert text == (f"DECISION=replicate\nIMAGE_US={URI}\nIMAGE_EU=\nINDEX_PATH=/builds/a b/image-index.json\n")


@given(st.dictionaries(st.from_regex("[a-z][a-z_0-9]{0,9}", fullmatch=True), st.text(max_size=9), max_size=4))
def test_no_value_forges_a_variable(outputs: dict[str, str]) -> None:
    if not all(value.isprintable() for name, value in outputs.items() if name != "reason"):
        with pytest.raises(ValueError, match="holds a line end or another control character"):
            dotenv.lines(outputs)
        return
    read = as_gitlab(dotenv.lines(outputs))
    assert set(read) <= {name.upper() for name in outputs}
    assert all(value == outputs[name.lower()].strip() for name, value in read.items())


@pytest.mark.parametrize("value", ["a\nEVIL=1", "a\r", "a\u2028EVIL=1", "a\x85", "\x00"])
def test_a_value_with_a_line_end_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="the value of INDEX_PATH holds a line end"):
        dotenv.lines({**OUTPUTS, "index_path": value})


def test_a_path_like_a_list_is_a_path() -> None:
    assert dotenv.lines({"index_path": "[x]/i.json"}) == "INDEX_PATH=[x]/i.json\n"
